"""LabelMe: ``<key>.*`` with ``<key>.json`` beside it, in one folder that LabelMe opens and saves into."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from bdgan_cli.dataset.annotation.tool import Pick, Returned, SizeHW, fault, paint
from bdgan_cli.dataset.importers.json_file import load_json
from bdgan_cli.dataset.importers.labelme import MOST_BYTES
from bdgan_cli.dataset.importers.names import is_file
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.importers.regions import inside
from bdgan_cli.dataset.interchange.labelme import BACKGROUND, IGNORE, embedded_picture, format_labelme, parse_labelme
from bdgan_cli.dataset.interchange.polygons import label_rings
from bdgan_cli.errors import DataError, MissingError

# Guesses are to be corrected by hand: an outline with a corner at every pixel could not be.
_TOLERANCE_PX = 0.75


class LabelmeTool:
    """See the module."""

    def hand_out(self, picks: Iterable[Pick], labels: Sequence[str], folder: str) -> Iterator[tuple[str, bytes]]:
        """Yield pictures, a JSON file where there is a guess, and the list of labels."""
        for pick in picks:
            name = f"{pick.key}.{pick.image_format}"
            yield name, pick.image
            if pick.guess is not None:
                rings = [(labels[value], ring) for value, ring in label_rings(pick.guess, _TOLERANCE_PX)]
                yield f"{pick.key}.json", format_labelme(name, pick.size_hw, rings)
        yield "labels.txt", "".join(f"{name}\n" for name in (IGNORE, BACKGROUND, *labels[1:])).encode()

    def read(
        self, result: Path, planned: Mapping[str, SizeHW], labels: Sequence[str], faults: list[Fault]
    ) -> Iterator[Returned]:
        """Read every JSON file of the folder."""
        if not result.is_dir():
            raise MissingError(f"expected the folder that LabelMe saved into at {result}, got none", "name it")
        for path in sorted(result.glob("*.json")):
            try:
                yield from self._read_file(result, path, planned, labels, faults)
            except DataError as error:
                faults.append(fault(path.name, error))

    def _read_file(
        self, result: Path, path: Path, planned: Mapping[str, SizeHW], labels: Sequence[str], faults: list[Fault]
    ) -> Iterator[Returned]:
        name, key = path.name, path.stem
        if key not in planned:
            raise DataError(f"{name}: expected a picture of this plan, got {key!r}")
        content = load_json(path, name, most_bytes=MOST_BYTES)
        parsed, errors = parse_labelme(content, name)
        size_hw = planned[key]
        if any(parsed.size_hw) and parsed.size_hw != size_hw:
            got = f"{parsed.size_hw[1]}x{parsed.size_hw[0]}"
            raise DataError(f"{name}: expected a picture of {size_hw[1]}x{size_hw[0]} pixels, got {got}")
        picture = result / parsed.image_path
        if parsed.image_path and picture.stem != key:
            raise DataError(f"{name}: expected 'imagePath' to be that of {key}, got {parsed.image_path!r}")
        inside(result, picture)
        data = embedded_picture(content, name)
        if data is None and parsed.image_path and is_file(picture):
            data = picture.read_bytes()
        mask, odd = paint(parsed.shapes, labels, size_hw)
        if errors or odd:
            faults += [fault(name, error) for error in (*errors, *odd)]
            return
        yield Returned(key, name, mask, data)
