"""The programs that exports are made for read them, and find what was put in."""

from __future__ import annotations

import contextlib
import io
import json
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.dataset.exporters.masks import Mask, by_class, dots, draw_shape, send, write_masks

PARTS = ("background", "head", "body", "tail")


def some_masks() -> list[Mask]:
    """Masks with holes, at the border, in pieces, empty and full, with pixels to ignore."""
    kinds = ("hole", "two holes", "border", "corners", "diagonal", "noise", "pixel", "full", "empty", "noise")
    drawn = [draw_shape(kind, 14, 18, seed).astype(np.uint8) for seed, kind in enumerate(kinds)]
    for mask in drawn[::3]:
        mask[4, 2:6] = 255
    return [*drawn, dots(255)]


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return write_masks(tmp_path / "data", some_masks())


def quietly(make: Any, *args: Any) -> Any:
    """Call what prints its progress."""
    with contextlib.redirect_stdout(io.StringIO()):
        return make(*args)


@pytest.mark.filterwarnings("ignore:__array__ implementation")
@pytest.mark.parametrize("polygons", [False, True])
@pytest.mark.parametrize("components", [False, True])
def test_pycocotools_scores_an_export_against_itself_with_1(
    data: Path, tmp_path: Path, polygons: bool, components: bool
) -> None:
    pytest.importorskip("pycocotools")
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    result = send(data, tmp_path / "out", "coco", polygons=polygons, components=components)
    assert (result.loss.changed, result.loss.least) == (0, 1.0)
    for parity, split in enumerate(("train", "val")):
        coco = quietly(COCO, str(tmp_path / "out" / "annotations" / f"instances_{split}.json"))
        found = [
            {"image_id": entry["image_id"], "category_id": entry["category_id"], "score": 1.0,
             "segmentation": coco.annToRLE(entry)}
            for entry in coco.anns.values() if not entry["iscrowd"]
        ]  # fmt: skip
        evaluation = COCOeval(coco, quietly(coco.loadRes, found), "segm")
        evaluation.params.maxDets = [1, 100, 1000]
        for step in (evaluation.evaluate, evaluation.accumulate):
            quietly(step)
        precision = evaluation.eval["precision"][:, :, :, 0, -1]
        assert precision[precision >= 0].min() == 1.0
        for i, mask in [*enumerate(some_masks())][parity::2]:
            check_coco_masks(coco, f"s{i:03d}.png", mask)


def check_coco_masks(coco: Any, file: str, mask: Mask) -> None:
    """Every annotation has the area and the tight box of its mask, and all together are the mask."""
    image = next(entry for entry in coco.imgs.values() if entry["file_name"] == file)
    drawn = np.zeros_like(mask)
    for entry in coco.imgToAnns[image["id"]]:
        inside = coco.annToMask(entry).astype(bool)
        rows, columns = np.nonzero(inside)
        assert entry["area"] == inside.sum()
        box = [columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1]
        assert entry["bbox"] == box
        drawn[inside] = 255 if entry["iscrowd"] else 1
    np.testing.assert_array_equal(drawn, mask)


def test_ids_count_from_1_and_no_object_is_a_crowd(data: Path, tmp_path: Path) -> None:
    send(data, tmp_path / "out", "coco")
    for split in ("train", "val"):
        content = json.loads((tmp_path / "out" / "annotations" / f"instances_{split}.json").read_text())
        assert [entry["id"] for entry in content["annotations"]] == list(range(1, len(content["annotations"]) + 1))
        assert [entry["id"] for entry in content["categories"]] == [1, 2]
        assert min(entry["id"] for entry in content["images"]) >= 1
        crowds = {entry["image_id"] for entry in content["annotations"] if entry["iscrowd"]}
        assert len(crowds) == sum(entry["iscrowd"] for entry in content["annotations"])


@pytest.mark.parametrize("components", [False, True])
def test_panoptic_pictures_are_what_the_file_says(data: Path, tmp_path: Path, components: bool) -> None:
    send(data, tmp_path / "out", "coco", panoptic=True, components=components)
    content = json.loads((tmp_path / "out" / "annotations" / "panoptic_train.json").read_text())
    names = {entry["id"]: entry["name"] for entry in content["categories"]}
    assert [entry["isthing"] for entry in content["categories"]] == [1, 1, 0]
    for entry, mask in zip(content["annotations"], some_masks()[::2], strict=True):
        path = tmp_path / "out" / "annotations" / "panoptic_train" / entry["file_name"]
        pixels = np.array(Image.open(path)).astype(np.int64)
        ids = pixels[..., 0] + 256 * pixels[..., 1] + 65536 * pixels[..., 2]
        drawn = np.full(mask.shape, 255)
        for segment in entry["segments_info"]:
            inside = ids == segment["id"]
            assert segment["area"] == inside.sum()
            drawn[inside] = 0 if names[segment["category_id"]] == "background" else 1
        np.testing.assert_array_equal(drawn, mask)
        assert len(np.unique(ids[ids > 0])) == len(entry["segments_info"])


