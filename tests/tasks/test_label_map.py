"""Relabelling against a pixel-by-pixel rule written out anew."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo
from bdgan_cli.errors import UsageError
from bdgan_cli.imagenet import imagenet_classes
from bdgan_cli.tasks.label_map import LabelMap
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.tasks.task_file import parse_task
from tests.dataset.builders import make_info

IMAGENET = tuple(ClassEntry(entry.id, entry.wnid, entry.name) for entry in imagenet_classes())


def real(classes: tuple[ClassEntry, ...], *labels: str) -> DatasetInfo:
    return replace(make_info(), kind="real", classes=classes, label_names=("background", *labels))


def mask_of(labels: int, dtype: Any = np.uint8, seed: int = 0) -> Any:
    """Every value that a mask with so many object labels may have, several times."""
    values = [*range(labels + 1), np.iinfo(dtype).max]
    return np.random.default_rng(seed).permutation(np.array(values * 3, dtype)).reshape(3, -1)


@pytest.mark.parametrize("name", ["dog", "bird", "mc16", "mc100", "mc992", "fgbg"])
def test_masks_of_one_object_take_the_label_of_their_class(name: str) -> None:
    task, mask = find_task(name), mask_of(1)
    label_map = LabelMap.bind(task, real(IMAGENET, "object"))
    wide = name == "mc992"
    taken = 0
    for entry in IMAGENET:
        label = task.labels.get(entry.wnid, task.labels.get("*"))
        assert label_map.takes(entry.id) == (label is not None)
        if label is None:
            continue
        taken += 1
        found = label_map.apply(mask, entry.id)
        assert found.dtype == (np.uint16 if wide else np.uint8)
        assert found.tolist() == [[{0: 0, 1: label, 255: 65535 if wide else 255}[v] for v in r] for r in mask.tolist()]
    assert taken == (task.classes_count or 1000)


def test_any_dataset_is_foreground_and_background() -> None:
    pets = (ClassEntry(1, "", "Abyssinian"), ClassEntry(6, "", "american_bulldog"))
    for info, labels in ((real(pets, "object"), 1), (real(pets, "pet"), 1), (real(pets, "head", "body", "dog"), 3)):
        label_map = LabelMap.bind(find_task("fgbg"), info)
        mask = mask_of(labels)
        assert label_map.takes(1)
        assert label_map.takes(6)
        expected = np.where(mask == 255, 255, np.minimum(mask, 1))
        np.testing.assert_array_equal(label_map.apply(mask, 6), expected)


def test_semantic_masks_are_relabelled_by_name_and_alias() -> None:
    coco = (ClassEntry(5, "", "airplane"), ClassEntry(90, "", "toothbrush"))
    label_map = LabelMap.bind(find_task("mc16"), real(coco, "Dog", "toothbrush", "airplane", "dining table"))
    mask = mask_of(4)
    names = find_task("mc16").label_names
    expected = {0: 0, 1: names.index("dog"), 2: 0, 3: 1, 4: names.index("diningtable"), 255: 255}
    assert label_map.takes(90)  # any picture may show the task's objects
    assert label_map.apply(mask, 90).tolist() == [[expected[value] for value in row] for row in mask.tolist()]


def test_a_dataset_in_the_tasks_own_labels_stays_as_it_is() -> None:
    task, mask = find_task("mc16"), mask_of(15)
    label_map = LabelMap.bind(task, real((ClassEntry(1, "", "person"),), *task.label_names[1:]))
    np.testing.assert_array_equal(label_map.apply(mask, 1), mask)


@pytest.mark.parametrize("name", ["mc16", "mc992"])
def test_wide_masks(name: str) -> None:
    """991 labels by name: wide masks stay as they are, or shrink to the few labels of a small task."""
    task, all_names = find_task(name), find_task("mc992").label_names[1:]
    if name == "mc16":  # ImageNet's own names are not those of VOC, but a few labels are added
        all_names = (*all_names[:-2], "person", "train")
    mask = mask_of(len(all_names), np.uint16)
    found = LabelMap.bind(task, real(IMAGENET, *all_names)).apply(mask, 0)
    if name == "mc992":
        np.testing.assert_array_equal(found, mask)
        assert found.dtype == np.uint16
        return
    assert found.dtype == np.uint8
    assert set(found[mask == 990]) == {13}
    assert set(found[mask == 991]) == {15}
    assert set(found[mask == 65535]) == {255}


def test_classes_without_wnid_go_by_their_name() -> None:
    task = parse_task('[labels]\ncat = "Abyssinian, Bengal"\ndog = "american_bulldog"', "pets", "")
    info = real(
        (ClassEntry(1, "", "abyssinian"), ClassEntry(6, "", "american_bulldog"), ClassEntry(9, "", "x")), "object"
    )
    label_map = LabelMap.bind(task, info)
    assert [label_map.takes(class_id) for class_id in (1, 6, 9, 77)] == [True, True, False, False]
    assert [label_map.apply(mask_of(1), class_id).max(initial=0, where=mask_of(1) == 1) for class_id in (1, 6)] == [
        1,
        2,
    ]


def test_imagenets_classes_go_by_wnid_alone() -> None:
    # The machine is called as the bird is: the released list names both "crane".
    task = parse_task('domain = "imagenet"\n[labels]\ncrane = "134"', "t", "")
    info = real((ClassEntry(0, "n02012849", "crane"), ClassEntry(1, "n03126707", "crane")), "object")
    label_map = LabelMap.bind(task, info)
    assert (label_map.takes(0), label_map.takes(1)) == (True, False)


def test_one_label_and_a_class_of_the_same_dataset() -> None:
    """A dataset of one category: its class is known by name, so that its pictures alone are taken."""
    info = real((ClassEntry(18, "", "dog"), ClassEntry(17, "", "cat")), "object")
    assert not LabelMap.bind(find_task("dog"), info).takes(17)
    semantic = real((ClassEntry(3, "", "kennel"),), "dog")
    assert LabelMap.bind(find_task("dog"), semantic).apply(mask_of(1), 3).tolist() == mask_of(1).tolist()


@pytest.mark.parametrize("labels", [("object",), ("head", "body")])
def test_nothing_in_common(labels: tuple[str, ...]) -> None:
    with pytest.raises(UsageError) as caught:
        LabelMap.bind(find_task("dog"), real((ClassEntry(0, "n01440764", "tench"),), *labels))
    assert "expected classes or labels of task dog, got classes n01440764 and labels " in caught.value.message
    assert caught.value.hint == "what the task knows: bdgan data tasks dog"


def test_a_label_map_travels_to_other_processes() -> None:
    label_map = LabelMap.bind(find_task("mc992"), real(IMAGENET, "object"))
    copied = pickle.loads(pickle.dumps(label_map))
    np.testing.assert_array_equal(copied.apply(mask_of(1), 999), label_map.apply(mask_of(1), 999))


@pytest.mark.parametrize(("labels", "dtype"), [(254, np.uint8), (255, np.uint16)])
def test_masks_are_wide_from_255_labels_on(labels: int, dtype: Any) -> None:
    classes = tuple(ClassEntry(i, "", f"c{i}") for i in range(labels))
    task = parse_task("each = " + str([entry.name for entry in classes]), "t", "")
    found = LabelMap.bind(task, real(classes, "object")).apply(mask_of(1), labels - 1)
    assert (found.dtype, set(np.unique(found).tolist())) == (dtype, {0, labels, np.iinfo(dtype).max})
