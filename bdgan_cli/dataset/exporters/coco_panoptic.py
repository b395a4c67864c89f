"""COCO panoptic (A. Kirillov et al., CVPR 2019): a PNG of segment ids per picture, and a JSON file that names them.

An id is red + 256 green + 65536 blue. The background is a category of stuff, after those of the labels; 0 is what
counts nowhere, as the pixels to ignore.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import encode_image
from bdgan_cli.dataset.exporters.exporter import ExportPlan, Item, Record, Records
from bdgan_cli.dataset.exporters.json_text import json_object
from bdgan_cli.dataset.exporters.objects import Region, regions
from bdgan_cli.dataset.palette import voc_colours


class PanopticPart:
    """The panoptic half of a COCO export."""

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan
        self.background = max(plan.category_ids) + 1

    def convert(self, item: Item) -> tuple[dict[str, bytes], Record]:
        """Return the PNG of segment ids, and the sample's entry in the file."""
        assert item.mask is not None
        ids: NDArray[np.uint32] = np.zeros(item.size_hw, np.uint32)
        segments = []
        for number, region in enumerate(regions(item.mask, self.plan.options.components), 1):
            region.paint(ids, number)
            segments.append(_segment(number, self.plan.category_ids[region.label - 1], region))
        ground = item.mask == 0
        if ground.any():
            number = len(segments) + 1
            ids[ground] = number
            whole = next(iter(regions(ground.astype(np.uint8), components=False)))
            segments.append(_segment(number, self.background, whole))
        colours = np.stack([(ids >> shift & 255).astype(np.uint8) for shift in (0, 8, 16)], axis=-1)
        name = f"{item.key}.png"
        entry = {"image_id": item.number + 1, "file_name": name, "segments_info": segments}
        return {f"annotations/{_folder(item.split)}/{name}": encode_image(colours, "png")}, entry

    def file(self, records: Records, split: str) -> Iterator[bytes]:
        """Return the JSON file of a split."""
        yield from json_object(
            {"info": {"description": self.plan.info.name}, "categories": self._categories()},
            {
                "images": (record["image"] for record in records(split)),
                "annotations": (record["panoptic"] for record in records(split)),
            },
        )

    def _categories(self) -> list[Record]:
        colours = voc_colours().tolist()
        names = [*self.plan.label_names[1:], self.plan.label_names[0]]
        numbers = [*self.plan.category_ids, self.background]
        return [
            {"id": number, "name": name, "supercategory": "", "isthing": int(number != self.background),
             "color": colours[number % 255 if number != self.background else 0]}
            for number, name in zip(numbers, names, strict=True)
        ]  # fmt: skip


def _folder(split: str) -> str:
    return f"panoptic_{split}" if split else "panoptic"


def _segment(number: int, category: int, region: Region) -> Record:
    box = list(region.bbox)
    return {"id": number, "category_id": category, "area": region.area_px, "bbox": box, "iscrowd": 0}
