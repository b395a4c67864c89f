"""Out and in again: every format that goes both ways gives back the masks it was given."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bdgan_cli.dataset.importers.annotated import AnnotatedImport
from bdgan_cli.dataset.importers.coco import import_coco
from bdgan_cli.dataset.importers.coco_masks import MaskRule as CocoRule
from bdgan_cli.dataset.importers.folder import FolderImport, import_folder
from bdgan_cli.dataset.importers.mask_rules import MaskRule
from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.import_job import Destination
from bdgan_cli.workflows.import_masks import ImportMasksConfig, import_cvat, import_huggingface, import_voc
from tests.dataset.exporters.masks import Mask, by_class, dots, masks, send, write_masks

PARTS = ("background", "head", "body", "tail")
NAMES = ("background", "disc", "star & ring")

# The disk is patched out for each test; Hypothesis wants to know that all examples may share that.
quick = settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
Back = Callable[[Path, Path], Any]


@contextmanager
def sent(
    masks: list[Mask], to: str, labels: tuple[str, ...] = ("background", "object"), **options: Any
) -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_masks(folder / "data", masks, labels)
        send(folder / "data", folder / "out", to, **options)
        yield folder


def taken_back(folder: Path, back: Back) -> Dataset:
    result = back(folder / "out", folder / "back")
    assert result.faults == []
    assert verify_dataset(folder / "back", Silent()) == []
    return open_dataset(folder / "back")


def from_folder(labels: int) -> Back:
    names = ("background", "object") if labels == 1 else PARTS
    job = FolderImport("x", names, MaskRule(labels + 1))
    return lambda source, out: import_folder(source, out, job, Silent())


def with_workflow(workflow: Callable[[ImportMasksConfig], Any]) -> Back:
    return lambda source, out: workflow(ImportMasksConfig(source, Destination(out)))


def from_coco(split: str, mode: str) -> Back:
    def back(source: Path, out: Path) -> Any:
        job = AnnotatedImport("x", "coco", CocoRule(mode))
        file = source / "annotations" / f"instances_{split}.json"
        return import_coco(file, source / "images" / split, out, job, Silent())

    return back


def unlike_zero_255(mask: Mask) -> bool:
    """The folder import asks what a mask of 0 and 255 alone means; here 255 is known to be ignore."""
    return not (set(np.unique(mask)) <= {0, 255} and mask.max() == 255)


def check(dataset: Dataset, wanted: dict[str, Mask]) -> None:
    assert sorted(dataset.keys()) == sorted(wanted)
    for record in dataset.iterate(("mask",)):
        np.testing.assert_array_equal(record.mask, wanted[record.key])


@quick
@given(st.lists(masks().filter(unlike_zero_255), min_size=1, max_size=5))
def test_folder(drawn: list[Mask]) -> None:
    with sent(drawn, "folder") as folder:
        dataset = taken_back(folder, from_folder(1))
        check(dataset, {f"s{i:03d}": mask for i, mask in enumerate(drawn)})
        assert set(dataset.table["wnid"].to_pylist()) <= {"", "n00000003"}


@quick
@given(st.lists(masks(3).filter(unlike_zero_255), min_size=1, max_size=5))
def test_folder_with_parts(drawn: list[Mask]) -> None:
    with sent(drawn, "folder", PARTS) as folder:
        check(taken_back(folder, from_folder(3)), {f"s{i:03d}": mask for i, mask in enumerate(drawn)})


@pytest.mark.parametrize(("to", "back"), [("voc", import_voc), ("cvat", import_cvat)])
@pytest.mark.parametrize("components", [False, True])
@quick
@given(drawn=st.lists(masks(), min_size=1, max_size=5))
def test_voc_and_cvat_by_class(to: str, back: Any, components: bool, drawn: list[Mask]) -> None:
    with sent(drawn, to, components=components) as folder:
        dataset = taken_back(folder, with_workflow(back))
        check(dataset, {f"s{i:03d}": by_class(mask, 1 + i % 2) for i, mask in enumerate(drawn)})
        assert dataset.info.label_names == NAMES
        splits = dict(zip(dataset.keys(), dataset.table["split"].to_pylist(), strict=True))
        assert splits == {f"s{i:03d}": ("train", "val")[i % 2] for i in range(len(drawn))}


@pytest.mark.parametrize(
    ("to", "back"), [("voc", import_voc), ("cvat", import_cvat), ("huggingface", import_huggingface)]
)
@quick
@given(drawn=st.lists(masks(3).filter(unlike_zero_255), min_size=1, max_size=5))
def test_parts(to: str, back: Any, drawn: list[Mask]) -> None:
    with sent(drawn, to, PARTS) as folder:
        dataset = taken_back(folder, with_workflow(back))
        check(dataset, {f"s{i:03d}": mask for i, mask in enumerate(drawn)})
        assert dataset.info.label_names == PARTS


@quick
@given(st.lists(masks().filter(unlike_zero_255), min_size=1, max_size=5))
def test_huggingface_keeps_pictures_classes_and_splits(drawn: list[Mask]) -> None:
    with sent(drawn, "huggingface") as folder:
        dataset = taken_back(folder, with_workflow(import_huggingface))
        check(dataset, {f"s{i:03d}": mask for i, mask in enumerate(drawn)})
        first = {row["key"]: row for row in open_dataset(folder / "data").table.to_pylist()}
        names = {3: "disc", 7: "star & ring"}
        entries = {entry.id: entry.name for entry in dataset.info.classes}
        for row in dataset.table.to_pylist():
            was = first[row["key"]]
            assert (row["image_sha256"], row["split"]) == (was["image_sha256"], was["split"])
            assert entries[row["class_id"]] == names[was["class_id"]]


@pytest.mark.parametrize(
    "options", [{}, {"polygons": True}, {"components": True}, {"polygons": True, "components": True}]
)
@quick
@given(drawn=st.lists(masks(), min_size=2, max_size=5))
def test_coco(options: dict[str, bool], drawn: list[Mask]) -> None:
    """Pictures without an object give no sample in COCO's importer; all others come back equal, polygons included."""
    with sent(drawn, "coco", **options) as folder:
        for parity, split in enumerate(("train", "val")):
            wanted = {
                f"s{i:03d}_{1 + i % 2}": mask for i, mask in enumerate(drawn) if i % 2 == parity and (mask == 1).any()
            }
            if not wanted:
                continue
            result = from_coco(split, "classes")(folder / "out", folder / split)
            assert result.faults == []
            check(open_dataset(folder / split), wanted)


