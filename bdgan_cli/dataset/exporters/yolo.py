"""YOLO segmentation: ``images/[<split>/]<key>.*`` beside ``labels/[<split>/]<key>.txt``, and ``data.yaml``.

A row is one polygon, and so one object: a connected piece of a label, its holes bridged. Ignored pixels become
background: YOLO has no word for either.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np

from bdgan_cli.dataset.exporters.exporter import Converted, ExportPlan, Item, Packing, Records, in_split
from bdgan_cli.dataset.interchange.polygons import agreement, label_rings, repaint
from bdgan_cli.dataset.interchange.yolo import format_names, format_rows, parse_row
from bdgan_cli.dataset.masks import ignore_value

_NEEDED = ("train", "val")


class YoloExporter:
    """Writes rows of polygons; see the module."""

    owns = ("images", "labels", "data.yaml")
    packing: Packing | None = None

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan

    def convert(self, item: Item) -> Converted:
        """Return the image as it is and its label file; what is lost is measured on the text that is written."""
        assert item.mask is not None, "the format needs masks"
        rings = [(label - 1, ring) for label, ring in label_rings(item.mask, self.plan.options.tolerance)]
        text = format_rows(rings, item.size_hw)
        rows = [parse_row(line, item.key) for line in text.splitlines()]
        read = repaint([(number + 1, row) for number, row in rows], item.size_hw, item.mask.dtype.type)
        files = {
            in_split("images", item.split, f"{item.key}.{item.image_format}"): item.image,
            in_split("labels", item.split, f"{item.key}.txt"): text.encode(),
        }
        ignored = int(np.count_nonzero(item.mask == ignore_value(item.mask)))
        return Converted(files, agreement=agreement(item.mask, read), ignored_px=ignored)

    def finish(self, records: Records) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield ``data.yaml``; loaders insist on train and val: a missing one names the pictures of the first split."""
        folders = {split: in_split("images", split, "") for split in self.plan.splits}
        for needed in _NEEDED:
            folders.setdefault(needed, next(iter(folders.values())))
        named = [(split, folder) for split, folder in folders.items() if split]
        yield "data.yaml", [format_names(self.plan.label_names[1:], named).encode()]
