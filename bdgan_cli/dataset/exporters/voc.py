"""Pascal VOC (M. Everingham et al., IJCV 2010), and CVAT's "segmentation mask 1.1", which is VOC with ``labelmap.txt``.

    JPEGImages/<key>.jpg             SegmentationClass/<key>.png    palette PNG: the index is the label, 255 is void
    Annotations/<key>.xml            SegmentationObject/<key>.png   the same with the number of the object
    ImageSets/Segmentation/<split>.txt

Without splits the list is ``trainval.txt``, and ``default.txt`` for CVAT.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.exporters.exporter import Converted, Exporter, ExportPlan, Item, Records
from bdgan_cli.dataset.exporters.objects import Region, regions
from bdgan_cli.dataset.label_map import LABEL_MAP_FILE, label_map_text
from bdgan_cli.dataset.palette import encode_palette_mask, voc_colours
from bdgan_cli.dataset.schema import IGNORE_LABEL

MOST_LABELS = IGNORE_LABEL - 1


class VocExporter:
    """Writes VOC; with or without the boxes in ``Annotations``."""

    packing = None

    def __init__(self, plan: ExportPlan, *, undivided: str, boxes: bool) -> None:
        self.plan = plan
        self.undivided = undivided
        self.boxes = boxes
        folders = ("JPEGImages", "SegmentationClass", "SegmentationObject", "ImageSets", LABEL_MAP_FILE)
        self.owns = (*folders, "Annotations") if boxes else folders
        self.label_map = label_map_text(plan.label_names)

    def convert(self, item: Item) -> Converted:
        """Return the image, the two palette masks and, if asked for, the boxes."""
        assert item.mask is not None, "the format needs masks, so the driver refuses samples without"
        objects = list(regions(item.mask, self.plan.options.components))
        name = f"{item.key}.{item.image_format}"
        files = {
            f"JPEGImages/{name}": item.image,
            f"SegmentationClass/{item.key}.png": encode_palette_mask(item.mask, voc_colours()),
            f"SegmentationObject/{item.key}.png": encode_palette_mask(_numbers(item.mask, objects), voc_colours()),
        }
        if self.boxes:
            files[f"Annotations/{item.key}.xml"] = _boxes(item, name, objects, self.plan).encode()
        return Converted(files, {"key": item.key})

    def finish(self, records: Records) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the lists of keys and the label map."""
        for split in self.plan.splits:
            lines = (f"{record['key']}\n".encode() for record in records(split))
            yield f"ImageSets/Segmentation/{split or self.undivided}.txt", lines
        yield LABEL_MAP_FILE, [self.label_map.encode()]


def build_voc(plan: ExportPlan) -> Exporter:
    """Return the exporter of Pascal VOC."""
    return VocExporter(plan, undivided="trainval", boxes=True)


def build_cvat(plan: ExportPlan) -> Exporter:
    """Return the exporter of CVAT's segmentation mask 1.1."""
    return VocExporter(plan, undivided="default", boxes=False)


def _numbers(mask: NDArray[Any], objects: list[Region]) -> NDArray[np.uint8]:
    """Number the objects from 1, the largest ones first where there are more than numbers; those left over are void."""
    numbers = np.where(mask == IGNORE_LABEL, np.uint8(IGNORE_LABEL), np.uint8(0))
    largest = sorted(range(len(objects)), key=lambda place: -objects[place].area_px)[:MOST_LABELS]
    number_of = {place: number for number, place in enumerate(sorted(largest), 1)}
    for place, region in enumerate(objects):
        region.paint(numbers, number_of.get(place, IGNORE_LABEL))
    return numbers


def _boxes(item: Item, name: str, objects: list[Region], plan: ExportPlan) -> str:
    """Return the XML of VOC; its coordinates count from 1, and the last pixel is inside."""
    height, width = item.size_hw
    lines = ["<annotation>", "  <folder>JPEGImages</folder>", f"  <filename>{name}</filename>"]
    lines += [f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>"]
    lines += ["  <segmented>1</segmented>"]
    for region in objects:
        x, y, box_width, box_height = region.bbox
        corners = (("xmin", x + 1), ("ymin", y + 1), ("xmax", x + box_width), ("ymax", y + box_height))
        box = "".join(f"<{side}>{value}</{side}>" for side, value in corners)
        lines += ["  <object>", f"    <name>{escape(plan.label_names[region.label])}</name>"]
        lines += ["    <pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult>"]
        lines += [f"    <bndbox>{box}</bndbox>", "  </object>"]
    return "\n".join([*lines, "</annotation>"]) + "\n"
