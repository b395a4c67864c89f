"""Counting a dataset for a task, beside the published sizes."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import UsageError
from bdgan_cli.imagenet import imagenet_classes
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.tasks.splits import SplitCount, TaskCounts, count_task
from tests.conftest import RunCli
from tests.dataset.builders import make_info, make_sample


@pytest.fixture
def pets(tmp_path: Path) -> Dataset:
    """Three tenches without a split, a Chihuahua to train with, two Pekinese to test with, and a pelican without."""
    samples = [(0, ""), (0, ""), (0, ""), (151, "train"), (154, "test"), (154, "test"), (144, "")]
    classes = tuple(ClassEntry(i, entry.wnid, entry.name) for i, entry in enumerate(imagenet_classes()))
    info = replace(make_info(), kind="annotated", classes=classes)
    made = [make_sample(c, i, key=f"k{i}", split=split) for i, (c, split) in enumerate(samples)]
    open_for_writing(tmp_path / "pets", info).write_shard("000000", iter(made))
    return open_dataset(tmp_path / "pets")


def of_kind(dataset: Dataset, **changes: Any) -> Dataset:
    return Dataset(dataset.root, replace(dataset.info, **changes), dataset.table)


def test_splits_and_classes(pets: Dataset) -> None:
    found = count_task(find_task("dog"), pets)
    assert found.splits == (SplitCount("test", 2, 1040), SplitCount("train", 1, 657))
    assert (found.left_out, found.classes, found.classes_listed) == (4, 2, 118)
    assert [entry.difference for entry in found.splits] == [-1038, -656]
    assert found.differences()[1] == (f"{pets.root}: 1 pictures for task dog in split train, 657 were published (-656)")


@pytest.mark.parametrize(("kind", "split", "published"), [("annotated", "train", 366), ("real", "test", 512)])
def test_pictures_without_a_split_are_of_that_of_their_kind(
    pets: Dataset, kind: str, split: str, published: int
) -> None:
    assert count_task(find_task("bird"), of_kind(pets, kind=kind)).splits == (SplitCount(split, 1, published),)


def test_every_picture_counts_for_foreground(pets: Dataset) -> None:
    found = count_task(find_task("fgbg"), pets)
    assert found.splits == (SplitCount("test", 2, 8316), SplitCount("train", 5, 5294))
    assert (found.left_out, found.classes) == (0, None)


def test_nothing_is_said_where_the_sizes_are_those_published(pets: Dataset) -> None:
    task = replace(find_task("dog"), published={"train": 1, "test": 3})
    assert count_task(task, pets).differences() == [
        f"{pets.root}: 2 pictures for task dog in split test, 3 were published (-1)"
    ]
    assert count_task(replace(task, published={"train": 1, "test": 2}), pets).differences() == []


def test_of_sampled_and_of_semantic_sets_nothing_was_published(pets: Dataset) -> None:
    sampled = count_task(find_task("dog"), of_kind(pets, kind="sampled"))
    assert {entry.published for entry in sampled.splits} == {None}
    semantic = of_kind(pets, kind="real", label_names=("background", "person", "dog"))
    found = count_task(find_task("mc16"), semantic)
    assert found.splits == (SplitCount("test", 6, None), SplitCount("train", 1, None))
    assert (found.left_out, found.classes, found.differences()) == (0, None, [])


def test_a_dataset_of_other_classes(pets: Dataset) -> None:
    with pytest.raises(UsageError, match="expected classes or labels of task shapes-mc"):
        count_task(find_task("shapes-mc"), pets)


def test_plain_data() -> None:
    counts = TaskCounts("dog", "d", (SplitCount("train", 5, 7), SplitCount("", 2, None)), 3, 1, 2)
    assert json.loads(json.dumps(counts.to_json())) == {
        "dataset": "d",
        "splits": [
            {"split": "train", "pictures": 5, "published": 7, "difference": -2},
            {"split": "", "pictures": 2, "published": None, "difference": None},
        ],
        "left_out": 3,
        "classes": 1,
        "classes_listed": 2,
    }


def test_the_command_counts(run_cli: RunCli, pets: Dataset) -> None:
    done = run_cli("data", "tasks", "dog", pets.root)
    assert done.code == 0, done.stderr
    lines = done.stdout.splitlines()
    assert [line.split() for line in lines if line.startswith("t")] == [
        ["test", "2", "1040", "-1038"],
        ["train", "1", "657", "-656"],
    ]
    assert "2 of 118 classes have pictures" in lines
    assert "4 pictures of other classes are no part of the task" in lines
    told = json.loads(run_cli("data", "tasks", "dog", pets.root, "--json").stdout)
    assert told["counts"] == count_task(find_task("dog"), open_dataset(pets.root)).to_json()


def test_the_command_lists_every_task_and_says_whose_mc128_is(run_cli: RunCli) -> None:
    for arguments in ((), ("mc128",)):
        done = run_cli("data", "tasks", *arguments)
        assert (done.code, find_task("mc128").note in done.stdout) == (0, True)
    told = {entry["name"]: entry for entry in json.loads(run_cli("data", "tasks", "--json").stdout)["tasks"]}
    assert (told["mc16"]["labels_count"], told["mc16"]["classes_count"]) == (16, 224)
    assert (told["fgbg"]["classes_count"], told["fgbg"]["published"]["test"]) == (None, 8316)
    assert told["mc128"]["note"] == find_task("mc128").note


def test_the_command_shows_a_map(run_cli: RunCli, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text('[labels]\ncat = "Abyssinian, Bengal"\nother = "*"\n[coco]\ncat = 17\n')
    lines = [line.split(maxsplit=4) for line in run_cli("data", "tasks", tmp_path / "mine.toml").stdout.splitlines()]
    assert lines[-2:] == [["1", "cat", "17", "2", "Abyssinian, Bengal"], ["2", "other", "-", "-", "every other class"]]
    told = json.loads(run_cli("data", "tasks", tmp_path / "mine.toml", "--json").stdout)
    assert told["labels"] == {"Abyssinian": 1, "Bengal": 1, "*": 2}
    assert "every class" in run_cli("data", "tasks", "fgbg").stdout
    assert "404 airliner" in run_cli("data", "tasks", "mc16").stdout
    assert run_cli("data", "tasks", "mc17").code == 2
