"""Model cards: what a model is, who made it, and which files hold its weights.

A card is data. Built-in cards are TOML files beside this module; third parties register a builder under the entry-point
group ``bdgan.generators``. Neither needs an import to be listed.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, NamedTuple

from bdgan_cli.errors import DataError, MissingError, UsageError, near_names
from bdgan_cli.weights.installed import WEIGHTS_FILE, read_record

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

CARDS_FOLDER = Path(__file__).parent / "cards"
ENTRY_POINT_GROUP = "bdgan.generators"
KINDS = ("generator", "classifier", "segmenter", "features", "backbone")


class Alias(NamedTuple):
    """A name for several models: the one meant if nothing else is said, and patterns of all of them."""

    default: str
    members: tuple[str, ...]


ALIASES = {"biggan": Alias("biggan-deep-512", ("biggan-512", "biggan-deep-*"))}


@dataclass(frozen=True)
class WeightFile:
    """One file of a model.

    Attributes:
        name: Its name in the package or in the model's folder.
        sha256: In hex.
        size: In bytes.
        mtime_ns: When it was installed, 0 if it was not; see :func:`bdgan_cli.weights.files.check`.
    """

    name: str
    sha256: str
    size: int
    mtime_ns: int = 0


@dataclass(frozen=True)
class Source:
    """One public file from which a model can be installed.

    Attributes:
        file: Its name upstream.
        urls: Where it lies, tried in order.
        sha256: In hex, or its first digits, as far as somebody published it; empty where nobody did.
        size: In bytes, 0 where nobody published it.
    """

    file: str
    urls: tuple[str, ...]
    sha256: str = ""
    size: int = 0


@dataclass(frozen=True)
class ModelCard:
    """A model as the registry knows it.

    Attributes:
        name: How commands call it.
        kind: One of ``KINDS``.
        family: Latents are exchangeable within a family only.
        domain: What the pictures show, such as ``shapes`` or ``imagenet``: a classifier or segmenter can judge the
            generators of its domain.
        builder: ``module:function``, called with (card, files, device).
        summary: One line for lists.
        origin: How the weights came about, said openly.
        licence: Licence of the weights.
        resolution: Picture size in pixels, 0 if unknown before loading.
        files: The weight files, in the order the builder expects.
        figures: Measured properties, with the command that measures them.
        source: ``built-in``, or the package that registered the card.
        sources: Public files that hold the weights, any one of which is enough; empty if the package brings them.
        layouts: Names of the layouts in which the weights may come; see ``weights/layouts``.
        pages: Web pages where a person finds the files that no program can fetch.
        terms: The licence in a few words with its address, shown before the first use.
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
    sources: tuple[Source, ...] = ()
    layouts: tuple[str, ...] = ()
    pages: tuple[str, ...] = ()
    terms: str = ""
    domain: str = ""

    @property
    def is_installed(self) -> bool:
        """Tell whether the weights are at hand: embedded, installed, or the business of another package."""
        return bool(self.files) or not self.sources

    @property
    def sha256(self) -> str:
        """Identify the weights: the first file's hash, or the package's name and version where there is no file."""
        return self.files[0].sha256 if self.files else self.source


def all_cards() -> dict[str, ModelCard]:
    """Return every registered card by name, built-in ones first."""
    cards = {card.name: _with_installed(card) for card in map(read_card, sorted(CARDS_FOLDER.glob("*.toml")))}
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
    """Look a model up by its name or by that of a family, which yields the family's default.

    Raises:
        MissingError: If no card has that name; the hint names near ones.
        UsageError: If the model is of another kind than asked for.
    """
    cards = all_cards()
    name = resolve_name(name)
    if name not in cards:
        known = [card.name for card in cards.values() if kind in (None, card.kind)]
        known += [alias for alias in ALIASES if kind in (None, cards[ALIASES[alias].default].kind)]
        raise MissingError(f"unknown {kind or 'model'} {name!r}", near_names(name, known))
    card = cards[name]
    if kind is not None and card.kind != kind:
        raise UsageError(f"{name} is a {card.kind}, expected a {kind}", "see bdgan models list")
    return card


def resolve_name(name: str, named_by_dataset: str | None = None) -> str:
    """Return the model that a name means.

    Args:
        name: A model's name, or that of a family of models.
        named_by_dataset: The generator that the annotated dataset at hand names; it decides within the family.

    Returns:
        The model's name; a name that means no family is returned as it is.
    """
    alias = ALIASES.get(name)
    if alias is None:
        return name
    if named_by_dataset is not None and any(fnmatchcase(named_by_dataset, member) for member in alias.members):
        return named_by_dataset
    return alias.default


def companion(generator: str, kind: str) -> str | None:
    """Name the model of a kind that judges a generator's pictures: the first of the generator's domain."""
    cards = all_cards()
    domain = cards[generator].domain if generator in cards else ""
    fitting = [card.name for card in cards.values() if card.kind == kind and domain and card.domain == domain]
    return fitting[0] if fitting else None


def read_card(path: Path) -> ModelCard:
    """Read a TOML card.

    Raises:
        DataError: If the file is no TOML, lacks a field or has an unknown one.
    """
    try:
        fields = tomllib.loads(path.read_text(encoding="utf-8"))
        fields["files"] = tuple(WeightFile(**entry) for entry in fields.get("files", []))
        fields["sources"] = tuple(_source(**entry) for entry in fields.get("sources", []))
        fields.update({key: tuple(fields.get(key, ())) for key in ("layouts", "pages")})
        card = ModelCard(**fields)
        _check_types(card)
    except (ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"model card {path.name} is not valid: {error}") from error
    if card.kind not in KINDS:
        raise DataError(f"model card {path.name}: kind {card.kind!r}, expected one of {', '.join(KINDS)}")
    return card


def _check_types(card: ModelCard) -> None:
    texts = [card.name, card.kind, card.family, card.builder, card.summary, card.origin, card.licence, card.terms]
    texts += [card.domain, card.source, *card.layouts, *card.pages]
    texts += [text for file in card.files for text in (file.name, file.sha256)]
    texts += [text for source in card.sources for text in (source.file, source.sha256, *source.urls)]
    odd: list[object] = [text for text in texts if not isinstance(text, str)]
    numbers = [card.resolution, *(file.size for file in card.files), *(source.size for source in card.sources)]
    odd += [number for number in numbers if not isinstance(number, int)]
    if odd:
        raise TypeError(f"expected text in text fields and integers in sizes, got {odd[0]!r}")


def _source(file: str, urls: list[str], sha256: str = "", size: int = 0) -> Source:
    return Source(file, tuple(urls), sha256, size)


def _with_installed(card: ModelCard) -> ModelCard:
    """Give a card the file that was installed from its sources, if it was."""
    try:
        record = read_record(card.name) if card.sources else None
    except DataError:  # told when this model is loaded; it must not stop the listing of the others
        record = None
    if record is None:
        return card
    return replace(card, files=(WeightFile(WEIGHTS_FILE, record.sha256, record.size, record.mtime_ns),))
