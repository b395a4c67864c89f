"""Which models a sampling run takes, where the user named a family, or nothing."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from bdgan_cli import runs
from bdgan_cli.errors import MissingError
from bdgan_cli.progress import Reporter
from bdgan_cli.weights.card import all_cards, companion, find_card, resolve_name


def choose_generator(name: str, workspace: Path, head: str | None, report: Reporter) -> str:
    """Settle which generator is meant: a family means that of its newest head (or of the head named), if there is one.

    Raises:
        MissingError: If the head that was named does not exist.
    """
    members = [card for card in all_cards() if resolve_name(name, card) == card]
    if members == [name] or not members:
        return name
    folders = [runs.find_head(workspace, head)] if head is not None else []
    if head is None:
        for member in members:
            with suppress(MissingError):
                folders.append(runs.newest_head(workspace, member))
    named = None
    if folders:
        newest = max(folders, key=lambda folder: (folder / "head.json").stat().st_mtime_ns)
        named = json.loads((newest / "head.json").read_text(encoding="utf-8")).get("generator", {}).get("name")
    chosen = resolve_name(name, named)
    report.note(f"generator: {chosen} (of the family {name})")
    return chosen


def choose_classifier(asked: str, generator: str) -> str:
    """Name the classifier that scores the samples, empty for none.

    Args:
        asked: ``auto`` for that of the generator's domain, ``none``, or a name.
        generator: The generator's name.

    Raises:
        MissingError: If there is no model of that name.
        UsageError: If it is no classifier.
    """
    if asked == "none":
        return ""
    return (companion(generator, "classifier") or "") if asked == "auto" else find_card(asked, "classifier").name
