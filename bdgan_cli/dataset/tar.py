"""Shards: deterministic USTAR archives, read by position.

Any tar or WebDataset reader opens them. Headers carry no time and no owner, so equal samples give equal bytes.
"""

from __future__ import annotations

import os
import tarfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, NamedTuple

from bdgan_cli.errors import DataError

BLOCK = tarfile.BLOCKSIZE
_NAME_BYTES, _SIZE_DIGITS = 100, 11
_SUFFIXES = {"mask": ".mask.png", "latent": ".latent.npy", "meta": ".json"}


def _blank_header() -> bytes:
    """Return a header without name and size, all but its checksum: mode 0644, no owner, no time."""
    info = tarfile.TarInfo()
    info.mode = 0o644
    header = info.tobuf(format=tarfile.USTAR_FORMAT)
    return header[:124] + bytes(11) + header[135:148] + b" " * 8 + header[156:]


_BLANK = _blank_header()
_BLANK_SUM = sum(_BLANK)


class Place(NamedTuple):
    """Where a member's bytes lie in a shard: offset of the first byte and size, both in bytes."""

    offset: int
    size: int


ABSENT = Place(-1, 0)


def member_name(key: str, member: str, image_format: str) -> str:
    """Return the file name of a member, such as ``<key>.mask.png``."""
    return key + _SUFFIXES.get(member, f".{image_format}")


def append_members(file: BinaryIO, key: str, members: Mapping[str, bytes], image_format: str) -> dict[str, Place]:
    """Write one sample's files at the end of a shard and say where they lie."""
    places = {}
    for member, data in members.items():
        file.write(_header(member_name(key, member, image_format), len(data)))
        places[member] = Place(file.tell(), len(data))
        file.write(data)
        file.write(bytes(-len(data) % BLOCK))
    return places


def append_end(file: BinaryIO) -> None:
    """Write the two empty blocks that end an archive."""
    file.write(bytes(2 * BLOCK))


def full_size(last_byte: int) -> int:
    """Return the least size in bytes of a whole shard whose last member ends there."""
    return last_byte + -last_byte % BLOCK + 2 * BLOCK


class Shard:
    """An open shard for positioned reads; safe to share between threads.

    Args:
        path: The tar file.

    Raises:
        DataError: If the file cannot be opened.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise DataError(f"expected the shard {path}, got: {error.strerror}", _verify_hint(path)) from error
        self._size = os.fstat(self._descriptor).st_size

    def __enter__(self) -> Shard:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)

    def read(self, place: Place, name: str) -> bytes:
        """Read one member; the archive's own header must agree with the index.

        Raises:
            DataError: If the shard is cut short, or another file lies there.
        """
        wanted = BLOCK + place.size
        start = place.offset - BLOCK
        # An index may name any number, and memory is taken for as many bytes as are asked for.
        is_inside = 0 <= start <= start + wanted <= self._size and place.size >= 0
        header = os.pread(self._descriptor, BLOCK, start) if is_inside else b""
        data = os.pread(self._descriptor, place.size, place.offset) if is_inside else b""
        if len(header) + len(data) < wanted or not is_inside:
            what = f"expected {start + wanted} bytes or more, got {self._size}: the shard is cut short"
            raise self._error(name, what)
        try:
            if header == _header(name, place.size):
                return data
            # Other tools write other owners and times.
            found = tarfile.TarInfo.frombuf(header, "utf-8", "strict")
        except (tarfile.HeaderError, ValueError) as error:  # a name that is no text is a ValueError
            raise self._error(name, f"expected a tar header at byte {start}, got: {error}") from error
        if (found.name, found.size) != (name, place.size) or not found.isreg():
            raise self._error(name, f"expected {place.size} bytes at {start}, got {found.name} of {found.size} bytes")
        return data

    def _error(self, name: str, what: str) -> DataError:
        return DataError(f"{self.path}: {name}: {what}", _verify_hint(self.path))


def walk(path: Path) -> Iterator[tuple[str, Place]]:
    """Yield name and place of each member of a shard, front to back.

    Raises:
        DataError: If the archive is cut or damaged, or a member is a link, a device or leaves its folder.
    """
    size = path.stat().st_size
    with path.open("rb") as file:
        position = 0
        while True:
            file.seek(position)
            block = file.read(BLOCK)
            if len(block) < BLOCK:
                raise DataError(f"{path}: expected the end mark of a tar archive, got {size} bytes: it is cut short")
            if not any(block):
                return
            found = _parse(path, block, position)
            if not 0 <= found.size <= size - position - BLOCK:
                what = (
                    f"expected {found.name!r} inside the archive, got {found.size} bytes at {position}: it is cut short"
                )
                raise DataError(f"{path}: {what}")
            yield found.name, Place(position + BLOCK, found.size)
            position += BLOCK + found.size + -found.size % BLOCK


def odd_bytes(path: Path) -> Iterator[tuple[str, str]]:
    """Yield what no reader looks at and yet is not as it was written: details of headers, the zeros between files.

    Yields:
        The name of the file before or in which it lies, empty for the end of the archive; and what was expected.
    """
    with path.open("rb") as file:
        end = 0
        for name, place in walk(path):
            file.seek(place.offset - BLOCK)
            is_plain = name.isascii() and len(name) <= _NAME_BYTES
            if not is_plain or file.read(BLOCK) != _header(name, place.size):
                yield name, f"expected the plain USTAR header of {name}, got another"
            end = place.offset + place.size
            file.seek(end)
            padding = file.read(-end % BLOCK)
            if any(padding):
                yield name, f"expected zeros after {name} up to the next block, got other bytes"
            end += len(padding)
        file.seek(end)
        rest = file.read(2 * BLOCK + 1)
        if rest != bytes(2 * BLOCK):
            yield "", f"expected {2 * BLOCK} zeros and nothing more at the end of the archive, got other bytes"


def _parse(path: Path, block: bytes, position: int) -> tarfile.TarInfo:
    try:
        found = tarfile.TarInfo.frombuf(block, "utf-8", "strict")
    except (tarfile.HeaderError, UnicodeDecodeError) as error:
        raise DataError(f"{path}: expected a tar header at byte {position}, got: {error}") from error
    if not found.isreg():
        raise DataError(f"{path}: expected regular files only, got {found.name!r} of tar type {found.type!r}")
    if found.name.startswith(("/", "\\")) or ".." in found.name.replace("\\", "/").split("/"):
        raise DataError(f"{path}: expected names inside the archive's folder, got {found.name!r}")
    return found


def _header(name: str, size: int) -> bytes:
    """Return the header of a regular file: :data:`_BLANK` with name, size and checksum put in."""
    raw_name, raw_size = name.encode("ascii"), b"%011o" % size
    if len(raw_name) > _NAME_BYTES or len(raw_size) > _SIZE_DIGITS:
        raise ValueError(f"expected a name of at most 100 bytes and a size below 8 GiB, got {name!r} of {size} bytes")
    checksum = b"%06o\0 " % (_BLANK_SUM + sum(raw_name) + sum(raw_size))
    return b"".join(
        (raw_name.ljust(_NAME_BYTES, b"\0"), _BLANK[100:124], raw_size, _BLANK[135:148], checksum, _BLANK[156:])
    )


def _verify_hint(path: Path) -> str:
    return f"bdgan data verify {path.parent.parent}"
