"""Label Studio: ``images/[<split>/]<key>.*``, ``tasks.json`` with a brush for each label, and the labelling interface.

Nothing is lost. Pictures are named as Label Studio's local files, below the folder that holds the export.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from bdgan_cli.dataset.exporters.exporter import Converted, ExportPlan, Item, Packing, Records, in_split
from bdgan_cli.dataset.interchange.labelme import IGNORE
from bdgan_cli.dataset.interchange.labelstudio import format_config, format_task, local_file
from bdgan_cli.dataset.interchange.polygons import label_masks
from bdgan_cli.dataset.masks import ignore_value


class LabelStudioExporter:
    """Writes tasks; see the module."""

    owns = ("images", "tasks.json", "label_config.xml")
    packing: Packing | None = None

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan

    def convert(self, item: Item) -> Converted:
        """Return the image as it is, and its task for the common file."""
        place = in_split("images", item.split, f"{item.key}.{item.image_format}")
        image = local_file(f"{self.plan.name}/{place}")
        masks = []
        if item.mask is not None:
            ignore = ignore_value(item.mask)
            for value, pixels in label_masks(item.mask):
                masks.append((IGNORE if value == ignore else self.plan.label_names[value], pixels))
        task = format_task(item.key, image, item.size_hw, masks)
        if item.split:
            task["data"]["split"] = item.split
        return Converted({place: item.image}, task)

    def finish(self, records: Records) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the tasks and the labelling interface."""
        yield "tasks.json", self._tasks(records)
        yield "label_config.xml", [format_config(self.plan.label_names[1:]).encode()]

    def _tasks(self, records: Records) -> Iterator[bytes]:
        before = b"[\n"
        for split in self.plan.splits:
            for task in records(split):
                yield before + json.dumps(task, ensure_ascii=False, separators=(",", ":")).encode()
                before = b",\n"
        yield b"\n]\n"
