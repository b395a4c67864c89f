"""The folder of an export: what is in it, which parts are finished, and what may be replaced.

    OUT/bdgan-export.json       what it is made of, and whether it is finished; written first and last
    OUT/.bdgan-export/*.jsonl   one file per finished part: a line per sample, and their hash; gone at the end

A part's file appears after the files of its samples. So an export that was killed goes on with the first part that has
no file, and does again what that part had begun.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bdgan_cli import atomic
from bdgan_cli.dataset.exporters.exporter import Converted, Packing, Record
from bdgan_cli.dataset.fields import as_object, take
from bdgan_cli.errors import DataError, UsageError

MANIFEST = "bdgan-export.json"
PARTS = ".bdgan-export"
_HASH_BYTES = 65  # of the last line of a part's file
_HINT = "use --overwrite, or another folder for the new export"


class Target:
    """An export's folder, opened for writing; :meth:`write_files` may be called from several threads.

    Args:
        root: The folder.
        content: What the export is made of, as plain JSON values: equal content gives equal files.
        owns: Names directly below the folder that the format writes.
    """

    def __init__(self, root: Path, content: Mapping[str, Any], owns: Iterable[str]) -> None:
        self.root = root
        self.content = dict(content)
        self.owns = sorted(owns)
        self._folders: set[Path] = set()

    def open(self, *, overwrite: bool) -> bool:
        """Make the folder ready, and tell whether the export is finished already.

        Raises:
            UsageError: If the folder holds something else, or another export and ``overwrite`` is not asked for.
            BdganError: If the machine refuses.
        """
        there = read_manifest(self.root)
        if there is not None and overwrite:
            with atomic.refusals_explained(self.root):
                _remove(self.root, there)
            there = None
        if there is not None:
            _check_same(self.root, there["content"], self.content)
            if there["finished"]:
                with atomic.refusals_explained(self.root):
                    self._remove_parts()
                return True
        with atomic.refusals_explained(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            atomic.sweep_temporary(self.root)
        # First of all: without it, what a killed export leaves would be a folder of something else.
        self._write_manifest(finished=False)
        with atomic.refusals_explained(self.root):
            (self.root / PARTS).mkdir(exist_ok=True)
            atomic.sweep_temporary(self.root / PARTS)
        return False

    def finished(self, stem: str) -> list[Record] | None:
        """Return the lines of a finished part; None if it is not finished or damaged, or a file is gone or cut."""
        path = self._part(stem)
        if not path.is_file():
            return None
        data = path.read_bytes()
        if hashlib.sha256(data[:-_HASH_BYTES]).hexdigest().encode() != data[-_HASH_BYTES:].strip():
            return None
        lines = list(self.lines(stem))
        whole = all(self._size(path) == size for line in lines for path, size in line["files"].items())
        return lines if whole else None

    def lines(self, stem: str) -> Iterator[Record]:
        """Yield the lines of a finished part, each with ``files``, ``record``, ``agreement`` and ``ignored_px``."""
        with self._part(stem).open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("{"):  # the last one is their hash
                    yield json.loads(line)

    def write_files(self, converted: Converted) -> Record:
        """Write the files of a sample, and return the line that stands for it.

        Raises:
            BdganError: If the machine refuses.
        """
        for name, data in converted.files.items():
            path = self._path(name)
            with atomic.refusals_explained(path):
                self._make_folder(path.parent)
                path.write_bytes(data)
        sizes = {name: len(data) for name, data in converted.files.items()}
        lost = {"agreement": converted.agreement, "ignored_px": converted.ignored_px}
        return {"files": sizes, "record": converted.record, **lost}

    def write_part(self, stem: str, lines: Iterable[Record]) -> None:
        """Write the file that says that a part is finished; the lines are taken one by one.

        Raises:
            BdganError: If the machine refuses.
        """
        path = self._part(stem)
        with atomic.refusals_explained(path), atomic.temporary_file(path) as (temporary, file):
            digest = hashlib.sha256()
            for line in lines:
                data = json.dumps(line, ensure_ascii=False, allow_nan=False).encode() + b"\n"
                digest.update(data)
                file.write(data)
            file.write(digest.hexdigest().encode() + b"\n")
            atomic.seal(file)
            atomic.put_in_place(temporary, path)

    def write_packed(self, name: str, packing: Packing, rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
        """Write the common file of a part, and return its size by its name, as the part's lines have them.

        Raises:
            BdganError: If the machine refuses.
        """
        path = self._path(name)
        with atomic.refusals_explained(path):
            self._make_folder(path.parent)
            atomic.sweep_temporary(path.parent)
        with atomic.refusals_explained(path), atomic.temporary_file(path) as (temporary, file):
            packing.write(file, rows)
            atomic.seal(file)
            atomic.put_in_place(temporary, path)
        return {name: path.stat().st_size}

    def finish(self, files: Iterable[tuple[str, Iterable[bytes]]]) -> None:
        """Write the files made of all samples, then say that the export is finished.

        Raises:
            BdganError: If the machine refuses.
        """
        for name, pieces in files:
            path = self._path(name)
            with atomic.refusals_explained(path):
                self._make_folder(path.parent)
                atomic.sweep_temporary(path.parent)
            with atomic.refusals_explained(path), atomic.temporary_file(path) as (temporary, file):
                file.writelines(pieces)
                atomic.seal(file)
                atomic.put_in_place(temporary, path)
        # One call for all the small files: waiting for each of them would take longer than the export.
        sync: Callable[[], None] = getattr(os, "sync", lambda: None)
        sync()
        self._write_manifest(finished=True)
        with atomic.refusals_explained(self.root):
            self._remove_parts()

    def _remove_parts(self) -> None:
        if (self.root / PARTS).is_dir():
            shutil.rmtree(self.root / PARTS)

    def _write_manifest(self, *, finished: bool) -> None:
        data = {"format_version": 1, "finished": finished, "owns": self.owns, "content": self.content}
        text = json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        atomic.write_atomically(self.root / MANIFEST, text.encode())

    def _part(self, stem: str) -> Path:
        return self.root / PARTS / f"{stem}.jsonl"

    def _path(self, name: str) -> Path:
        parts = name.split("/")
        assert parts[0] in self.owns, f"the format writes {name}, but owns only {self.owns}"
        assert not {"", ".", ".."} & set(parts), f"{name} leaves the export's folder"
        return self.root / name

    def _size(self, name: str) -> int:
        path = self.root / name
        return path.stat().st_size if path.is_file() else -1

    def _make_folder(self, folder: Path) -> None:
        if folder not in self._folders:
            folder.mkdir(parents=True, exist_ok=True)
            self._folders.add(folder)


def read_manifest(root: Path) -> dict[str, Any] | None:
    """Return what ``bdgan-export.json`` says, or None where nothing is yet.

    Raises:
        UsageError: If the folder is a file, or holds something else.
        DataError: If the manifest is broken.
    """
    if root.exists() and not root.is_dir():
        raise UsageError(f"expected a folder for the export, got the file {root}", "choose another folder")
    path = root / MANIFEST
    if not path.is_file():
        others = sorted(entry.name for entry in root.iterdir() if not atomic.is_ours(entry)) if root.is_dir() else []
        if others:
            found = ", ".join(others[:3]) + (", ..." if len(others) > 3 else "")
            raise UsageError(f"{root} holds something else: {found}; no {MANIFEST}", "choose another folder")
        return None
    try:
        manifest = as_object(json.loads(path.read_text(encoding="utf-8")), str(path))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected JSON, got: {error}") from error
    take(manifest, "content", dict, str(path))
    owns = take(manifest, "owns", list, str(path))
    # What is removed for --overwrite is read from here, so it must not name anything outside.
    if not all(isinstance(name, str) and name not in ("", ".", "..") and not set(name) & set("/\\") for name in owns):
        raise DataError(f"{path}: expected 'owns' to be plain names, got {owns}")
    return {**manifest, "finished": manifest.get("finished") is True}


def _remove(root: Path, manifest: Mapping[str, Any]) -> None:
    """Remove what an export consists of; the manifest goes last, so that a killed removal can be taken up again."""
    for name in (*manifest["owns"], PARTS):
        path = root / name
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    (root / MANIFEST).unlink()


def _check_same(root: Path, before: Mapping[str, Any], now: Mapping[str, Any]) -> None:
    names = [name for name in sorted({*before, *now}) if before.get(name) != now.get(name)]
    if names:
        changes = [f"{name}: {_short(before.get(name))} there, {_short(now.get(name))} now" for name in names]
        raise UsageError(f"{root} holds another export: {'; '.join(changes)}", _HINT)


def _short(value: Any) -> str:
    text = "nothing" if value is None else str(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
