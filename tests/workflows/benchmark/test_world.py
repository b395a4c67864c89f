"""The embedded world: its sets are what their arms say, and a second benchmark finds what the first one made."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.progress import Silent
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.workflows.benchmark.parts import open_part
from bdgan_cli.workflows.benchmark.world import ARMS, ONLINE_SEED, World, first_of_each_class
from tests.workflows.benchmark.sets import SIZES, cpu

NAMES = ("sup", "off-1k", "off-10k", "both", "on", "unfiltered", "one-head", "rejection", "wild", "wild-filtered")


QUICK = ("sup", "off-1k", "off-10k", "on", "unfiltered")


@pytest.fixture(scope="module")
def arms(world):
    return {name: ARMS[name](world) for name in QUICK}


@pytest.fixture(scope="module")
def slow_arms(world):
    return {name: ARMS[name](world) for name in NAMES if name not in QUICK}


def sets_of(arm):
    return [open_dataset(address) for address in arm.sets]


def per_class(dataset):
    counts = set(Counter(dataset.table["class_id"].to_pylist()).values())
    assert len(counts) == 1
    return counts.pop()


def check_sizes(arm, counts):
    assert arm.title
    assert [per_class(dataset) for dataset in sets_of(arm)] == counts


def test_these_are_the_arms(arms):
    assert tuple(ARMS) == NAMES
    assert [arm.name for arm in arms.values()] == list(QUICK)
    assert [name for name, arm in arms.items() if arm.online] == ["on"]


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("sup", [SIZES.annotated]),
        ("off-1k", [SIZES.small]),  # a tenth of 4 rounds to none
        ("off-10k", [SIZES.large - 1]),
        ("unfiltered", [SIZES.large]),
    ],
)
def test_sets_have_as_many_samples_of_each_class_as_the_sizes_say(arms, name, counts):
    check_sizes(arms[name], counts)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("both", [SIZES.annotated, SIZES.large - 1]),
        ("one-head", [SIZES.large]),
        ("rejection", [SIZES.small]),
        ("wild", [SIZES.small]),
        ("wild-filtered", [SIZES.small]),
    ],
)
def test_sets_of_the_other_arms_have_their_sizes(slow_arms, name, counts):
    assert slow_arms[name].name == name
    check_sizes(slow_arms[name], counts)


def test_filtered_sets_lack_the_most_uncertain_samples(arms):
    (whole,), (kept,) = sets_of(arms["unfiltered"]), sets_of(arms["off-10k"])
    scores = np.asarray(whole.table["uncertainty"].to_numpy())
    classes = np.asarray(whole.table["class_id"].to_numpy())
    keys = np.array(whole.keys())
    expected = set()
    for class_id in np.unique(classes):
        rows = np.flatnonzero(classes == class_id)
        expected |= set(keys[rows[np.argsort(scores[rows], kind="stable")[:-1]]].tolist())
    assert set(kept.keys()) == expected


def test_the_small_set_is_the_beginning_of_the_large_one(arms):
    (small,), (large,) = sets_of(arms["off-1k"]), sets_of(arms["unfiltered"])
    assert set(small.keys()) <= set(large.keys())
    assert max(small.table["index"].to_pylist()) == SIZES.small - 1


@pytest.mark.slow
def test_arms_differ_in_what_they_compare_and_in_nothing_else(arms, slow_arms):
    large = sets_of(arms["unfiltered"])[0].info
    one, rejected, wild = (sets_of(slow_arms[name])[0].info for name in ("one-head", "rejection", "wild"))
    assert large.head.name == f"shapes-{SIZES.members}"
    assert one.head.name == "shapes-1"
    assert one.plan == large.plan
    assert rejected.head == wild.head == large.head

    def changed(info):
        return {name for name, value in info.plan.items() if large.plan[name] != value}

    assert changed(rejected) == {"reject", "classifier", "classifier_sha256", "per_class"}
    assert changed(wild) == {"truncation", "per_class"}
    assert (rejected.plan["reject"], large.plan["reject"], wild.plan["truncation"]) == (SIZES.reject, 0, 2.0)


def test_annotations_are_exact_and_of_another_stream_than_samples(arms):
    annotated, large = sets_of(arms["sup"])[0], sets_of(arms["unfiltered"])[0]
    assert (annotated.info.kind, annotated.info.plan["labels"]) == ("annotated", "exact")
    assert annotated.info.plan["seed"] != large.info.plan["seed"]
    sampling = arms["on"].online.sampling
    assert sampling.seed == ONLINE_SEED
    assert len({sampling.seed, annotated.info.plan["seed"], large.info.plan["seed"]}) == 3
    assert sampling.head == f"shapes-{SIZES.members}"


def test_no_test_picture_is_learnt_from(world, arms):
    tests = [open_dataset(world.test()), open_dataset(world.shifted()), open_dataset(world.reference(2))]
    for column in ("image_sha256", "latent_sha256"):
        hashes = [set(dataset.table[column].to_pylist()) for dataset in tests]
        assert not hashes[0] & hashes[1]
        assert not hashes[0] & hashes[2]
        for arm in arms.values():
            for dataset in sets_of(arm):
                assert not set(dataset.table[column].to_pylist()) & (hashes[0] | hashes[1])


@pytest.mark.parametrize("task", ["shapes-fgbg", "shapes-mc"])
def test_both_tasks_take_every_sample(world, arms, task):
    for address in (world.test(), *arms["sup"].sets, *arms["off-10k"].sets):
        assert len(open_part(address, find_task(task))) == len(open_dataset(address))


@pytest.mark.slow
def test_a_second_call_makes_nothing(world, arms):
    folders = [world.workspace / "datasets", world.workspace / "heads"]
    before = {p: p.stat().st_mtime_ns for f in folders for p in f.rglob("*.tar")}
    before |= {p: p.stat().st_mtime_ns for f in folders for p in f.rglob("*.safetensors")}
    for name in ("sup", "off-1k", "on"):
        assert ARMS[name](world) == arms[name]
    assert len(before) > 50
    assert all(path.stat().st_mtime_ns == time for path, time in before.items())


def test_another_world_has_names_and_streams_of_its_own(world):
    other = World(world.workspace, SIZES, 3, cpu(), Silent())
    streams = [{w.stream(number) for number in range(10)} for w in (world, other)]
    assert not streams[0] & streams[1]
    mine, theirs = open_dataset(world.test()), open_dataset(other.test())
    assert mine.root != theirs.root
    assert not set(mine.table["image_sha256"].to_pylist()) & set(theirs.table["image_sha256"].to_pylist())


def test_the_first_of_each_class_are_taken_by_their_place_in_the_index(arms):
    address = first_of_each_class(arms["unfiltered"].sets[0], 2, "two")
    dataset = open_dataset(address)
    assert sorted(set(dataset.table["index"].to_pylist())) == [0, 1]
    assert per_class(dataset) == 2
