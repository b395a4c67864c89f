"""New datasets out of old ones: a shard of which every sample is wanted as it is is taken over, others are rewritten.

A shard that is taken over becomes a hard link, or a copy where the file system has none; nobody ever changes a shard in
place, so both datasets may share it. Pictures, masks and latents of rewritten shards are the same bytes.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from bdgan_cli import atomic
from bdgan_cli.dataset.index import part_ends_at
from bdgan_cli.dataset.reader import Dataset, read_members
from bdgan_cli.dataset.sample import EncodedSample
from bdgan_cli.dataset.schema import MEMBERS, ClassEntry, check_key
from bdgan_cli.dataset.tar import Shard
from bdgan_cli.dataset.writer import DatasetWriter
from bdgan_cli.errors import DataError
from bdgan_cli.progress import Task

_UNSAFE = re.compile(r"[^A-Za-z0-9_.-]+")
_IDENTITY = ("key", "class_id", "split", "image_sha256", "mask_sha256", "latent_sha256")


@dataclass(frozen=True)
class Source:
    """A dataset or view, and what of it becomes different.

    Attributes:
        dataset: Where the samples come from.
        classes: The new class by the old id, of the classes that change.
        prefix: What is put in front of keys.
        splits: The new split by key; None keeps all splits.
    """

    dataset: Dataset
    classes: Mapping[int, ClassEntry] = field(default_factory=dict)
    prefix: str = ""
    splits: Mapping[str, str] | None = None

    def changed(self, row: Mapping[str, Any]) -> dict[str, Any]:
        """Return the index row of a sample as it will be."""
        entry = self.classes.get(row["class_id"])
        news = {} if entry is None else {"class_id": entry.id, "wnid": entry.wnid}
        split = row["split"] if self.splits is None else self.splits[row["key"]]
        return {**row, **news, "split": split, "key": check_key(self.prefix + row["key"])}


@dataclass(frozen=True)
class NewShard:
    """A shard of the new dataset.

    Attributes:
        source: Where it comes from.
        old: The shard's name there.
        stem: Its name in the new dataset.
        rows: Its samples' old index rows, in the order in which they lie in it.
        whole: Whether the file can be taken over as it is.
    """

    source: Source
    old: str
    stem: str
    rows: pa.Table
    whole: bool


def plan_shards(sources: Sequence[Source]) -> list[NewShard]:
    """Say which shards a dataset made of all samples of the sources has.

    A shard keeps its name; where two have the same, later ones get the number of their source in front.

    Raises:
        DataError: If two samples would have the same key, or a key is too long.
    """
    shards: list[NewShard] = []
    taken: set[str] = set()
    for number, source in enumerate(sources):
        table = source.dataset.table
        for old in sorted(set(table["shard"].to_pylist())):
            rows = table.filter(pc.equal(table["shard"], old)).sort_by("image_offset")
            plain = _UNSAFE.sub("-", old).lstrip(".-")[:80] or "shard"
            stem = plain if plain not in taken else f"d{number}-{plain}"
            while stem in taken:
                stem = f"x-{stem}"
            taken.add(stem)
            shards.append(NewShard(source, old, stem, rows, _is_whole(source, old, rows)))
    _check_keys(shards)
    return shards


def digest_of(shards: Sequence[NewShard]) -> str:
    """Return a hash of the samples: equal for equal ones, whatever folder they come from."""
    digest = hashlib.sha256()
    for shard in shards:
        for row in shard.rows.to_pylist():
            new = shard.source.changed(row)
            digest.update("\t".join(str(new[name]) for name in _IDENTITY).encode() + b"\n")
    return digest.hexdigest()


def write_shards(writer: DatasetWriter, shards: Sequence[NewShard], task: Task) -> None:
    """Write the shards that are not there yet.

    Raises:
        DataError: If a sample is damaged.
        BdganError: If the machine refuses.
    """
    for shard in shards:
        if writer.finished(shard.stem) != len(shard.rows):
            if shard.whole:
                _take_over(writer.root, shard)
            else:
                writer.write_encoded(shard.stem, _rewritten(shard))
        task.advance()


def _is_whole(source: Source, old: str, rows: pa.Table) -> bool:
    if source.prefix or set(source.classes) & set(rows["class_id"].to_pylist()):
        return False
    if source.splits is not None:
        pairs = zip(rows["key"].to_pylist(), rows["split"].to_pylist(), strict=True)
        if any(source.splits[key] != split for key, split in pairs):
            return False
    there = part_ends_at(source.dataset.root / "index" / f"{old}.parquet")
    return there is not None and there[0] == len(rows)


def _check_keys(shards: Sequence[NewShard]) -> None:
    holders: dict[str, Path] = {}
    for shard in shards:
        root = shard.source.dataset.root
        for key in shard.rows["key"].to_pylist():
            new = check_key(shard.source.prefix + key)
            if new in holders:
                where = f"in {holders[new]} and in {root}" if holders[new] != root else f"twice in {root}"
                raise DataError(
                    f"expected each key once, got {new} {where}", "put the dataset's name in front of keys: --rename"
                )
            holders[new] = root


def _take_over(root: Path, shard: NewShard) -> None:
    """Link the shard and then its index part, in the order in which a writer makes them appear."""
    old = shard.source.dataset.root
    for folder, suffix in (("shards", "tar"), ("index", "parquet")):
        target = root / folder / f"{shard.stem}.{suffix}"
        with atomic.refusals_explained(target):
            if folder == "shards":
                (root / "index" / f"{shard.stem}.parquet").unlink(missing_ok=True)
            _link(old / folder / f"{shard.old}.{suffix}", target)


def _link(source: Path, target: Path) -> None:
    with atomic.temporary_file(target) as (temporary, file):
        file.close()
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:  # another file system, or one without links
            with source.open("rb") as old, temporary.open("xb") as new:
                shutil.copyfileobj(old, new, 1 << 20)
                atomic.seal(new)
        atomic.put_in_place(temporary, target)


def _rewritten(shard: NewShard) -> Iterator[EncodedSample]:
    path = shard.source.dataset.root / "shards" / f"{shard.old}.tar"
    with Shard(path) as file:
        for row in shard.rows.to_pylist():
            members = read_members(file, row, MEMBERS)
            new = shard.source.changed(row)
            if "meta" in members:
                members["meta"] = _changed_meta(members["meta"], new, f"{path}: {row['key']}")
                new["meta_sha256"] = hashlib.sha256(members["meta"]).hexdigest()
            yield EncodedSample(new["key"], members, new)


def _changed_meta(data: bytes, row: Mapping[str, Any], where: str) -> bytes:
    try:
        meta = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: expected JSON, got: {error}") from error
    if not isinstance(meta, dict):
        raise DataError(f"{where}: expected a JSON object, got {type(meta).__name__}")
    meta.update({name: row[name] for name in ("key", "class_id", "wnid", "split")})
    return json.dumps(meta, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()
