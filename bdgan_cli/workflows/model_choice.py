"""Which models a sampling run takes, where the user named a family, or nothing."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from bdgan_cli import runs
from bdgan_cli.errors import MissingError, UsageError
from bdgan_cli.heads.files import HEAD_FILE, read_card
from bdgan_cli.progress import Reporter
from bdgan_cli.weights.card import all_cards, companion, find_card, resolve_name


def choose_generator(name: str, workspace: Path, head: str | None, report: Reporter) -> str:
    """Settle which generator is meant: a family means that of its newest head (or of the head named), if there is one.

    Raises:
        MissingError: If the head that was named does not exist.
        DataError: If its card is broken.
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
        newest = max(folders, key=lambda folder: (folder / HEAD_FILE).stat().st_mtime_ns)
        named = read_card(newest).generator
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
        UsageError: If it is no classifier, or one of other pictures.
    """
    if asked == "none":
        return ""
    if asked == "auto":
        return companion(generator, "classifier") or ""
    card, domain = find_card(asked, "classifier"), find_card(generator).domain
    if card.domain and domain and card.domain != domain:
        raise UsageError(
            f"{asked} is a classifier of {card.domain}, {generator} makes pictures of {domain}", "use --classifier none"
        )
    return card.name
