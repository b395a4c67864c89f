"""MMSegmentation 1.x: ``img_dir/[<split>/]``, ``ann_dir/[<split>/]``, a dataset class and a config.

Mask values are 0 for the background, which is a class like the others (``reduce_zero_label=False``), and 255 for pixels
to ignore. Both Python files are written without MMSegmentation.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from bdgan_cli.dataset.codecs import encode_mask
from bdgan_cli.dataset.exporters.exporter import Converted, ExportPlan, Item, Records, in_split
from bdgan_cli.dataset.exporters.python_files import module_name, python_list
from bdgan_cli.dataset.palette import voc_colours

_DATASET = '''"""The dataset {name} for MMSegmentation 1.x; {module}_config.py shows its use."""

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS


@DATASETS.register_module()
class {cls}(BaseSegDataset):
    METAINFO = dict(
        classes={classes},
        palette={palette},
    )

    def __init__(
        self, img_suffix={suffix!r}, seg_map_suffix=".png", reduce_zero_label=False, ignore_index=255, **kwargs
    ):
        super().__init__(
            img_suffix=img_suffix,
            seg_map_suffix=seg_map_suffix,
            reduce_zero_label=reduce_zero_label,
            ignore_index=ignore_index,
            **kwargs,
        )
'''

_CONFIG = """# The data of {name} for MMSegmentation 1.x: name this file in _base_, and have its folder on PYTHONPATH.
# The model needs num_classes = {count}.
custom_imports = dict(imports=["{module}_dataset"], allow_failed_imports=False)
dataset_type = "{cls}"
data_root = "{{{{ fileDirname }}}}"
num_classes = {count}
crop_size = ({crop}, {crop})
data_preprocessor = dict(
    type="SegDataPreProcessor",
    mean=[123.675, 116.28, 103.53],
    std=[58.395, 57.12, 57.375],
    bgr_to_rgb=True,
    pad_val=0,
    seg_pad_val=255,
    size=crop_size,
)
train_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="RandomCrop", crop_size=crop_size, cat_max_ratio=1.0),
    dict(type="RandomFlip", prob=0.5),
    dict(type="PackSegInputs"),
]
test_pipeline = [
    dict(type="LoadImageFromFile"),
    dict(type="LoadAnnotations"),
    dict(type="PackSegInputs"),
]
"""

_LOADER = """{role}_dataloader = dict(
    batch_size={batch},
    num_workers=2,
    persistent_workers=True,
    sampler=dict(type="{sampler}", shuffle={shuffle}),
    dataset=dict(
        type=dataset_type,
        data_root=data_root,
        data_prefix=dict(img_path="{images}", seg_map_path="{masks}"),
        pipeline={role_pipeline}_pipeline,
    ),
)
"""


class MmsegExporter:
    """Writes pictures, masks and the two Python files."""

    packing = None

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan
        self.name = module_name(plan.name)
        self.cls = "".join(part.capitalize() for part in self.name.split("_")) + "Dataset"
        self.owns = ("img_dir", "ann_dir", f"{self.name}_dataset.py", f"{self.name}_config.py")

    def convert(self, item: Item) -> Converted:
        """Return the image, and the mask as a PNG with one grey channel."""
        assert item.mask is not None, "the format needs masks, so the driver refuses samples without"
        return Converted(
            {
                in_split("img_dir", item.split, f"{item.key}.{item.image_format}"): item.image,
                in_split("ann_dir", item.split, f"{item.key}.png"): encode_mask(item.mask),
            }
        )

    def finish(self, records: Records) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the dataset class and the config."""
        names = self.plan.label_names
        dataset = _DATASET.format(
            name=self.name,
            module=self.name,
            cls=self.cls,
            classes=_indented(python_list(names)),
            palette=_indented(python_list(voc_colours()[: len(names)].tolist())),
            suffix=f".{self.plan.image_formats[0]}",
        )
        yield f"{self.name}_dataset.py", [dataset.encode()]
        config = _CONFIG.format(
            name=self.name,
            module=self.name,
            cls=self.cls,
            count=len(names),
            crop=self.plan.info.image_size or 512,
        )
        yield f"{self.name}_config.py", [config.encode(), *(text.encode() for text in self._loaders())]

    def _loaders(self) -> Iterator[str]:
        splits = list(self.plan.splits)
        for role, wanted in (("train", ("train", "trainval")), ("val", ("val", "test")), ("test", ("test", "val"))):
            split = next((name for name in wanted if name in splits), splits[0])
            trains = role == "train"
            yield _LOADER.format(
                role=role,
                role_pipeline="train" if trains else "test",
                batch=4 if trains else 1,
                sampler="InfiniteSampler" if trains else "DefaultSampler",
                shuffle=trains,
                images=in_split("img_dir", split, ""),
                masks=in_split("ann_dir", split, ""),
            )
        yield 'val_evaluator = dict(type="IoUMetric", iou_metrics=["mIoU"])\ntest_evaluator = val_evaluator\n'


def _indented(source: str) -> str:
    return source.replace("\n", "\n        ")