def test_torchvision_reads_coco(data: Path, tmp_path: Path) -> None:
    pytest.importorskip("pycocotools")
    from torchvision.datasets import CocoDetection

    send(data, tmp_path / "out", "coco")
    out = tmp_path / "out"
    dataset = quietly(CocoDetection, out / "images" / "train", out / "annotations" / "instances_train.json")
    assert len(dataset) == 6
    image, targets = dataset[0]
    assert image.size == (18, 14)
    assert [target["iscrowd"] for target in targets] == [0, 1]


def test_torchvision_reads_voc(data: Path, tmp_path: Path) -> None:
    from torchvision.datasets import VOCDetection, VOCSegmentation

    root = tmp_path / "VOCdevkit" / "VOC2012"
    root.parent.mkdir()
    send(data, root, "voc")
    for parity, split in enumerate(("train", "val")):
        dataset = VOCSegmentation(str(tmp_path), image_set=split)
        for (image, mask), wanted in zip(dataset, some_masks()[parity::2], strict=True):
            assert mask.mode == "P"
            assert image.size == mask.size
            np.testing.assert_array_equal(np.array(mask), by_class(wanted, parity + 1))
    (root / "ImageSets" / "Main").mkdir()
    (root / "ImageSets" / "Main" / "val.txt").write_bytes((root / "ImageSets/Segmentation/val.txt").read_bytes())
    _, target = VOCDetection(str(tmp_path), image_set="val")[0]
    found = target["annotation"]["object"][0]
    assert (found["name"], found["bndbox"]["xmin"], found["bndbox"]["xmax"]) == ("star & ring", "1", "18")


def test_objects_of_voc_are_numbered_and_those_beyond_254_are_void(tmp_path: Path) -> None:
    mask = dots(300)
    mask[1, 0] = 1  # joins two: the largest of 299 objects must have a number
    write_masks(tmp_path / "data", [mask])
    send(tmp_path / "data", tmp_path / "out", "voc", components=True)
    numbers = np.array(Image.open(tmp_path / "out" / "SegmentationObject" / "s000.png"))
    assert set(np.unique(numbers)) == set(range(256))
    assert numbers[1, 0] not in (0, 255)
    assert (numbers == 255).sum() == 299 - 254
    assert ((numbers > 0) == (mask > 0)).all()


def test_cvat_declares_every_colour_that_it_uses(data: Path, tmp_path: Path) -> None:
    send(data, tmp_path / "out", "cvat")
    lines = (tmp_path / "out" / "labelmap.txt").read_text().splitlines()[1:]
    colours = {tuple(map(int, line.split(":")[1].split(","))): line.split(":")[0] for line in lines}
    assert [*colours.values()] == ["background", "disc", "star & ring", "__ignore__"]
    for i, mask in enumerate(some_masks()):
        pixels = np.array(Image.open(tmp_path / "out" / "SegmentationClass" / f"s{i:03d}.png").convert("RGB"))
        names = np.array([[colours[tuple(colour)] for colour in row] for row in pixels.tolist()])
        np.testing.assert_array_equal(names == "__ignore__", mask == 255)
        np.testing.assert_array_equal(names == ("disc", "star & ring")[i % 2], mask == 1)


