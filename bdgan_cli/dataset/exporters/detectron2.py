"""Detectron2: COCO instances, semantic masks, and a Python file that registers both for each split.

images/[<split>/]<key>.*    sem_seg/[<split>/]<key>.png    annotations/instances[_<split>].json
register_<name>.py          import it, then train on <name>_<split>; needs cfg.INPUT.MASK_FORMAT = "bitmask"
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bdgan_cli.dataset.codecs import encode_mask
from bdgan_cli.dataset.exporters.coco import CocoExporter
from bdgan_cli.dataset.exporters.exporter import Converted, ExportPlan, Item, Records, in_split
from bdgan_cli.dataset.exporters.python_files import module_name, python_list

_TEMPLATE = '''"""Registers the dataset {name} with Detectron2: import this file, then use its names in cfg.DATASETS.

Masks are run lengths: set cfg.INPUT.MASK_FORMAT = "bitmask". In the semantic masks 0 is background, 255 is ignored.
"""

from functools import partial
from pathlib import Path

from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import load_coco_json

ROOT = Path(__file__).resolve().parent
THING_CLASSES = {things}
STUFF_CLASSES = {stuff}
# Name of the dataset: (folder below images/ and sem_seg/, JSON file).
SPLITS = {splits}


def load(name):
    folder, file = SPLITS[name]
    records = load_coco_json(str(ROOT / "annotations" / file), str(ROOT / "images" / folder), name)
    for record in records:
        record["sem_seg_file_name"] = str(ROOT / "sem_seg" / folder / (Path(record["file_name"]).stem + ".png"))
    return records


for _name, (_folder, _file) in SPLITS.items():
    DatasetCatalog.register(_name, partial(load, _name))
    MetadataCatalog.get(_name).set(
        thing_classes=THING_CLASSES,
        stuff_classes=STUFF_CLASSES,
        ignore_label=255,
        json_file=str(ROOT / "annotations" / _file),
        image_root=str(ROOT / "images" / _folder),
        sem_seg_root=str(ROOT / "sem_seg" / _folder),
        evaluator_type="coco",
    )
'''


class Detectron2Exporter:
    """Writes what COCO's exporter writes, semantic masks, and the registration."""

    packing = None

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan
        self.name = module_name(plan.name)
        self._coco = CocoExporter(plan)
        self.owns = (*self._coco.owns, "sem_seg", f"register_{self.name}.py")

    def convert(self, item: Item) -> Converted:
        """Return the image, its semantic mask, and its annotations as a record."""
        assert item.mask is not None, "the format needs masks, so the driver refuses samples without"
        converted = self._coco.convert(item)
        mask = {in_split("sem_seg", item.split, f"{item.key}.png"): encode_mask(item.mask)}
        return Converted({**converted.files, **mask}, converted.record, converted.agreement)

    def finish(self, records: Records) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the JSON files and the registration."""
        yield from self._coco.finish(records)
        yield f"register_{self.name}.py", [self._registration().encode()]

    def _registration(self) -> str:
        splits = {
            f"{self.name}_{split}" if split else self.name: (split, f"instances{f'_{split}' if split else ''}.json")
            for split in self.plan.splits
        }
        # The order of load_coco_json: that of the ids.
        things = [name for _, name in sorted(zip(self.plan.category_ids, self.plan.label_names[1:], strict=True))]
        return _TEMPLATE.format(
            name=self.name,
            things=python_list(things),
            stuff=python_list(self.plan.label_names),
            splits=f"{{\n{''.join(f'    {name!r}: {value!r},{chr(10)}' for name, value in splits.items())}}}",
        )