@pytest.mark.parametrize("polygons", [False, True])
@quick
@given(drawn=masks(3))
def test_coco_with_parts(polygons: bool, drawn: Mask) -> None:
    full = np.full((4, 4), 3, np.uint8)
    full[0, :2] = 1, 2
    with sent([drawn, full], "coco", PARTS, polygons=polygons) as folder:
        if not ((drawn > 0) & (drawn < 255)).any():
            return
        dataset = taken_back(folder, from_coco("train", "semantic"))
        assert dataset.info.label_names == PARTS  # all categories are in the file, so labels keep their numbers
        check(dataset, {"s000": drawn})


@pytest.mark.parametrize("to", ["folder", "voc", "cvat", "huggingface", "coco"])
def test_255_regions(to: str, tmp_path: Path) -> None:
    mask = dots(255)
    write_masks(tmp_path / "data", [mask])
    send(tmp_path / "data", tmp_path / "out", to, **({} if to in ("folder", "huggingface") else {"components": True}))
    backs = {
        "folder": from_folder(1), "coco": from_coco("train", "classes"), "voc": with_workflow(import_voc),
        "cvat": with_workflow(import_cvat), "huggingface": with_workflow(import_huggingface),
    }  # fmt: skip
    dataset = taken_back(tmp_path, backs[to])
    check(dataset, {"s000_1" if to == "coco" else "s000": mask})


def test_jpg_pictures_of_a_png_dataset_are_close(tmp_path: Path) -> None:
    write_masks(tmp_path / "data", [np.ones((16, 16), np.uint8)])
    send(tmp_path / "data", tmp_path / "out", "voc")
    assert [path.suffix for path in (tmp_path / "out" / "JPEGImages").iterdir()] == [".jpg"]
    send(tmp_path / "data", tmp_path / "kept", "voc", images="keep")
    dataset = taken_back(tmp_path, lambda _, out: with_workflow(import_voc)(tmp_path / "kept", out))
    before = open_dataset(tmp_path / "data").table["image_sha256"].to_pylist()
    assert dataset.table["image_sha256"].to_pylist() == before