def test_the_datasets_library_reads_parquet(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_OFFLINE", True)
    datasets.disable_progress_bars()
    send(data, tmp_path / "out", "huggingface")
    loaded = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    assert {split: len(part) for split, part in loaded.items()} == {"train": 6, "val": 5}
    assert loaded["train"].features["label"].names == ["disc", "star & ring"]
    for i, row in enumerate(loaded["val"]):
        assert row["key"] == f"s{2 * i + 1:03d}"
        np.testing.assert_array_equal(np.array(row["mask"]), some_masks()[2 * i + 1])
        assert (row["image"].size, row["label"]) == (row["mask"].size, 1)
    stream = datasets.load_dataset(str(tmp_path / "out"), split="train", streaming=True)
    assert len(list(stream)) == 6


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the library leaves files open
def test_webdataset_reads_the_shards_and_what_it_writes_comes_in(data: Path, tmp_path: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    from bdgan_cli.dataset.reader import open_dataset
    from bdgan_cli.workflows.import_job import Destination
    from bdgan_cli.workflows.import_masks import ImportMasksConfig, import_webdataset

    shard = str(data / "shards" / "000000.tar")
    samples = list(webdataset.WebDataset(shard, shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == [f"s{i:03d}" for i in range(11)]
    with webdataset.TarWriter(str(tmp_path / "theirs.tar"), encoder=False) as sink:
        for sample in samples:
            files = {"png": sample["png"], "seg.png": sample["mask.png"], "cls": b"4"}
            sink.write({"__key__": sample["__key__"], **files})
    config = ImportMasksConfig(tmp_path / "theirs.tar", Destination(tmp_path / "back"), mask_extension="seg.png")
    result = import_webdataset(config)
    assert (result.faults, result.per_class) == ([], {4: 11})
    for record, mask in zip(open_dataset(tmp_path / "back").iterate(("mask",)), some_masks(), strict=True):
        np.testing.assert_array_equal(record.mask, mask)


def test_mmengine_parses_the_config_and_the_class_says_what_masks_mean(data: Path, tmp_path: Path) -> None:
    config_module = pytest.importorskip("mmengine.config")
    send(data, tmp_path / "my-set", "mmseg")
    config = config_module.Config.fromfile(str(tmp_path / "my-set" / "my_set_config.py"), import_custom_modules=False)
    assert (config.data_root, config.num_classes) == (str(tmp_path / "my-set"), 3)
    assert config.train_dataloader.dataset.data_prefix == {"img_path": "img_dir/train", "seg_map_path": "ann_dir/train"}
    assert config.val_dataloader.dataset.data_prefix.seg_map_path == "ann_dir/val"
    for loader in (config.train_dataloader, config.val_dataloader):
        for folder in loader.dataset.data_prefix.values():
            assert len(list((tmp_path / "my-set" / folder).glob("*.png"))) in (5, 6)
    arguments = run_mmseg_class(tmp_path / "my-set" / "my_set_dataset.py", config.dataset_type)
    assert arguments["METAINFO"]["classes"] == ["background", "disc", "star & ring"]
    assert len(arguments["METAINFO"]["palette"]) == 3
    assert (arguments["img_suffix"], arguments["ignore_index"], arguments["reduce_zero_label"]) == (".png", 255, False)


def run_mmseg_class(file: Path, name: str) -> dict[str, Any]:
    """Run the dataset's module on stand-ins for the framework, which has compiled parts and is not installed here."""

    class BaseSegDataset:
        def __init__(self, **kwargs: Any) -> None:
            self.arguments = kwargs

    registered: dict[str, type] = {}

    def register_module() -> Any:
        return lambda cls: registered.setdefault(cls.__name__, cls)

    fakes = {
        "mmseg": types.ModuleType("mmseg"),
        "mmseg.datasets": types.SimpleNamespace(BaseSegDataset=BaseSegDataset),
        "mmseg.registry": types.SimpleNamespace(DATASETS=types.SimpleNamespace(register_module=register_module)),
    }
    run_with(file, fakes)
    made: Any = registered[name]()
    return {**made.arguments, "METAINFO": made.METAINFO}


def run_with(file: Path, modules: dict[str, Any]) -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        for name, module in modules.items():
            patch.setitem(sys.modules, name, module)
        scope: dict[str, Any] = {"__file__": str(file), "__name__": "imported"}
        exec(compile(file.read_text(), str(file), "exec"), scope)
    return scope


def test_detectron2_gets_pictures_instances_and_semantic_masks(data: Path, tmp_path: Path) -> None:
    """Run the registration on stand-ins for the framework, which has compiled parts and is not installed here."""
    send(data, tmp_path / "Pets 2", "detectron2")
    loaders: dict[str, Any] = {}
    metadata: dict[str, dict[str, Any]] = {}

    def load_coco_json(file: str, images: str, name: str) -> list[dict[str, Any]]:
        content = json.loads(Path(file).read_text())
        return [{"file_name": str(Path(images) / entry["file_name"])} for entry in content["images"]]

    fakes = {
        "detectron2": types.ModuleType("detectron2"),
        "detectron2.data": types.SimpleNamespace(
            DatasetCatalog=types.SimpleNamespace(register=loaders.__setitem__),
            MetadataCatalog=types.SimpleNamespace(
                get=lambda name: types.SimpleNamespace(set=metadata.setdefault(name, {}).update)
            ),
        ),
        "detectron2.data.datasets": types.SimpleNamespace(load_coco_json=load_coco_json),
    }
    run_with(tmp_path / "Pets 2" / "register_pets_2.py", fakes)
    assert sorted(loaders) == ["pets_2_train", "pets_2_val"]
    assert metadata["pets_2_val"]["thing_classes"] == ["disc", "star & ring"]
    assert (metadata["pets_2_val"]["stuff_classes"][0], metadata["pets_2_val"]["ignore_label"]) == ("background", 255)
    for record, mask in zip(loaders["pets_2_val"](), some_masks()[1::2], strict=True):
        assert Path(record["file_name"]).is_file()
        np.testing.assert_array_equal(np.array(Image.open(record["sem_seg_file_name"])), by_class(mask, 2))


def test_names_never_become_code(tmp_path: Path) -> None:
    """Class names stand in generated Python files as strings, whatever is in them."""
    evil = '"""; raise SystemExit  # \\ {x}'
    write_masks(tmp_path / "data", [np.full((4, 4), 2, np.uint8)], ("background", evil, "it's {y}"))
    for to, file in (("mmseg", "out_dataset.py"), ("detectron2", "register_out.py")):
        send(tmp_path / "data", tmp_path / to / "out", to)
        source = (tmp_path / to / "out" / file).read_text()
        compile(source, file, "exec")
        assert repr(evil) in source
