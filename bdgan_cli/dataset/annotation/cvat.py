"""CVAT: pictures, the labels of a task, and guesses as "segmentation mask 1.1"; the result is an export as that."""

from __future__ import annotations

import io
import json
import struct
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bdgan_cli.dataset.annotation.tool import Pick, Returned, SizeHW, fault
from bdgan_cli.dataset.importers.mask_rules import MaskRule, read_mask
from bdgan_cli.dataset.importers.names import check_inside
from bdgan_cli.dataset.importers.pairs import IMAGE_SUFFIXES, Fault
from bdgan_cli.dataset.importers.regions import inside
from bdgan_cli.dataset.importers.voc import open_cvat
from bdgan_cli.dataset.label_map import IGNORE_NAME, LABEL_MAP_FILE, label_map_text
from bdgan_cli.dataset.palette import encode_palette_mask, voc_colours
from bdgan_cli.dataset.schema import IGNORE_LABEL
from bdgan_cli.errors import DataError, MissingError

GUESSES = "annotations.zip"
_MASKS, _IMAGES = "SegmentationClass", "JPEGImages"
_MOST_BYTES = 4 << 30
# Of a broken zip, the library tells in many ways; names and numbers that cannot be are ValueErrors.
_BROKEN_ZIP = (
    zipfile.BadZipFile,
    RuntimeError,
    OSError,
    EOFError,
    ValueError,
    IndexError,
    OverflowError,
    zlib.error,
    struct.error,
)
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest that a zip can hold: equal guesses give equal bytes


class CvatTool:
    """See the module."""

    def hand_out(self, picks: Iterable[Pick], labels: Sequence[str], folder: str) -> Iterator[tuple[str, bytes]]:
        """Yield pictures, the labels for the task's raw editor, and a zip of guesses if there are any."""
        packed = io.BytesIO()
        guessed = []
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for pick in picks:
                yield f"images/{pick.key}.{pick.image_format}", pick.image
                if pick.guess is not None:
                    guessed.append(pick.key)
                    png = encode_palette_mask(pick.guess, voc_colours())
                    for part in (_MASKS, "SegmentationObject"):
                        archive.writestr(zipfile.ZipInfo(f"{part}/{pick.key}.png", _EPOCH), png)
            names = "".join(f"{key}\n" for key in guessed)
            archive.writestr(zipfile.ZipInfo("ImageSets/Segmentation/default.txt", _EPOCH), names)
            archive.writestr(zipfile.ZipInfo(LABEL_MAP_FILE, _EPOCH), label_map_text(tuple(labels)))
        if guessed:
            yield GUESSES, packed.getvalue()
        colours = [*voc_colours()[1 : len(labels)].tolist(), voc_colours()[IGNORE_LABEL].tolist()]
        task = [
            {"name": name, "color": "#{:02x}{:02x}{:02x}".format(*colour), "attributes": []}
            for name, colour in zip((*labels[1:], IGNORE_NAME), colours, strict=True)
        ]
        yield "labels.json", (json.dumps(task, indent=2, ensure_ascii=False) + "\n").encode()

    def read(
        self, result: Path, planned: Mapping[str, SizeHW], labels: Sequence[str], faults: list[Fault]
    ) -> Iterator[Returned]:
        """Read every mask of an export, packed or unpacked."""
        path = result / GUESSES if (result / GUESSES).is_file() else result
        if path.is_dir():
            yield from _read_folder(path, planned, labels, faults)
            return
        if not path.is_file():
            raise MissingError(f"expected an export of CVAT at {path}, got none", "export as 'Segmentation mask 1.1'")
        with tempfile.TemporaryDirectory() as unpacked:
            _unpack(path, Path(unpacked))
            try:
                yield from _read_folder(Path(unpacked), planned, labels, faults)
            except (DataError, MissingError) as error:  # nobody knows the folder that it was unpacked into
                raise type(error)(error.message.replace(unpacked, str(path)), error.hint) from error


def _read_folder(
    root: Path, planned: Mapping[str, SizeHW], labels: Sequence[str], faults: list[Fault]
) -> Iterator[Returned]:
    source = open_cvat(root, None)
    rule = _in_order(source.label_names, source.rule, labels)
    for path in sorted((root / _MASKS).rglob("*.png")):
        name = path.relative_to(root).as_posix()
        try:
            inside(root, path)
            if path.stem not in planned:
                raise DataError(f"{name}: expected a picture of this plan, got {path.stem!r}")
            mask = read_mask(path.read_bytes(), planned[path.stem], rule, name)
        except DataError as error:
            faults.append(fault(name, error))
            continue
        beside = root / _IMAGES / path.relative_to(root / _MASKS)
        picture = next((file for file in map(beside.with_suffix, IMAGE_SUFFIXES) if file.is_file()), None)
        yield Returned(path.stem, name, mask, picture.read_bytes() if picture else None)


def _in_order(found: Sequence[str], rule: MaskRule, labels: Sequence[str]) -> MaskRule:
    """Bring the labels of an export into the plan's order; the map leaves out those that the plan does not have."""
    places = {0: 0, IGNORE_LABEL: IGNORE_LABEL}
    places |= {number: labels.index(name) for number, name in enumerate(found) if number and name in labels}
    mapping = {value: places[label] for value, label in (rule.mapping or {}).items() if label in places}
    return replace(rule, labels=len(labels), mapping=mapping)


def _unpack(path: Path, folder: Path) -> None:
    """Unpack a zip that stays inside the folder and within bounds.

    Raises:
        DataError: If it does not, or is no zip.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = [member for member in archive.infolist() if not member.is_dir()]
            size = sum(member.file_size for member in members)
            if size > _MOST_BYTES:
                raise DataError(f"{path}: expected up to {_MOST_BYTES} bytes unpacked, got {size}")
            for member in members:
                check_inside(member.filename, str(path))
                archive.extract(member, folder)
    except _BROKEN_ZIP as error:
        raise DataError(f"{path}: expected a zip, got: {error}") from error
