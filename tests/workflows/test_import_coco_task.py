"""``bdgan data import coco --task``: MS-COCO-MC-16 and users' tasks (supplement B.3)."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.progress import Silent
from bdgan_cli.tasks.label_map import LabelMap
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.workflows.import_coco import ImportCocoConfig, import_coco
from tests.conftest import ROOT, RunCli
from tests.dataset.coco_files import CAT, DOG, KITE, content, write

COCO = ROOT.parent / "shared" / "data" / "coco"
needs_coco = pytest.mark.skipif(not COCO.is_dir(), reason="needs ../shared/data/coco")
# The ids of MS-COCO-MC-16, by label.
MC16 = (5, 2, 16, 9, 44, 6, 3, 17, 62, 67, 18, 19, 1, 20, 7)

ANIMALS = """
[labels]
toy = "x"
dog = "y"
bird = "z"
cat = "w"

[aliases]
dog = "Big Dog"
toy = "kite"

[coco]
toy = 90
dog = 7
cat = 3
"""


def counts(root: Path) -> tuple[int, Counter[int]]:
    """Pictures, and pixels by mask value."""
    dataset, pixels = open_dataset(root), Counter[int]()
    for record in dataset.iterate(("mask",)):
        assert record.mask is not None
        pixels.update(dict(zip(*(part.tolist() for part in np.unique(record.mask, return_counts=True)), strict=True)))
    return len(dataset), pixels


def counts_by_pycocotools(annotations: Path) -> tuple[int, Counter[int]]:
    """The same from the file itself: smaller objects on top, crowds ignored where there is no object."""
    from pycocotools.coco import COCO as Index

    coco, pictures, pixels = Index(str(annotations)), 0, Counter[int]()
    for image_id, image in coco.imgs.items():
        entries = coco.loadAnns(coco.getAnnIds(imgIds=[image_id], catIds=list(MC16)))
        masks = [(entry, coco.annToMask(entry).astype(bool)) for entry in entries]
        objects = [(-int(mask.sum()), entry["id"], entry, mask) for entry, mask in masks if not entry["iscrowd"]]
        if not any(area for area, *_ in objects):
            continue
        pictures += 1
        painted = np.zeros((image["height"], image["width"]), int)
        for entry, mask in masks:
            if entry["iscrowd"]:
                painted[mask] = 255
        for _, _, entry, mask in sorted(objects, key=lambda item: item[:2]):
            painted[mask] = MC16.index(entry["category_id"]) + 1
        pixels.update(dict(zip(*(part.tolist() for part in np.unique(painted, return_counts=True)), strict=True)))
    return pictures, pixels


@needs_coco
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with NumPy 2
@pytest.mark.parametrize(("part", "pictures"), [("train", 73), ("val", 79)])
def test_real_pictures_are_those_that_pycocotools_counts(tmp_path: Path, part: str, pictures: int) -> None:
    annotations = COCO / "annotations" / f"instances_{part}2017.json"
    result = import_coco(ImportCocoConfig(annotations, COCO / f"{part}2017", tmp_path / "out", task="mc16"))
    assert (result.written, result.faults) == (True, [])
    expected = counts_by_pycocotools(annotations)
    assert expected[0] == pictures
    assert counts(result.root) == expected
    dataset = open_dataset(result.root)
    assert dataset.info.label_names == find_task("mc16").label_names
    assert dataset.info.provenance == f"Imported from the COCO file {annotations.name} for the task MC-16."
    record = next(dataset.iterate(("mask",)))
    label_map = LabelMap.bind(find_task("mc16"), dataset.info)
    np.testing.assert_array_equal(label_map.apply(record.mask, dataset.info.classes[0].id), record.mask)  # type: ignore[arg-type]


def small(tmp_path: Path, text: str = ANIMALS, **changes: Any) -> ImportCocoConfig:
    (tmp_path / "animals.toml").write_text(text)
    values = {"out": tmp_path / "out", "task": str(tmp_path / "animals.toml"), **changes}
    return ImportCocoConfig(write(tmp_path), tmp_path / "images", **values)


def test_a_users_task_with_labels_in_its_own_order(tmp_path: Path) -> None:
    plain = small(tmp_path, task=None, mode="semantic", out=tmp_path / "plain")
    given = small(tmp_path)
    before, after = (open_dataset(import_coco(config).root) for config in (plain, given))
    assert before.info.label_names == ("background", "cat", "big dog", "kite")
    assert after.info.label_names == ("background", "toy", "dog", "bird", "cat")
    assert (before.keys(), before.info.classes) == (after.keys(), after.info.classes)
    order = {0: 0, 1: 4, 2: 2, 3: 1, 255: 255}
    label_map = LabelMap.bind(find_task(str(given.task)), before.info)
    for old, new in zip(before.iterate(("mask",)), after.iterate(("mask",)), strict=True):
        assert old.mask is not None
        assert new.mask is not None
        assert new.mask.tolist() == [[order[value] for value in row] for row in old.mask.tolist()]
        np.testing.assert_array_equal(label_map.apply(old.mask, CAT), new.mask)
    assert verify_dataset(after.root, Silent()) == []


def test_categories_that_the_task_lacks_are_background(tmp_path: Path) -> None:
    only_dogs = "[labels]\n" + "dog = 'x'\n[aliases]\ndog = 'big dog'\n[coco]\ndog = 7"
    result = import_coco(small(tmp_path, only_dogs))
    assert (result.pictures, result.per_class, result.counts.without_object) == (1, {DOG: 1}, 2)
    # 6x4 pixels of a dog; the cats beside it and the crowd of cats are background.
    assert counts(result.root) == (1, Counter({0: 12 * 20 - 24, 1: 24}))


def test_a_file_without_some_categories(tmp_path: Path) -> None:
    written = content()
    written["categories"] = [entry for entry in written["categories"] if entry["id"] != KITE]
    written["annotations"] = [entry for entry in written["annotations"] if entry["category_id"] != KITE]
    config = small(tmp_path)
    write(tmp_path, written)
    result = import_coco(config)
    assert result.per_class == {CAT: 1}
    assert open_dataset(result.root).info.label_names == ("background", "toy", "dog", "bird", "cat")


@pytest.mark.parametrize("labels", [254, 255])
def test_masks_of_many_labels_are_wide(tmp_path: Path, labels: int) -> None:
    """A picture's kite is the last label: 255 no longer fits beside the ignored pixels."""
    lines = [f"l{number} = 'c{number}'" for number in range(1, labels)]
    task = "\n".join(["[labels]", *lines, "kite = 'c'", "[coco]", "kite = 90"])
    result = import_coco(small(tmp_path, task))
    record = next(open_dataset(result.root).iterate(("mask",)))
    assert record.mask is not None
    assert record.mask.dtype == (np.uint8 if labels == 254 else np.uint16)
    assert np.unique(record.mask).tolist() == [0, labels]


