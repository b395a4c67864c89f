"""LabelMe: ``images/[<split>/]<key>.*`` with ``<key>.json`` beside it, a polygon for each piece of a label."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from bdgan_cli.dataset.exporters.exporter import Converted, ExportPlan, Item, Packing, Records, in_split
from bdgan_cli.dataset.interchange.labelme import IGNORE, format_labelme, parse_labelme
from bdgan_cli.dataset.interchange.polygons import agreement, label_rings, repaint
from bdgan_cli.dataset.masks import ignore_value


class LabelmeExporter:
    """Writes a JSON file for each picture; see the module."""

    owns = ("images", "labels.txt")
    packing: Packing | None = None

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan

    def convert(self, item: Item) -> Converted:
        """Return the image as it is and its JSON; what is lost is measured on the text that is written."""
        picture = f"{item.key}.{item.image_format}"
        place = in_split("images", item.split, picture)
        if item.mask is None:
            return Converted({place: item.image})
        names = {value: name for value, name in enumerate(self.plan.label_names) if value}
        names[ignore_value(item.mask)] = IGNORE
        rings = label_rings(item.mask, self.plan.options.tolerance, ignored=True)
        text = format_labelme(picture, item.size_hw, [(names[label], ring) for label, ring in rings])
        values = {name: value for value, name in names.items()}
        shapes, _ = parse_labelme(json.loads(text), item.key)
        regions = [(values[shape.label], shape.region) for shape in shapes.shapes]
        read = repaint(regions, item.size_hw, item.mask.dtype.type)
        files = {place: item.image, in_split("images", item.split, f"{item.key}.json"): text}
        return Converted(files, agreement=agreement(item.mask, read))

    def finish(self, records: Records) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the list of labels that ``labelme --labels labels.txt`` takes."""
        names = [IGNORE, "_background_", *self.plan.label_names[1:]]
        yield "labels.txt", ["".join(f"{name}\n" for name in names).encode()]
