"""The built-in tasks against the facts of the paper, of its released code, and of the embedded world."""

from __future__ import annotations

from pathlib import Path

import pytest

from bdgan_cli.imagenet import imagenet_classes
from bdgan_cli.shapes.world import CLASS_NAMES
from bdgan_cli.tasks.registry import find_task, task_names
from tools import make_mc128

# Supplement, Table 2, and the classes behind it in the released code.
PAPER = [
    ("dog", "Dog", 2, 118, 657, 1040),
    ("bird", "Bird", 2, 59, 366, 512),
    ("fgbg", "FG/BG", 2, 0, 5294, 8316),
    ("mc16", "MC-16", 16, 224, 1268, 1967),
    ("mc100", "MC-100", 101, 100, 540, 798),
    ("mc992", "MC-992", 992, 991, 5294, 8316),
]
WNID = {entry.id: entry.wnid for entry in imagenet_classes()}


def ids_of(name: str, label: int) -> list[int]:
    index = {wnid: class_id for class_id, wnid in WNID.items()}
    return [index[token] for token in find_task(name).classes_of(label)]


@pytest.mark.parametrize(("name", "title", "labels", "classes", "train", "test"), PAPER, ids=[row[0] for row in PAPER])
def test_tasks_of_the_paper(name: str, title: str, labels: int, classes: int, train: int, test: int) -> None:
    task = find_task(name)
    assert (task.title, task.labels_count, task.classes_count) == (title, labels, classes)
    assert task.published == {"train": train, "test": test}
    assert task.domain == ("" if name == "fgbg" else "imagenet")
    assert task.note


def test_names_in_a_readable_order() -> None:
    assert [name for name in task_names() if name.startswith("mc")] == ["mc16", "mc100", "mc128", "mc992"]
    assert len(task_names()) == 9


def test_dogs_and_birds_are_those_of_mc16() -> None:
    mc16 = find_task("mc16")
    for name in ("dog", "bird"):
        assert ids_of(name, 1) == ids_of("mc16", mc16.label_names.index(name))
    assert ids_of("dog", 1) == list(range(151, 269))


def test_labels_of_mc16() -> None:
    task = find_task("mc16")
    assert task.label_names[1:] == (
        "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "diningtable",
        "dog", "horse", "person", "sheep", "train",
    )  # fmt: skip
    counts = [len(task.classes_of(label)) for label in range(1, 16)]
    assert counts == [1, 2, 59, 6, 7, 3, 10, 7, 4, 1, 118, 1, 3, 1, 1]
    assert list(task.coco_ids) == list(task.label_names[1:])
    assert list(task.coco_ids.values()) == [5, 2, 16, 9, 44, 6, 3, 17, 62, 67, 18, 19, 1, 20, 7]


def test_mc100_keeps_the_order_of_the_list() -> None:
    ids = [ids_of("mc100", label)[0] for label in range(1, 101)]
    assert (ids[:4], ids[-3:]) == ([476, 442, 409, 940], [493, 460, 96])
    assert (len(set(ids) & set(ids_of("dog", 1))), len(set(ids) & set(ids_of("bird", 1)))) == (20, 11)
    assert all(imagenet_classes()[class_id].seg_id for class_id in ids)
    assert find_task("mc100").label_names[1] == "carousel"


def test_mc992_has_the_ids_of_the_released_list() -> None:
    seg_ids = {entry.wnid: entry.seg_id for entry in imagenet_classes() if entry.seg_id is not None}
    assert find_task("mc992").labels == seg_ids


def test_shapes_are_those_of_the_world() -> None:
    assert find_task("shapes-mc").label_names == ("background", *CLASS_NAMES)
    assert find_task("shapes-mc").labels == {name: i + 1 for i, name in enumerate(CLASS_NAMES)}
    assert find_task("shapes-fgbg").labels == dict.fromkeys(CLASS_NAMES, 1)
    assert {find_task(name).domain for name in ("shapes-mc", "shapes-fgbg")} == {"shapes"}


@pytest.mark.parametrize("name", task_names())
def test_a_task_is_plain_data(name: str) -> None:
    task = find_task(name)
    told = task.to_json()
    assert told["label_names"] == list(task.label_names)
    assert sorted({*told["labels"].values()}) == list(range(1, task.labels_count))


MC128 = find_task("mc128")
WORDNET = Path("/usr/share/wordnet")


def test_mc128_partitions_the_synsets_of_mc992() -> None:
    assert (MC128.labels_count, MC128.classes_count) == (128, 991)
    assert MC128.labels.keys() == find_task("mc992").labels.keys()
    sizes = [len(MC128.classes_of(label)) for label in range(1, 128)]
    assert (sum(sizes), min(sizes), max(sizes)) == (991, 3, 27)
    first = [min(ids_of("mc128", label)) for label in range(1, 128)]
    assert first == sorted(first)
    assert MC128.published == find_task("mc992").published


@pytest.mark.parametrize(
    ("index", "name"),
    [(0, "teleost fish"), (179, "other terrier"), (196, "schnauzer"), (294, "other carnivore"), (817, "car"),
     (963, "nutriment"), (985, "other organism"), (999, "other matter")],
)  # fmt: skip
def test_mc128_groups_what_belongs_together(index: int, name: str) -> None:
    assert MC128.label_names[MC128.labels[WNID[index]]] == name


def test_mc128_says_whose_it_is() -> None:
    assert "bdgan's own" in MC128.note
    assert "never published" in MC128.note


@pytest.mark.skipif(not (WORDNET / "data.noun").is_file(), reason="needs WordNet 3.0: apt-get install wordnet-base")
def test_mc128_is_what_its_script_writes() -> None:
    assert make_mc128.render(make_mc128.WordNet(WORDNET / "data.noun")) == make_mc128.TABLE.read_text()


def test_dividing_into_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tree by hand: 1 has 2 (four classes) and 3 (three); 2 has 20 (two classes) and two classes of its own."""
    paths = [(1, 2, 20, 200), (1, 2, 20, 201), (1, 2, 202), (1, 2, 203), (1, 3, 300), (1, 3, 301), (1, 3, 302)]

    def groups(count: int, least: int) -> list[tuple[int, list[int]]]:
        monkeypatch.setattr(make_mc128, "GROUPS", count)
        monkeypatch.setattr(make_mc128, "LEAST_CLASSES", least)
        return sorted((group.hypernym, [path[-1] for path in group.paths]) for group in make_mc128.partition(paths))

    assert groups(1, 1) == [(1, [path[-1] for path in paths])]
    assert groups(2, 1) == [(2, [200, 201, 202, 203]), (3, [300, 301, 302])]
    assert groups(3, 1) == [(2, [202, 203]), (3, [300, 301, 302]), (20, [200, 201])]
    # Of one class nothing can be taken if two must stay on either side.
    assert groups(3, 2) == groups(3, 1)
    with pytest.raises(ValueError, match="empty"):
        groups(4, 2)
    assert groups(4, 1) == [(2, [202, 203]), (3, [301, 302]), (20, [200, 201]), (300, [300])]


def test_ranges() -> None:
    assert make_mc128.as_ranges([1, 2, 3, 5, 8, 9]) == ["1-3", "5", "8-9"]
