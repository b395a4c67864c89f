"""Model cards: what a model is, who made it, and which files hold its weights.

A card is data. Built-in cards are TOML files beside this module; third parties register a builder under the entry-point
group ``bdgan.generators``. Neither needs an import to be listed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from bdgan_cli.errors import DataError, MissingError, UsageError, near_names

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CARDS_FOLDER = Path(__file__).parent / "cards"
ENTRY_POINT_GROUP = "bdgan.generators"
KINDS = ("generator", "classifier", "segmenter")


@dataclass(frozen=True)
class WeightFile:
    """One file of a model: its name, its sha256 in hex and its size in bytes."""

    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class ModelCard:
    """A model as the registry knows it.

    Attributes:
        name: How commands call it.
        kind: One of ``KINDS``.
        family: Latents are exchangeable within a family only.
        builder: ``module:function``, called with (card, files, device).
        summary: One line for lists.
        origin: How the weights came about, said openly.
        licence: Licence of the weights.
        resolution: Picture size in pixels, 0 if unknown before loading.
        files: The weight files, in the order the builder expects.
        figures: Measured properties, with the command that measures them.
        source: ``built-in``, or the package that registered the card.
    """

    name: str
    kind: str
    family: str
    builder: str
    summary: str = ""
    origin: str = ""
    licence: str = ""
    resolution: int = 0
    files: tuple[WeightFile, ...] = ()
    figures: dict[str, Any] = field(default_factory=dict)
    source: str = "built-in"

    @property
    def sha256(self) -> str:
        """Identify the weights: the first file's hash, or the package's name and version where there is no file."""
        return self.files[0].sha256 if self.files else self.source


def all_cards() -> dict[str, ModelCard]:
    """Return every registered card by name, built-in ones first."""
    cards = {card.name: card for card in map(read_card, sorted(CARDS_FOLDER.glob("*.toml")))}
    for entry in entry_points(group=ENTRY_POINT_GROUP):
        package = f"{entry.dist.name} {entry.dist.version}" if entry.dist else "unknown package"
        cards.setdefault(
            entry.name,
            ModelCard(
                name=entry.name, kind="generator", family=entry.name, builder=entry.value,
                summary=f"third-party generator from {package}", licence=f"see package {package}", source=package,
            ),
        )  # fmt: skip
    return cards


def find_card(name: str, kind: str | None = None) -> ModelCard:
    """Look a model up by name.

    Raises:
        MissingError: If no card has that name; the hint names near ones.
        UsageError: If the model is of another kind than asked for.
    """
    cards = all_cards()
    if name not in cards:
        known = [card.name for card in cards.values() if kind in (None, card.kind)]
        raise MissingError(f"unknown {kind or 'model'} {name!r}", near_names(name, known))
    card = cards[name]
    if kind is not None and card.kind != kind:
        raise UsageError(f"{name} is a {card.kind}, expected a {kind}", "see bdgan models list")
    return card


def read_card(path: Path) -> ModelCard:
    """Read a TOML card.

    Raises:
        DataError: If the file is no TOML, lacks a field or has an unknown one.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        fields["files"] = tuple(WeightFile(**entry) for entry in fields.get("files", []))
        card = ModelCard(**fields)
    except (ValueError, TypeError) as error:
        raise DataError(f"model card {path.name} is not valid: {error}") from error
    if card.kind not in KINDS:
        raise DataError(f"model card {path.name}: kind {card.kind!r}, expected one of {', '.join(KINDS)}")
    return card
