"""A segmentation task: labels, and the classes whose objects have them (paper 5.2, supplement B)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from bdgan_cli.errors import DataError

BACKGROUND = "background"
EVERY_CLASS = "*"
MAX_LABEL = 65534


@dataclass(frozen=True)
class Task:
    """What a benchmark segments.

    Attributes:
        name: How commands call it.
        title: How the paper calls it.
        domain: Whose classes these are: ``imagenet``, where a token is a wnid; ``shapes``; or empty.
        label_names: Names of the mask values 0..K; 0 is the background.
        labels: Label 1..K by class token: wnid, else name of the class. The token ``*`` is every class not listed.
        aliases: Other names that a label has in other datasets, by label name.
        coco_ids: COCO category id by label name, of the labels that COCO has.
        published: Published number of pictures by split, ``train`` and ``test``; empty where there is none.
        note: Where the map comes from, and what of it was never published.

    Raises:
        DataError: If a label has no class, or a name has two meanings.
    """

    name: str
    title: str
    domain: str
    label_names: tuple[str, ...]
    labels: Mapping[str, int]
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    coco_ids: Mapping[str, int] = field(default_factory=dict)
    published: Mapping[str, int] = field(default_factory=dict)
    note: str = ""

    def __post_init__(self) -> None:
        where, known = f"task {self.name}", set(self.label_names[1:])
        if self.label_names[:1] != (BACKGROUND,) or not 1 <= len(self.label_names) - 1 <= MAX_LABEL:
            got = f"{len(self.label_names)} starting with {self.label_names[:1]}"
            raise DataError(f"{where}: expected {BACKGROUND!r} and 1 to {MAX_LABEL} other label names, got {got}")
        wanted, got_labels = set(range(1, len(self.label_names))), set(self.labels.values())
        if got_labels != wanted:
            odd = ", ".join(map(str, sorted(wanted ^ got_labels)[:8]))
            raise DataError(f"{where}: expected classes for each label 1 to {len(wanted)} and no other, not so: {odd}")
        for what, names in (("aliases", self.aliases), ("coco ids", self.coco_ids)):
            unknown = [name for name in names if name not in known]
            if unknown:
                raise DataError(f"{where}: {what}: expected names of labels, got {unknown[0]!r}")
        if len(set(self.coco_ids.values())) < len(self.coco_ids):
            raise DataError(f"{where}: expected each COCO category id once, got {dict(self.coco_ids)}")
        _ = self._meanings  # refuses names with two meanings

    @property
    def classes_count(self) -> int:
        """Number of classes that are listed one by one."""
        return len(self.labels) - (EVERY_CLASS in self.labels)

    @property
    def labels_count(self) -> int:
        """Number of labels; the background counts, as in the paper's MC-16."""
        return len(self.label_names)

    @property
    def takes_every_class(self) -> bool:
        """Whether classes that are not listed have a label, too."""
        return EVERY_CLASS in self.labels

    def label_of(self, word: str) -> int | None:
        """Return the label that a wnid, a class name, a label name or an alias means, without regard to case.

        Returns:
            The label; that of ``*`` for other words, None if there is no ``*``.
        """
        return self._meanings.get(word.casefold(), self.labels.get(EVERY_CLASS))

    def classes_of(self, label: int) -> list[str]:
        """Return the tokens of a label's classes, in the task's order."""
        return [token for token, value in self.labels.items() if value == label]

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {
            "name": self.name,
            "title": self.title,
            "domain": self.domain,
            "label_names": list(self.label_names),
            "labels": dict(self.labels),
            "aliases": {name: list(others) for name, others in self.aliases.items()},
            "coco_ids": dict(self.coco_ids),
            "published": dict(self.published),
            "note": self.note,
        }

    @cached_property
    def _meanings(self) -> dict[str, int]:
        """Labels by every word for them; the background's name and ``*`` are none."""
        words = [(token, label) for token, label in self.labels.items() if token != EVERY_CLASS]
        for label, name in enumerate(self.label_names[1:], 1):
            words += [(word, label) for word in (name, *self.aliases.get(name, ()))]
        meanings = {BACKGROUND: 0}
        for word, label in words:
            other = meanings.setdefault(word.casefold(), label)
            if other != label:
                both = f"{self.label_names[other]!r} and {self.label_names[label]!r}"
                raise DataError(f"task {self.name}: expected each name to mean one label, {word!r} means {both}")
        if len({name.casefold() for name in self.label_names}) < len(self.label_names):
            raise DataError(f"task {self.name}: expected each label name once")
        return meanings
