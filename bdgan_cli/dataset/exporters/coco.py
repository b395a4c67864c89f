"""COCO instances (T.-Y. Lin et al., ECCV 2014): ``images/[<split>/]`` and ``annotations/instances[_<split>].json``.

Masks are run lengths with ``iscrowd`` 0, or polygons that fill to the same pixels. Pixels to ignore are a crowd region
of the sample's main label, which pycocotools leaves out of its scores. All ids count from 1.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from bdgan_cli.dataset.exporters.coco_panoptic import PanopticPart
from bdgan_cli.dataset.exporters.exporter import Converted, ExportPlan, Item, Record, Records, in_split
from bdgan_cli.dataset.exporters.json_text import json_object
from bdgan_cli.dataset.exporters.objects import Region, ignored_region, main_label, regions
from bdgan_cli.dataset.exporters.run_lengths import encode_rle
from bdgan_cli.dataset.importers.coco_rle import fill_polygons
from bdgan_cli.dataset.interchange.outlines import mask_rings

_ADDRESSES = ("coco_url", "flickr_url")


class CocoExporter:
    """Writes instances and, if asked for, panoptic annotations."""

    packing = None

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan
        self.owns = ("images", "annotations")
        self._panoptic = PanopticPart(plan) if plan.options.panoptic else None

    def convert(self, item: Item) -> Converted:
        """Return the image as it is, and its annotations as a record."""
        name = f"{item.key}.{item.image_format}"
        files = {in_split("images", item.split, name): item.image}
        annotations, agreement = self._annotations(item)
        record: Record = {"image": self._image(item, name), "annotations": annotations}
        if "licence" in item.extra:
            record["licence"] = item.extra["licence"]
        if self._panoptic is not None:
            file, record["panoptic"] = self._panoptic.convert(item)
            files.update(file)
        return Converted(files, record, agreement)

    def finish(self, records: Records) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield a JSON file per split, written entry by entry."""
        for split in self.plan.splits:
            suffix = f"_{split}" if split else ""
            yield f"annotations/instances{suffix}.json", self._file(records, split)
            if self._panoptic is not None:
                yield f"annotations/panoptic{suffix}.json", self._panoptic.file(records, split)

    def categories(self) -> list[Record]:
        """Return the categories of the file."""
        return [
            {"id": number, "name": name, "supercategory": ""}
            for number, name in zip(self.plan.category_ids, self.plan.label_names[1:], strict=True)
        ]

    def _image(self, item: Item, name: str) -> Record:
        height, width = item.size_hw
        addresses = {side: item.extra[side] for side in _ADDRESSES if side in item.extra}
        entry = {"class_id": item.entry.id, "class_name": item.entry.name}
        return {"id": item.number + 1, "file_name": name, "height": height, "width": width, **entry, **addresses}

    def _annotations(self, item: Item) -> tuple[list[Record], float | None]:
        assert item.mask is not None, "the format needs masks, so the driver refuses samples without"
        annotations: list[Record] = []
        agreements: list[float] = []
        segmentation: Any
        for region in regions(item.mask, self.plan.options.components):
            if self.plan.options.polygons:
                segmentation, agreement = _polygons(region)
                agreements.append(agreement)
            else:
                segmentation = encode_rle(region.pixels(item.size_hw))
            annotations.append(self._annotation(item, region, segmentation, crowd=False))
        ignored = ignored_region(item.mask)
        if ignored is not None:
            crowd = ignored._replace(label=main_label(item.mask))
            annotations.append(self._annotation(item, crowd, encode_rle(crowd.pixels(item.size_hw)), crowd=True))
        return annotations, float(np.mean(agreements)) if agreements else None

    def _annotation(self, item: Item, region: Region, segmentation: Any, *, crowd: bool) -> Record:
        return {
            "image_id": item.number + 1,
            "category_id": self.plan.category_ids[region.label - 1],
            "area": region.area_px,
            "bbox": list(region.bbox),
            "iscrowd": int(crowd),
            "segmentation": segmentation,
        }

    def _file(self, records: Records, split: str) -> Iterator[bytes]:
        named = {record["licence"] for record in records(split) if "licence" in record}
        licences = {name: number for number, name in enumerate(sorted(named | {self.plan.info.licence}), 1)}
        images = (self._licensed(record, licences) for record in records(split))
        annotations = (
            {"id": number, **annotation}
            for number, annotation in enumerate(
                (annotation for record in records(split) for annotation in record["annotations"]), 1
            )
        )
        yield from json_object(
            {
                "info": self.describe(),
                "licenses": [{"id": number, "name": name, "url": ""} for name, number in licences.items()],
                "categories": self.categories(),
            },
            {"images": images, "annotations": annotations},
        )

    def _licensed(self, record: Record, licences: dict[str, int]) -> Record:
        return {**record["image"], "license": licences[record.get("licence", self.plan.info.licence)]}

    def describe(self) -> Record:
        """Return the file's ``info``; without a date, so that equal work gives equal bytes."""
        info = self.plan.info
        return {"description": info.name, "provenance": info.provenance, "version": "1.0"}


def _polygons(region: Region) -> tuple[list[list[float]], float]:
    """Return an object's polygons, and the IoU of what COCO's fill makes of them with the object."""
    rings = mask_rings(region.crop, inset_px=0)
    filled = fill_polygons([ring.reshape(-1) for ring in rings], region.crop.shape)
    both, either = int(np.count_nonzero(filled & region.crop)), int(np.count_nonzero(filled | region.crop))
    return [(ring + region.bbox[:2]).reshape(-1).tolist() for ring in rings], both / either
