"""One description for several datasets: a common class table, and what must agree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeVar

from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.dataset.schema import KINDS, ClassEntry
from bdgan_cli.errors import UsageError

T = TypeVar("T")


def join_classes(datasets: Sequence[Dataset]) -> tuple[tuple[ClassEntry, ...], list[dict[int, ClassEntry]]]:
    """Join class tables; a class is the same if its wnid is, or its name where one of them has no wnid.

    A class keeps its id unless another one has it already; then it gets the next free one.

    Returns:
        The common table ordered by id, and for each dataset the new class by the old id, of those that change.
    """
    table: dict[int, ClassEntry] = {}
    changes: list[dict[int, ClassEntry]] = []
    for dataset in datasets:
        changed: dict[int, ClassEntry] = {}
        for entry in dataset.info.classes:
            known = next((other for other in table.values() if _same(entry, other)), None)
            if known is None:
                known = entry if entry.id not in table else ClassEntry(max(table) + 1, entry.wnid, entry.name)
                table[known.id] = known
            if (known.id, known.wnid) != (entry.id, entry.wnid):
                changed[entry.id] = known
        changes.append(changed)
    return tuple(table[class_id] for class_id in sorted(table)), changes


def join_kind(datasets: Sequence[Dataset], kind: str | None) -> str:
    """Return the kind of all datasets, or the one that is asked for.

    Raises:
        UsageError: If they differ and none is asked for.
    """
    if kind is not None:
        if kind not in KINDS:
            raise UsageError(f"expected --kind {', '.join(KINDS)}, got {kind!r}")
        return kind
    kinds = sorted({dataset.info.kind for dataset in datasets})
    if len(kinds) > 1:
        raise UsageError(f"the datasets are of different kinds: {', '.join(kinds)}", f"say which: --kind {kinds[0]}")
    return kinds[0]


def join_labels(datasets: Sequence[Dataset]) -> tuple[str, ...]:
    """Return the names of the mask values, which must agree.

    Raises:
        UsageError: If they do not.
    """
    first = datasets[0]
    for other in datasets[1:]:
        if other.info.label_names != first.info.label_names:
            one, two = (", ".join(dataset.info.label_names[:6]) for dataset in (first, other))
            raise UsageError(
                f"expected the same labels, got {one} in {first.reference} and {two} in {other.reference}",
                "give both the labels of a task: bdgan data export --task, then import",
            )
    return first.info.label_names


def common(values: Sequence[T]) -> T | None:
    """Return the value if all are equal, else None."""
    return values[0] if all(value == values[0] for value in values) else None


def _same(one: ClassEntry, two: ClassEntry) -> bool:
    if one.wnid and two.wnid:
        return one.wnid == two.wnid
    return one.name.lower() == two.name.lower()
