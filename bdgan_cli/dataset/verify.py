"""Re-reads a dataset and says what is wrong with it, sample by sample."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from bdgan_cli.dataset.codecs import PNG_SIGNATURE, picture_format
from bdgan_cli.dataset.index import part_paths, read_info, read_part, union_of_parts
from bdgan_cli.dataset.masks import NO_MASK, mask_facts
from bdgan_cli.dataset.merged import MERGED_FILE, read_merged, same_rows
from bdgan_cli.dataset.reader import decode_row, read_members
from bdgan_cli.dataset.schema import INDEX_SCHEMA, MEMBERS, DatasetInfo, check_key, planned_counts
from bdgan_cli.dataset.tar import Place, Shard, member_name, odd_bytes, walk
from bdgan_cli.errors import DataError
from bdgan_cli.progress import Reporter

_PNG_GREY = 0


class Problem(NamedTuple):
    """One thing that is wrong.

    Attributes:
        key: The sample; empty if it concerns a whole shard or the dataset.
        shard: The shard's name; empty if it concerns the dataset.
        what: What was expected and what was got.
        is_warning: True for what does not make the dataset invalid, such as the unfinished shard of a killed writer.
    """

    key: str
    shard: str
    what: str
    is_warning: bool = False


def verify_dataset(path: Path | str, report: Reporter) -> list[Problem]:
    """Re-read everything: checksums, counts, sizes, decodability, mask values, and the plan's completeness.

    Args:
        path: The dataset's folder.
        report: Where progress goes.

    Returns:
        What is wrong, shard by shard; empty for a sound dataset.

    Raises:
        MissingError: If there is no dataset.
        DataError: If ``dataset.json`` itself cannot be read.
    """
    root = Path(path)
    info = read_info(root)
    problems: list[Problem] = []
    keys: dict[str, str] = {}
    per_class: Counter[int] = Counter()
    parts = part_paths(root)
    with report.task("verify", len(parts), "shards") as task:
        for part in parts:
            problems += _check_part(root, part, info, keys, per_class)
            task.advance()
    problems += _check_leftovers(root, parts)
    if not any(problem.shard for problem in problems if not problem.is_warning):
        problems += _check_merged(root, parts)
    return [*problems, *_check_plan(info, per_class)]


def _check_part(
    root: Path, part: Path, info: DatasetInfo, keys: dict[str, str], per_class: Counter[int]
) -> Iterator[Problem]:
    """Check one shard against its index part; ``keys`` and ``per_class`` collect what was seen."""
    stem = part.stem
    try:
        rows = read_part(part).to_pylist()
        shard = Shard(root / "shards" / f"{stem}.tar")
    except DataError as error:
        yield Problem("", stem, error.message)
        return
    per_class.update(row["class_id"] for row in rows)
    with shard:
        yield from _check_listing(shard, stem, rows)
        for row in rows:
            if row["key"] in keys:
                yield Problem(row["key"], stem, f"expected a unique key, got it in shard {keys[row['key']]}, too")
            keys[row["key"]] = stem
            for what in _check_row(shard, row, info):
                yield Problem(row["key"], stem, what)


def _check_listing(shard: Shard, stem: str, rows: list[dict[str, Any]]) -> Iterator[Problem]:
    """Compare the archive's own list of files with the index."""
    expected = {
        member_name(row["key"], member, row["image_format"]): (row["key"], _place(row, member))
        for row in rows
        for member in MEMBERS
        if row[f"{member}_offset"] >= 0
    }
    found: set[str] = set()
    try:
        for name, place in walk(shard.path):
            if name in found:
                yield Problem("", stem, f"expected each file once, got {name} twice")
            elif name not in expected:
                yield Problem("", stem, f"expected only files of the index, got {name}")
            elif place != expected[name][1]:
                yield Problem(expected[name][0], stem, f"expected {name} at {expected[name][1]}, got {place}")
            found.add(name)
    except DataError as error:
        yield Problem("", stem, error.message)
        return
    for name, what in odd_bytes(shard.path):
        yield Problem(expected[name][0] if name in expected else "", stem, what)
    for name in sorted(set(expected) - found):
        yield Problem(expected[name][0], stem, f"expected the file {name}, got none")


