"""Licences of weights that are fetched or brought: shown before the first use of each model, then remembered."""

from __future__ import annotations

import json
from contextlib import suppress

from bdgan_cli.atomic import sweep_temporary, write_atomically
from bdgan_cli.errors import BdganError
from bdgan_cli.weights.card import ModelCard
from bdgan_cli.weights.installed import cache_folder

_FILE = "licences-shown.json"


def unseen_terms(card: ModelCard) -> str | None:
    """Return a model's licence terms if they were not shown yet in this cache, or were others then."""
    if not card.terms or _shown().get(card.name) == card.terms:
        return None
    return card.terms


def mark_seen(card: ModelCard) -> None:
    """Remember that a model's terms have been shown; in a cache that cannot be written they are shown again."""
    path = cache_folder() / _FILE
    content = json.dumps({**_shown(), card.name: card.terms}, indent=2, sort_keys=True) + "\n"
    with suppress(OSError, BdganError):
        path.parent.mkdir(parents=True, exist_ok=True)
        sweep_temporary(path.parent)
        write_atomically(path, content.encode())


def _shown() -> dict[str, str]:
    """Read what was shown; a damaged file counts as nothing, so that terms are rather shown twice than never."""
    try:
        shown = json.loads((cache_folder() / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return shown if isinstance(shown, dict) else {}