@pytest.mark.parametrize(
    ("task", "changes", "message"),
    [
        (ANIMALS, {"mode": "classes"}, "expected --task or --mode classes, got both"),
        (ANIMALS, {"categories": "cat"}, "expected --task or --categories cat, got both"),
        (ANIMALS, {"task": "dog"}, "task dog has no COCO categories"),
        (ANIMALS, {"task": "mc61"}, "unknown task 'mc61'"),
        (ANIMALS, {"task": "mc16"}, "expected category 3 to be called car, the file calls it cat"),
        (
            ANIMALS.replace("kite", "plane"),
            {},
            "expected category 90 to be called toy or plane, the file calls it kite",
        ),
        ("[labels]\na = 'x'\n[coco]\na = 8", {}, "expected categories with the ids 8, the file has none of them"),
    ],
)
def test_tasks_that_do_not_fit(tmp_path: Path, task: str, changes: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        import_coco(small(tmp_path, task, **changes))
    assert caught.value.message.startswith(message)
    assert caught.value.hint
    assert not (tmp_path / "out").exists()


def test_another_task_is_another_dataset(tmp_path: Path) -> None:
    """Names and categories are the same, but toy and cat have exchanged their ids' labels."""
    import_coco(small(tmp_path))
    other = ANIMALS.replace('"x"', '"v"').replace("toy = 90", "bird = 90").replace('toy = "kite"', 'bird = "kite"')
    with pytest.raises(UsageError, match="plan"):
        import_coco(small(tmp_path, other))


def test_the_command(run_cli: RunCli, tmp_path: Path) -> None:
    config = small(tmp_path)
    arguments = (config.annotations, "--images", config.images, "--out", tmp_path / "out", "--task", config.task)
    done = run_cli("data", "import", "coco", *arguments)
    assert (done.code, "wrote 2 samples" in done.stdout) == (0, True), done.stderr
    assert "background, toy, dog, bird, cat" in run_cli("data", "info", tmp_path / "out").stdout