def _check_row(shard: Shard, row: dict[str, Any], info: DatasetInfo) -> Iterator[str]:
    """Yield what is wrong with one sample."""
    try:
        check_key(row["key"])
        members = read_members(shard, row, MEMBERS)
        changed = [what for name in MEMBERS for what in _check_hash(name, members.get(name), row[f"{name}_sha256"])]
        if changed:  # whatever else is wrong follows from it
            yield from changed
            return
        record = decode_row(shard, row, MEMBERS, len(info.label_names))
    except DataError as error:
        yield error.message.removeprefix(f"{shard.path}: ").removeprefix(f"{row['key']}: ")
        return
    if picture_format(members["image"]) != row["image_format"]:
        yield f"expected an image in format {row['image_format']}, got another"
    if "mask" in members and not _is_grey_png(members["mask"]):
        yield "expected the mask as grey PNG of 8 or 16 bits, got another kind of file"
    if record.meta is not None and record.meta.get("key") != row["key"]:
        yield f"expected the sample's JSON to name {row['key']}, got {record.meta.get('key')}"
    if row["class_id"] not in {entry.id for entry in info.classes}:
        yield f"expected a class of dataset.json, got id {row['class_id']}"
    if info.image_size is not None and (row["height"], row["width"]) != (info.image_size, info.image_size):
        yield f"expected {info.image_size}x{info.image_size} pixels, got {row['width']}x{row['height']}"
    stored = (row["area_px"], tuple(row[f"bbox_{side}"] for side in "xywh"), row["components"])
    measured = NO_MASK if record.mask is None else mask_facts(record.mask)
    if stored != tuple(measured):
        yield f"expected the index to say area, box, components {tuple(measured)}, got {stored}"


def _check_hash(name: str, data: bytes | None, stored: str) -> Iterator[str]:
    if not stored:
        return
    if data is None:
        yield f"expected a {name}, got none"
    elif (found := hashlib.sha256(data).hexdigest()) != stored:
        yield f"the {name}'s bytes have changed: expected sha256 {stored[:12]}, got {found[:12]}"


def _check_leftovers(root: Path, parts: list[Path]) -> Iterator[Problem]:
    stems = {part.stem for part in parts}
    for path in sorted((root / "shards").glob("*.tar")):
        if not path.name.startswith(".") and path.stem not in stems:
            yield Problem("", path.stem, "has no index part: unfinished, and not part of the dataset", is_warning=True)


def _check_merged(root: Path, parts: list[Path]) -> Iterator[Problem]:
    """Compare the merged index with the parts, which are sound."""
    path = root / MERGED_FILE
    merged = read_merged(root, parts, INDEX_SCHEMA.names)
    if merged is None and path.is_file():
        yield Problem("", "", f"{MERGED_FILE} is damaged or of other parts: readers do without", is_warning=True)
    elif merged is not None and not same_rows(merged, union_of_parts(root)):
        yield Problem("", "", f"expected {MERGED_FILE} to hold the index parts' rows, got others: remove it")


def _check_plan(info: DatasetInfo, per_class: Counter[int]) -> Iterator[Problem]:
    planned = planned_counts(info) or {}
    for class_id, expected in planned.items():
        if per_class[class_id] < expected:
            yield Problem("", "", f"expected {expected} samples of class {class_id}, got {per_class[class_id]}")
    pairs = info.plan.get("pairs")
    if isinstance(pairs, int) and pairs != per_class.total():
        yield Problem("", "", f"expected {pairs} samples, got {per_class.total()}")


def _place(row: dict[str, Any], member: str) -> Place:
    return Place(row[f"{member}_offset"], row[f"{member}_size"])


def _is_grey_png(data: bytes) -> bool:
    return data.startswith(PNG_SIGNATURE) and data[25] == _PNG_GREY and data[24] in (8, 16)
