"""The importers: a valid source of each layout, imported, and what came in read again."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from bdgan_cli.dataset.codecs import encode_image, encode_mask
from bdgan_cli.dataset.importers.bigdatasetgan import LATENT_DIM, read_sample, survey_release
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.importers.release_layout import real_list_entries
from bdgan_cli.dataset.interchange.labelme import format_labelme
from bdgan_cli.dataset.interchange.labelstudio import format_task
from bdgan_cli.dataset.interchange.polygons import label_masks, label_rings
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.errors import DataError
from bdgan_cli.progress import Silent
from bdgan_cli.workflows import import_masks
from bdgan_cli.workflows.data import ImportConfig, import_folder
from bdgan_cli.workflows.import_coco import ImportCocoConfig, import_coco
from bdgan_cli.workflows.import_job import Destination
from bdgan_cli.workflows.import_masks import ImportMasksConfig
from bdgan_cli.workflows.import_tools import ImportToolConfig, import_tool
from tests.dataset import coco_files
from tests.dataset.exporters.masks import send, write_masks
from tests.dataset.release import SIZE, write_release
from tests.fuzz.corpus import mask, mend_pngs, mend_tars, picture, written
from tests.fuzz.reader import Files, Place, Reader
from tests.fuzz.readers_dataset import check_records

LABELS = ("background", "cat")


def check_import(result: object) -> None:
    """Check what an importer promises: nothing written and a reason for each fault, or a sound dataset."""
    assert json.dumps(result.to_json())  # type: ignore[attr-defined]
    faults: list[Fault] = result.faults  # type: ignore[attr-defined]
    root: Path = result.root  # type: ignore[attr-defined]
    assert all(fault.file and fault.reason for fault in faults)
    if result.refused:  # type: ignore[attr-defined]
        assert not root.exists(), "a refused import must not write"
        if faults:
            raise DataError(f"{root}: {faults[0].file}: {faults[0].reason}")
        return
    dataset = open_dataset(root)
    check_records(dataset)
    assert verify_dataset(root, Silent()) == []
    assert len(dataset) == (result.samples if hasattr(result, "samples") else sum(result.per_class.values()))  # type: ignore[attr-defined]


def of_masks(import_: Callable[[ImportMasksConfig], object], place: Place) -> None:
    check_import(import_(ImportMasksConfig(place.source, Destination(place.out))))


def sent(to: str, **changes: str) -> Sequence[Files]:
    """What our exporter of the format writes."""

    def write(folder: Path) -> None:
        write_masks(folder.parent / "data", [mask(), mask().T.copy()], LABELS)
        send(folder.parent / "data", folder, to, **changes)

    return [written(write)]


def webdatasets() -> Sequence[Files]:
    def write(folder: Path) -> None:
        write_masks(folder.parent / "data", [mask(), mask()])
        folder.mkdir()
        shutil.copy(folder.parent / "data" / "shards" / "000000.tar", folder / "a.tar")

    return [written(write)]


def cocos() -> Sequence[Files]:
    compressed = coco_files.content()
    compressed["annotations"][2]["segmentation"] = {"size": [12, 20], "counts": "h3h3"}
    return [written(partial(_write_coco, content=content)) for content in (coco_files.content(), compressed)]


def _write_coco(folder: Path, content: dict) -> None:  # type: ignore[type-arg]
    folder.mkdir()
    coco_files.write(folder, content)


def read_coco(place: Place) -> None:
    for mode in ("classes", "semantic"):
        out = place.out / mode
        config = ImportCocoConfig(place.source / "instances.json", place.source / "images", out, mode=mode)
        check_import(import_coco(config))


def read_tool(tool: str, place: Place) -> None:
    source, images = place.source, Path()
    if tool == "labelstudio":
        source, images = place.source / "export.json", place.source / "images"
    check_import(import_tool(ImportToolConfig(tool, source, images, place.out)))


def labelmes() -> Sequence[Files]:
    """Polygons beside pictures, and a file with every kind of shape and the picture in it."""
    return [*sent("labelme"), {"a.json": _every_shape(), "a.png": encode_image(picture(), "png")}]


def _every_shape() -> bytes:
    import base64

    content = json.loads(format_labelme("a.png", mask().shape, [(LABELS[1], ring) for _, ring in label_rings(mask())]))
    stamp = base64.b64encode(encode_mask((mask() == 1).astype(np.uint8))).decode()
    kinds = [
        ("rectangle", [[1, 1], [4, 4]], None),
        ("circle", [[4, 3], [5, 4]], None),
        ("mask", [[0, 0], [7, 5]], stamp),
        ("polygon", [[0, 0], [3, 0], [3, 3]], None),
    ]
    for number, (kind, points, packed) in enumerate(kinds):
        label = ("cat", "_background_", "__ignore__", "cat")[number]
        content["shapes"].append({"label": label, "points": points, "shape_type": kind, "mask": packed, "flags": {}})
    content["imageData"] = base64.b64encode(encode_image(picture(), "png")).decode()
    return json.dumps(content).encode()


def labelstudios() -> Sequence[Files]:
    brushes = [(LABELS[label], pixels) for label, pixels in label_masks(mask()) if label < len(LABELS)]
    painted = format_task("a", "/data/local-files/?d=x/images/a.png", mask().shape, brushes)
    drawn = format_task("b", "/data/upload/1/0123abcd-b.png", mask().shape, [])
    drawn["annotations"][0]["result"].append(
        {
            "type": "polygonlabels",
            "original_width": 8,
            "original_height": 6,
            "image_rotation": 0,
            "value": {"points": [[10, 10], [80, 10], [80, 70.5]], "polygonlabels": ["cat"]},
        }
    )
    pictures = {f"images/{name}.png": encode_image(picture(seed), "png") for seed, name in enumerate("ab")}
    return [{"export.json": json.dumps([painted, drawn]).encode(), **pictures}]


def folders() -> Sequence[Files]:
    rows = "id,class_name,class_id,wnid,split,note\na,cat,3,n00000003,train,x\nb,dog,4,,val,\n"
    pairs = {f"images/{name}.png": encode_image(picture(seed), "png") for seed, name in enumerate("ab")}
    pairs |= {f"masks/{name}.png": encode_mask(mask()) for name in "ab"}
    return [{**pairs, "index.csv": rows.encode(), "labels.txt": b"background\ncat\n"}, pairs]


def read_folder(place: Place) -> None:
    check_import(import_folder(ImportConfig(place.source, place.out)))


def releases() -> Sequence[Files]:
    real = {"annotations/real-random-list.txt": b"n01440764/n01440764_18 a b\n"}
    return [{**written(partial(write_release, pictures=pictures)), **real} for pictures in (True, False)]


def read_release(place: Place) -> None:
    survey = survey_release(place.source, SIZE, Silent())
    assert all(fault.file and fault.reason for fault in survey.faults)
    for item in survey.items:
        sample = read_sample(place.source, item, SIZE)
        assert sample.latent.shape == (LATENT_DIM,)
        assert np.isfinite(sample.latent).all()
        assert sample.mask.shape == (SIZE, SIZE)
        assert set(np.unique(sample.mask)) <= {0, 1}
    count = real_list_entries(place.source)
    assert count is None or count >= 0
    if survey.faults:
        raise DataError(f"{place.source}: {survey.faults[0].file}: {survey.faults[0].reason}")


def with_xml(files: Files) -> Files:
    """Put VOC's file of boxes beside a picture, as its own datasets have it."""
    size = "<size><width>8</width><height>6</height><depth>3</depth></size>"
    box = "<object><name>cat</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>3</xmax><ymax>4</ymax></bndbox></object>"
    xml = f'<?xml version="1.0" encoding="utf-8"?>\n<annotation><folder>a</folder>{size}{box}</annotation>'
    return {**files, "Annotations/s000.xml": xml.encode()}


