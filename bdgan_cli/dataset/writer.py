"""Writes datasets shard by shard; each shard is there complete with its index part, or not at all.

Order of a shard's appearance: tar under a temporary name, old index part removed, tar renamed, index part renamed. A
reader trusts only shards with an index part, so it never sees an index beside the wrong tar, whenever the writer dies.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bdgan_cli import atomic
from bdgan_cli.dataset import tar
from bdgan_cli.dataset.card import write_card
from bdgan_cli.dataset.index import merge_index, part_ends_at, read_info
from bdgan_cli.dataset.merged import drop_merged
from bdgan_cli.dataset.plans import check_same_plan
from bdgan_cli.dataset.sample import EncodedSample, Sample, encode_sample
from bdgan_cli.dataset.schema import CARD_FILE, INDEX_SCHEMA, INFO_FILE, MEMBERS, PREVIEW_FILE, DatasetInfo
from bdgan_cli.errors import DataError, UsageError

__all__ = ["DatasetWriter", "check_may_write", "encode_sample", "open_for_writing", "writer_lock"]

_STEM = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}")


class DatasetWriter:
    """Writes shards into an opened dataset folder; methods may be called from several threads and processes.

    Args:
        root: The dataset's folder, prepared by :func:`open_for_writing`.
        info: What ``dataset.json`` there says.
    """

    def __init__(self, root: Path, info: DatasetInfo) -> None:
        self.root = root
        self.info = info

    def finished(self, stem: str) -> int | None:
        """Return the number of samples in a shard that readers trust, None if there is no such shard."""
        found = part_ends_at(self._index_path(stem))
        if found is None:
            return None
        rows, last_byte = found
        shard = self._shard_path(stem)
        is_whole = shard.is_file() and shard.stat().st_size >= tar.full_size(last_byte)
        return rows if is_whole else None

    def write_shard(self, stem: str, samples: Iterable[Sample], *, image_format: str = "png") -> int:
        """Encode and write a shard; see :meth:`write_encoded`."""
        return self.write_encoded(stem, (encode_sample(sample, image_format) for sample in samples))

    def write_encoded(self, stem: str, samples: Iterable[EncodedSample]) -> int:
        """Write a shard and its index part in the order given; a shard of that name is replaced.

        Args:
            stem: The shard's name without folder and suffix.
            samples: Consumed one by one: no more than one is held.

        Returns:
            The number of samples written.

        Raises:
            DataError: If two samples have the same key.
            BdganError: If the machine refuses, such as a full disk; finished shards stay as they are.
        """
        shard, part = self._shard_path(stem), self._index_path(stem)
        with (
            atomic.refusals_explained(shard),
            atomic.temporary_file(shard) as (new_shard, shard_file),
            atomic.temporary_file(part) as (new_part, part_file),
        ):
            rows = [_append(shard_file, stem, sample) for sample in samples]
            tar.append_end(shard_file)
            pq.write_table(_index_table(stem, rows), part_file, compression="zstd", write_page_checksum=True)
            atomic.seal(shard_file)
            atomic.seal(part_file)
            if part.exists():
                drop_merged(self.root)
                part.unlink()
                atomic.sync_folder(part.parent)
            atomic.put_in_place(new_shard, shard)
            atomic.put_in_place(new_part, part)
        return len(rows)

    def finalize(self) -> None:
        """Write the merged index, the dataset card and its preview picture; call when all shards are there.

        Raises:
            BdganError: If the machine refuses.
        """
        for folder in (self.root, self.root / "shards", self.root / "index"):
            atomic.sweep_temporary(folder)
        merge_index(self.root)
        write_card(self.root)

    def _shard_path(self, stem: str) -> Path:
        return self.root / "shards" / f"{_checked_stem(stem)}.tar"

    def _index_path(self, stem: str) -> Path:
        return self.root / "index" / f"{_checked_stem(stem)}.parquet"


def open_for_writing(path: Path | str, info: DatasetInfo, *, overwrite: bool = False) -> DatasetWriter:
    """Create a dataset folder, or go on in one that has the same or a smaller plan.

    One process calls this; others that write into the same dataset then make a :class:`DatasetWriter` of their own.

    Args:
        path: The dataset's folder.
        info: What the dataset is and which work it consists of.
        overwrite: Remove the dataset that is there. Only files of a dataset are ever removed.

    Raises:
        UsageError: If the folder holds something else, or a dataset with another plan.
        BdganError: If the machine refuses.
    """
    root = Path(path)
    check_may_write(root, info, overwrite=overwrite)
    content = (json.dumps(info.to_json(), indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    marker = root / INFO_FILE
    with atomic.refusals_explained(root):
        root.mkdir(parents=True, exist_ok=True)
        if overwrite and marker.is_file():
            _remove_dataset_files(root)
        atomic.sweep_temporary(root)
    # First of all: without it, what a killed writer leaves would be a folder of something else.
    if not marker.is_file() or marker.read_bytes() != content:
        atomic.write_atomically(marker, content)
    with atomic.refusals_explained(root):
        for name in ("shards", "index"):
            (root / name).mkdir(exist_ok=True)
            atomic.sweep_temporary(root / name)
    return DatasetWriter(root, info)


def check_may_write(path: Path | str, info: DatasetInfo, *, overwrite: bool = False) -> None:
    """Refuse what :func:`open_for_writing` would refuse, and change nothing.

    Raises:
        UsageError: If the folder holds something else, or, not to be overwritten, a dataset with another plan.
    """
    root = Path(path)
    refuse_foreign_folder(root)
    if not overwrite and (root / INFO_FILE).is_file():
        with atomic.refusals_explained(root):
            check_same_plan(read_info(root), info, str(root))


@contextmanager
def writer_lock(path: Path | str) -> Iterator[None]:
    """Keep a second writer out of a dataset folder; ranks of one job share the lock of their first.

    Raises:
        UsageError: If the folder holds something else.
        BdganError: If another writer is at work there.
    """
    root = Path(path)
    refuse_foreign_folder(root)
    with ExitStack() as stack:
        with atomic.refusals_explained(root):
            root.mkdir(parents=True, exist_ok=True)
            stack.enter_context(atomic.folder_lock(root))
        yield


def refuse_foreign_folder(root: Path) -> None:
    """Refuse an existing path that is neither a dataset nor an empty folder.

    Raises:
        UsageError: If it is a file, or a folder with other content and no ``dataset.json``.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(
            f"expected a folder for the dataset, got the file {root}", "choose another name for the dataset"
        )
    if not root.is_dir() or (root / INFO_FILE).is_file():
        return
    others = sorted(path.name for path in root.iterdir() if not atomic.is_ours(path))
    if others:
        found = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
        raise UsageError(f"{root} holds something else: {found}; no {INFO_FILE}", "choose another name for the dataset")


