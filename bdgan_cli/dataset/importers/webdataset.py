"""Imports WebDataset tars of others: files of one sample share the name up to the first dot of its last part.

Archives are listed and read by position; nothing is ever unpacked. Links, devices and names that climb out are faults.
"""

from __future__ import annotations

import json
import os
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from bdgan_cli.dataset.importers.intake import Content, Found, main_class
from bdgan_cli.dataset.importers.mask_rules import MaskRule, read_mask
from bdgan_cli.dataset.importers.names import check_inside, keys_of
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.importers.upright import read_upright
from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.errors import DataError, MissingError

_IMAGES = ("jpg", "jpeg", "png", "webp", "bmp", "tif", "tiff")
_MOST_BYTES = 1 << 30
_MOST_JSON = 16 << 20


class _Member(NamedTuple):
    """A file in an archive: its name, and where its bytes lie."""

    tar: Path
    name: str
    offset: int
    size: int


@dataclass(frozen=True)
class TarRules:
    """How members become samples.

    Attributes:
        mask: Extension of the masks, such as ``mask.png``.
        names: Names of the mask values 0..K.
        masks: What mask values mean.
        split: The split of all samples; may be empty.
    """

    mask: str
    names: tuple[str, ...]
    masks: MaskRule
    split: str = ""


def find_members(root: Path, rules: TarRules) -> tuple[list[Found], list[Fault]]:
    """List the samples of a tar, or of all tars of a folder, in the order of the archives.

    Raises:
        MissingError: If there is no tar.
    """
    tars = [root] if root.is_file() else sorted([*root.glob("*.tar"), *root.glob("shards/*.tar")])
    if not tars:
        raise MissingError(f"expected tar files in {root}, got none", "archives must be plain .tar; unpack .gz first")
    faults: list[Fault] = []
    samples: dict[str, dict[str, _Member]] = {}
    for path in tars:
        for member in _members(path, faults):
            stem, extension = _split(member.name)
            files = samples.setdefault(stem, {})
            if extension in files:
                faults.append(Fault(f"{path.name}/{member.name}", f"is in {files[extension].tar.name} as well"))
            files.setdefault(extension, member)
    keys = keys_of(samples, faults)
    return list(_complete(samples, keys, rules, faults)), faults


def _complete(
    samples: dict[str, dict[str, _Member]], keys: dict[str, str], rules: TarRules, faults: list[Fault]
) -> Iterator[Found]:
    for stem, key in keys.items():
        files = samples[stem]
        image = next((files[suffix] for suffix in _IMAGES if suffix in files and suffix != rules.mask), None)
        mask = files.get(rules.mask)
        if image is None or mask is None:
            what = f"no mask {stem}.{rules.mask}" if image else f"no picture {stem}.{'|'.join(_IMAGES[:4])}"
            faults.append(Fault(stem, f"{what}: got {', '.join(sorted(files))}", "--mask-extension EXT"))
            continue
        told = [files[suffix] for suffix in ("cls", "json") if suffix in files]
        where = tuple(_name(member) for member in (image, mask, *told))
        read = partial(_read, image, mask, files, rules)
        yield Found(key, where, rules.split, read, {"source": where[0]})


def _members(path: Path, faults: list[Fault]) -> Iterator[_Member]:
    """Yield the regular files of an archive; anything else in it is a fault."""
    size = path.stat().st_size
    try:
        with tarfile.open(path, "r:") as archive:
            reached = -1
            for info in archive:
                if info.size < 0 or info.offset <= reached:  # such a size would send the reader back, for ever
                    raise tarfile.ReadError(f"a header of {info.size} bytes after byte {reached}")
                reached = info.offset
                if info.isdir():
                    continue
                where = f"{path.name}/{info.name[:100]}"
                try:
                    _check_member(info, size)
                    yield _Member(path, check_inside(info.name.removeprefix("./"), where), info.offset_data, info.size)
                except DataError as error:
                    faults.append(Fault(where, error.message.removeprefix(f"{where}: ")))
    except (tarfile.TarError, OSError, ValueError, OverflowError, MemoryError) as error:
        # The library asks for as much memory as the header of a long name says; no page of it is touched.
        reason = str(error) or "a header of a size beyond memory"
        faults.append(Fault(path.name, f"expected a plain tar archive, got: {reason}"))


def _check_member(info: tarfile.TarInfo, archive_bytes: int) -> None:
    if not info.isreg() or info.issparse():
        kind = "a link" if info.islnk() or info.issym() else "a device" if info.isdev() else "a special file"
        raise DataError(f"expected a regular file, got {kind}")
    if min(info.size, info.offset_data) < 0 or info.offset_data + info.size > archive_bytes:
        raise DataError(f"expected {info.size} bytes, but the archive ends before")
    if info.size > _MOST_BYTES:
        raise DataError(f"expected up to {_MOST_BYTES >> 20} MB, got {info.size >> 20}")


def _split(name: str) -> tuple[str, str]:
    folder, _, last = name.rpartition("/")
    stem, _, extension = last.partition(".")
    return (f"{folder}/{stem}" if folder else stem), extension.lower()


def _read(image: _Member, mask: _Member, files: dict[str, _Member], rules: TarRules) -> Content:
    picture = read_upright(_bytes(image), _name(image))
    size_hw = (picture.pixels.shape[0], picture.pixels.shape[1])
    labels = read_mask(_bytes(mask), size_hw, rules.masks, _name(mask))
    entry = _class(files) or main_class(labels, rules.names)
    return Content(picture, labels, entry)


def _class(files: dict[str, _Member]) -> ClassEntry | None:
    """Return the class that ``.cls`` or ``.json`` tells, if any does."""
    if "cls" in files:
        text = _bytes(files["cls"]).strip()
        if not text.isdigit() or len(text) > 9:
            raise DataError(f"{_name(files['cls'])}: expected a class number, got {text[:40]!r}")
        return ClassEntry(int(text), "", f"class {int(text)}")
    if "json" not in files:
        return None
    told = _json(files["json"])
    number, wnid, name = told.get("class_id"), told.get("wnid"), told.get("class_name")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number < 2**31:
        return None
    wnid = wnid if isinstance(wnid, str) else ""
    return ClassEntry(number, wnid, name if isinstance(name, str) and name else wnid or f"class {number}")


def _json(member: _Member) -> dict[str, Any]:
    if member.size > _MOST_JSON:
        raise DataError(f"{_name(member)}: expected up to {_MOST_JSON >> 20} MB of JSON, got {member.size >> 20}")
    try:
        told = json.loads(_bytes(member))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{_name(member)}: expected JSON, got: {str(error)[:200]}") from error
    return told if isinstance(told, dict) else {}


def _bytes(member: _Member) -> bytes:
    descriptor = os.open(member.tar, os.O_RDONLY)
    try:
        return os.pread(descriptor, member.size, member.offset)
    finally:
        os.close(descriptor)


def _name(member: _Member) -> str:
    return f"{member.tar.name}/{member.name}"