_JSON = (b"null", b"true", b"[]", b"{}", b'"id":', b"NaN", b"\\u0000")
_XML = (
    b"<!DOCTYPE a [",
    b"<!ENTITY b 'c'>",
    b"&b;",
    b"]>",
    b"encoding='utf-7'",
    b"encoding='hex'",
    b"<![CDATA[",
    b"<size>",
)
_YAML = (
    b"!!timestamp x",
    b"!!bool x",
    b"!!int ''",
    b"!!float x",
    b"!!binary x",
    b"!!python/object:os.x {}",
    b"&a ",
    b"*a",
    b"<<: ",
    b"? ",
    b"- ",
)
READERS = (
    Reader(
        "COCO JSON",
        cocos,
        read_coco,
        ("*.json",),
        (*_JSON, b'"segmentation":', b'"counts":', b'"size":', b'"iscrowd":1'),
    ),
    Reader("COCO pictures", cocos, read_coco, ("images/*",), (), mend_pngs),
    Reader(
        "VOC XML",
        lambda: [with_xml(files) for files in sent("voc")],
        partial(of_masks, import_masks.import_voc),
        ("*.xml",),
        _XML,
    ),
    Reader(
        "VOC masks, lists and labels",
        lambda: sent("voc"),
        partial(of_masks, import_masks.import_voc),
        ("Seg*", "ImageSets/*", "*.txt"),
        (b"\\", b":"),
        mend_pngs,
    ),
    Reader(
        "CVAT folder",
        lambda: sent("cvat"),
        partial(of_masks, import_masks.import_cvat),
        ("*",),
        (b":", b"::", b"#", b"__ignore__:1,1,1::\n"),
        mend_pngs,
    ),
    Reader(
        "LabelMe JSON",
        labelmes,
        partial(read_tool, "labelme"),
        ("*.json",),
        (*_JSON, b'"shape_type": "mask"', b'"circle"', b'"rectangle"'),
    ),
    Reader(
        "Label Studio JSON",
        labelstudios,
        partial(read_tool, "labelstudio"),
        ("*.json",),
        (*_JSON, b"http://[", b'"rle": [', b'"points": ['),
    ),
    Reader(
        "YOLO text and YAML",
        lambda: sent("yolo"),
        partial(read_tool, "yolo"),
        ("*.txt", "*.yaml"),
        (*_YAML, b"nan", b"inf", b"1_0", b"0x1p3"),
    ),
    Reader(
        "Hugging Face Parquet",
        lambda: sent("huggingface"),
        partial(of_masks, import_masks.import_huggingface),
        ("*",),
        (b"PAR1", b"huggingface", b'"names"'),
    ),
    Reader(
        "WebDataset tar",
        webdatasets,
        partial(of_masks, import_masks.import_webdataset),
        ("*",),
        (b"ustar\x0000", b"ustar  \0", b"././@LongLink", b"30 mtime=1", b"\x80\xff", b"\xff" * 12),
        mend_tars,
    ),
    Reader(
        "folder with labels and index",
        folders,
        read_folder,
        ("*.csv", "*.txt"),
        (b",", b'"', b"id", b"class_id", "\u00b2".encode()),
    ),
    Reader("folder pictures and masks", folders, read_folder, ("images/*", "masks/*"), (), mend_pngs),
    Reader("BigDatasetGAN's release", releases, read_release, ("*",), (b"'|O'", b"PK\x03\x04"), mend_pngs),
)