def _append(file: Any, stem: str, sample: EncodedSample) -> dict[str, Any]:
    places = tar.append_members(file, sample.key, sample.members, sample.row["image_format"])
    row = {**sample.row, "shard": stem}
    for member in MEMBERS:
        row[f"{member}_offset"], row[f"{member}_size"] = places.get(member, tar.ABSENT)
    return row


def _index_table(stem: str, rows: list[dict[str, Any]]) -> pa.Table:
    keys = [row["key"] for row in rows]
    if len(set(keys)) != len(keys):
        twice = next(key for i, key in enumerate(keys) if key in keys[:i])
        raise DataError(f"shard {stem}: expected unique keys, got {twice} twice")
    return pa.Table.from_pylist(rows, schema=INDEX_SCHEMA)


def _remove_dataset_files(root: Path) -> None:
    """Remove what a dataset consists of, index first; ``dataset.json`` stays until its successor replaces it."""
    read_info(root)  # a dataset.json of something else is no licence to delete
    drop_merged(root)
    for name in ("index", "shards", "views"):
        if (root / name).is_dir():
            shutil.rmtree(root / name)
    for name in (CARD_FILE, PREVIEW_FILE):
        (root / name).unlink(missing_ok=True)


def _checked_stem(stem: str) -> str:
    if not _STEM.fullmatch(stem):
        raise ValueError(f"expected a shard name of A-Z a-z 0-9 _ . -, got {stem!r}")
    return stem
