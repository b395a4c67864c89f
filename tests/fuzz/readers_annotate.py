"""``annotate collect``: the plan, and what comes back from every tool; and exports that were interrupted."""

from __future__ import annotations

import contextlib
import io
import json
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pyarrow as pa

from bdgan_cli.dataset import views
from bdgan_cli.dataset.codecs import encode_image, encode_mask
from bdgan_cli.dataset.exporters.target import Target
from bdgan_cli.dataset.interchange.labelme import format_labelme
from bdgan_cli.dataset.interchange.labelstudio import format_task
from bdgan_cli.dataset.interchange.polygons import label_rings
from bdgan_cli.dataset.palette import encode_palette_mask, voc_colours
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import DataError
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.annotate_collect import CollectConfig, collect_annotation
from bdgan_cli.workflows.annotation_plan import VIEW, AnnotationPlan, candidates_folder, write_plan
from tests.dataset.builders import make_info, make_sample
from tests.dataset.exporters.masks import send, write_masks
from tests.fuzz.corpus import mask, mend_pngs, written
from tests.fuzz.reader import Files, Place, Reader
from tests.fuzz.readers_dataset import check_records

LABELS = ("background", "object")


def plans(tool: str) -> Sequence[Files]:
    return [written(partial(_write_plan, tool=tool))]


def _write_plan(folder: Path, tool: str) -> None:
    """Write a plan of two pictures with what an annotator hands back."""
    folder.mkdir()
    root = candidates_folder(folder)
    writer = open_for_writing(root, make_info(1, 2))
    samples = [make_sample(0, index) for index in range(2)]
    writer.write_shard("c0000-b0000", [make_sample(0, index, mask=None) for index in range(2)])
    dataset = open_dataset(root)
    decisions = {"key": dataset.keys(), "kept": [True, True], "rule": ["", ""], "score": pa.array([0, 0], pa.float32())}
    views.write_view(dataset, VIEW, pa.table(decisions))
    plan = AnnotationPlan("p", tool, LABELS, 2, "random", {"name": "h"}, {samples[0].key: "0" * 64})
    write_plan(folder, plan)
    work = folder / "work"
    work.mkdir()
    for sample in samples:
        (work / "images").mkdir(exist_ok=True)
        (work / "images" / f"{sample.key}.png").write_bytes(encode_image(sample.image, "png"))
        rings = [(LABELS[1], ring) for _, ring in label_rings(sample.mask)]
        match tool:
            case "labelme":
                (work / f"{sample.key}.png").write_bytes(encode_image(sample.image, "png"))
                (work / f"{sample.key}.json").write_bytes(format_labelme(f"{sample.key}.png", (24, 24), rings))
            case "folder":
                (work / "masks").mkdir(exist_ok=True)
                (work / "masks" / f"{sample.key}.png").write_bytes(encode_mask(sample.mask))
            case "cvat":
                (work / "SegmentationClass").mkdir(exist_ok=True)
                png = encode_palette_mask(sample.mask, voc_colours())
                (work / "SegmentationClass" / f"{sample.key}.png").write_bytes(png)
                (work / "labelmap.txt").write_text("background:0,0,0::\nobject:128,0,0::\n__ignore__:224,224,192::\n")
                (work / "JPEGImages").mkdir(exist_ok=True)
                (work / "JPEGImages" / f"{sample.key}.png").write_bytes(encode_image(sample.image, "png"))
            case "labelstudio":
                path = work / "export.json"
                tasks = json.loads(path.read_text()) if path.is_file() else []
                task = format_task(sample.key, f"/x/{sample.key}.png", (24, 24), [(LABELS[1], sample.mask == 1)])
                path.write_text(json.dumps([*tasks, task]))


def collect(place: Place, result: str | None = None) -> None:
    path = place.source / result if result else None
    done = collect_annotation(CollectConfig(place.source, path, place.out))
    assert json.dumps(done.to_json())
    assert all(fault.file and fault.reason for fault in done.faults)
    if done.refused:
        assert not place.out.exists()
        if done.faults:
            raise DataError(f"{place.out}: {done.faults[0].file}: {done.faults[0].reason}")
        return
    check_records(open_dataset(place.out))
    assert [problem for problem in verify_dataset(place.out, Silent()) if not problem.is_warning] == []


def collect_zip(place: Place) -> None:
    """Pack the files of an export and collect that: so damage lies behind the zip's own checksums."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted((place.source / "work").rglob("*")):
            if path.is_file():
                archive.writestr(path.relative_to(place.source / "work").as_posix(), path.read_bytes())
    (place.source / "export.zip").write_bytes(packed.getvalue())
    collect(place, "export.zip")


def zipped() -> Sequence[Files]:
    (files,) = plans("cvat")
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            if name.startswith("work/"):
                archive.writestr(zipfile.ZipInfo(name.removeprefix("work/")), data)
    return [{**{name: data for name, data in files.items() if "work/" not in name}, "export.zip": packed.getvalue()}]


class _Killed(BaseException):
    """Ends an export where a kill would."""


def exports() -> Sequence[Files]:
    """An export of which two parts are finished, with the dataset that it is made of."""

    def write(folder: Path) -> None:
        write_masks(folder / "data", [mask()] * 5)

        def killed(*ignored: object) -> None:
            raise _Killed

        finish, Target.finish = Target.finish, killed  # type: ignore[method-assign, assignment]
        try:
            with contextlib.suppress(_Killed):
                send(folder / "data", folder / "export", "coco")
        finally:
            Target.finish = finish  # type: ignore[method-assign]

    files = written(write)
    assert any(name.endswith(".jsonl") for name in files)
    return [files]


def go_on_with_export(place: Place) -> None:
    """The manifest is bound to where the dataset lies, so that must be the same place as before."""
    done = send(place.source / "data", place.source / "export", "coco")
    assert json.dumps(done.to_json())


_JSON = (b"null", b"true", b"[]", b"{}", b"NaN", b"\\u0000", b'"__ignore__"')
READERS = (
    Reader("plan card", lambda: plans("folder"), collect, ("plan.json",), _JSON),
    Reader("collect: LabelMe", lambda: plans("labelme"), collect, ("work/*.json",), _JSON),
    Reader(
        "collect: Label Studio",
        lambda: plans("labelstudio"),
        partial(collect, result="work/export.json"),
        ("work/*.json",),
        (*_JSON, b"http://["),
    ),
    Reader(
        "collect: CVAT folder", lambda: plans("cvat"), collect, ("work/*",), (b":", b"::", b"__ignore__"), mend_pngs
    ),
    Reader(
        "collect: CVAT zip",
        zipped,
        partial(collect, result="export.zip"),
        ("export.zip",),
        (b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"../a"),
    ),
    Reader("collect: inside a CVAT zip", lambda: plans("cvat"), collect_zip, ("work/*",), (), mend_pngs),
    Reader("collect: folder", lambda: plans("folder"), collect, ("work/masks/*", "work/images/*"), (), mend_pngs),
    Reader(
        "interrupted export",
        exports,
        go_on_with_export,
        ("export/*.json", "export/.bdgan-export/*"),
        (*_JSON, b'"files"', b'"record"'),
    ),
)
