"""The small languages of the command line: what a user types, as a file with one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from bdgan_cli.dataset.class_lists import select_classes
from bdgan_cli.dataset.importers.coco_survey import select_categories
from bdgan_cli.dataset.importers.mask_rules import parse_mask_map
from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.dataset.splits import check_split, parse_fractions
from bdgan_cli.workflows.import_job import parse_labels
from tests.fuzz.reader import Files, Place, Reader

TABLE = tuple(ClassEntry(number, f"n{number:08d}", f"class {number}") for number in range(200))


def typed(*lines: str) -> Callable[[], Sequence[Files]]:
    return lambda: [{"line": line.encode()} for line in lines]


def read_line(parse: Callable[[str], None], place: Place) -> None:
    # As Python decodes arguments: bytes that are no UTF-8 become halves of surrogates.
    parse((place.source / "line").read_bytes().decode("utf-8", "surrogateescape"))


def classes(text: str) -> None:
    ids = select_classes(text, TABLE)
    assert ids == sorted(set(ids))
    assert set(ids) <= {entry.id for entry in TABLE}


def fractions(text: str) -> None:
    found = parse_fractions(text)
    assert abs(sum(part.share for part in found) - 1) < 1e-5
    assert all(0 < part.share <= 1 and check_split(part.name, "") for part in found)


def mask_map(text: str) -> None:
    assert all(0 <= label <= 255 and value >= 0 for value, label in parse_mask_map(text).items())


def labels(text: str) -> None:
    found = parse_labels(text)
    assert found is not None
    assert len(found) == len(set(found)) >= 2


def categories(text: str) -> None:
    assert set(select_categories(text, {1: "cat", 7: "big dog"})) <= {1, 7}


_WORDS = (
    "\u00b2".encode(),
    "\u0663".encode(),
    b"all",
    b"-",
    b"0-99999999999",
    b"1" * 5000,
    b"#",
    b"=",
    b"@",
    b"\x00",
    b"a" * 300,
)
_LINES = {
    "--classes": (classes, ("0-3,class 9,n00000071", "all", "151-153, CLASS 5")),
    "--splits": (fractions, ("train=0.8,val=0.1,test=0.1", "a=1", "a=.5,b=.5")),
    "--mask-map": (mask_map, ("0=0,255=1", "#000000=0,#ff0000=1", "65535=255")),
    "--labels": (labels, ("background,object", "background,cat,dog")),
    "--categories": (categories, ("cat,7", "all", "Big Dog")),
}  # fmt: skip
READERS = tuple(
    Reader(f"words of {name}", typed(*lines), partial(read_line, parse), tokens=_WORDS, names_file=False)
    for name, (parse, lines) in _LINES.items()
)
