"""Folders of pairs: ``images/[<split>/]<key>.*`` beside ``masks/[<split>/]<key>.png``, and ``index.csv``.

``bdgan data import folder`` reads it back: image files, masks, classes and splits are the same.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator

from bdgan_cli.dataset.codecs import encode_mask
from bdgan_cli.dataset.exporters.exporter import Converted, ExportPlan, Item, Records, in_split

_COLUMNS = ("id", "class_name", "class_id", "wnid", "split")


class FolderExporter:
    """Writes pairs; see the module."""

    owns = ("images", "masks", "index.csv", "labels.txt")
    packing = None

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan

    def convert(self, item: Item) -> Converted:
        """Return the image as it is, and the mask as a PNG with one grey channel."""
        files = {in_split("images", item.split, f"{item.key}.{item.image_format}"): item.image}
        if item.mask is not None:
            files[in_split("masks", item.split, f"{item.key}.png")] = encode_mask(item.mask)
        entry = item.entry
        return Converted(files, {"row": [item.key, entry.name, entry.id, entry.wnid, item.split]})

    def finish(self, records: Records) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the table of classes and splits, and the names of the mask values, a line each."""
        yield "index.csv", self._table(records)
        yield "labels.txt", ["".join(f"{name}\n" for name in self.plan.label_names).encode()]

    def _table(self, records: Records) -> Iterator[bytes]:
        yield _line(_COLUMNS)
        for split in self.plan.splits:
            for record in records(split):
                yield _line(record["row"])


def _line(cells: Iterable[object]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue().encode()
