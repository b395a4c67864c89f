"""Datasets in a task's labels: what is taken, how it is relabelled, and what sources make of it; real pictures, too."""

from __future__ import annotations

import csv
import json
from collections import Counter
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.evaluation.views import IGNORED
from bdgan_cli.progress import Silent
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.tasks.task_file import parse_task
from bdgan_cli.training.order import Visit, visits
from bdgan_cli.workflows.benchmark import parts as parts_module
from bdgan_cli.workflows.benchmark.arms import Arm
from bdgan_cli.workflows.benchmark.parts import FittedSource, TrainingSource, open_part
from bdgan_cli.workflows.benchmark.study import run_study
from bdgan_cli.workflows.data import ImportConfig, import_folder
from bdgan_cli.workflows.import_coco import ImportCocoConfig, import_coco
from tests.conftest import ROOT
from tests.workflows.benchmark.sets import CARS, CATS, DOGS, PETS, SMALL, cpu, samples, study, view, write

DATA = ROOT.parent / "shared" / "data"
COCO, OXFORD = DATA / "coco", DATA / "pets"


def pixels(part):
    """Pixels by label over a part, ignored ones left out."""
    found = Counter()
    for row in range(len(part)):
        values, counts = np.unique(part.read(row)[1], return_counts=True)
        found.update(dict(zip(values.tolist(), counts.tolist(), strict=True)))
    found.pop(IGNORED, None)
    return dict(found)


def test_samples_of_the_tasks_classes_with_masks_are_taken(tmp_path):
    given = samples(9)
    given[0] = replace(given[0], mask=None)
    part = open_part(write(tmp_path / "set", given), PETS)
    assert sorted(part.dataset.keys()) == sorted(s.key for s in given if s.class_id != CARS.id and s.mask is not None)
    assert len(part) == 5
    assert part.pixels == 5 * 40 * 56


def test_masks_get_the_label_of_their_class(tmp_path):
    given = {sample.key: sample for sample in samples(9)}
    part = open_part(write(tmp_path / "set", list(given.values())), PETS)
    seen = set()
    for row, key in enumerate(part.dataset.keys()):
        image, labels = part.read(row)
        label = {CATS.id: 1, DOGS.id: 2}[given[key].class_id]
        seen.add(label)
        assert np.array_equal(image, given[key].image)
        assert labels.dtype == np.int16
        assert np.array_equal(labels == label, given[key].mask == 1)
        assert np.array_equal(labels == IGNORED, given[key].mask == 255)
    assert seen == {1, 2}


def test_label_255_of_a_wide_task_is_a_label_and_its_ignore_is_not(tmp_path):
    names = ("background", *(f"thing {label}" for label in range(1, 301)))
    task = parse_task("[labels]\n" + "\n".join(f'"{name}" = "{name}"' for name in names[1:]), "wide", "wide.toml")
    given = samples(300, labels=301, wide=True, size=(4, 6))
    part = open_part(write(tmp_path / "set", given, names=names), task)
    rows = {key: row for row, key in enumerate(part.dataset.keys())}
    for index in (0, 253, 254, 255, 299):
        labels = part.read(rows[given[index].key])[1]
        assert np.array_equal(labels == index + 1, given[index].mask == index + 1)
        assert np.array_equal(labels == IGNORED, given[index].mask == 65535)
        assert (labels == index + 1).any()


def test_a_set_without_masks_or_classes_of_the_task_is_an_error(tmp_path):
    bare = write(tmp_path / "bare", [replace(sample, mask=None) for sample in samples(3)], kind="unlabelled")
    with pytest.raises(
        DataError, match="no labelled sample for task pets: 3 samples, 0 with a mask, 2 of the"
    ) as caught:
        open_part(bare, PETS)
    assert caught.value.hint == "what the task needs: bdgan data tasks pets"
    cars = write(tmp_path / "cars", samples(2, classes=(CARS,)), classes=(CARS,))
    with pytest.raises(UsageError, match="expected classes or labels of task pets"):
        open_part(cars, PETS)


def test_a_part_goes_without_some_rows(sets):
    part = open_part(sets["annotated"], PETS)
    rest = part.without([0, 3])
    keys = part.dataset.keys()
    assert rest.dataset.keys() == [key for row, key in enumerate(keys) if row not in (0, 3)]
    assert np.array_equal(rest.read(0)[0], part.read(1)[0])
    assert part.without([]) is part


def test_identity_is_of_content_and_labels_not_of_names(tmp_path):
    def identity(name, given, task=PETS, **more):
        return open_part(write(tmp_path / name, given, **more), task).identity

    given = samples(4, classes=(CATS, DOGS))
    plain = identity("a", given)
    assert identity("b", given) == plain
    blacked = given[0].image.copy()
    blacked[0, 0] ^= 1
    turned = given[0].mask.copy()
    turned[0, 0] ^= 1
    swapped = [replace(sample, class_id={3: 5, 5: 3}[sample.class_id]) for sample in given]
    other_task = parse_task('[labels]\nhound = "dog"\npuss = "cat"', "pets", "pets.toml")
    others = [
        identity("picture", [replace(given[0], image=blacked), *given[1:]]),
        identity("mask", [replace(given[0], mask=turned), *given[1:]]),
        identity("fewer", given[:3]),
        identity("class", swapped),
        identity("task", given, other_task),
    ]
    assert all(other != plain for other in others)


@pytest.fixture
def joined(sets):
    parts = [open_part(sets[name], PETS) for name in ("annotated", "synthetic")]
    return parts, TrainingSource(parts, SMALL, seed=0)


def test_a_source_holds_all_parts_one_after_another(joined):
    parts, _ = joined
    whole = TrainingSource(parts, replace(SMALL, scale=(1.0, 1.0)), seed=0)
    assert len(whole) == sum(len(part) for part in parts) == 14
    palette = [set(map(tuple, part.read(row)[0].reshape(-1, 3))) for part in parts for row in range(len(part))]
    for row in range(len(whole)):
        image, labels = whole.load(Visit(0, row))
        assert image.shape == (3, 32, 32)
        assert image.dtype == torch.uint8
        assert labels.dtype == torch.int16
        # The object keeps its own colour in the view, which no other picture has.
        inside = image.permute(1, 2, 0)[labels > 0].tolist()
        common = Counter(map(tuple, inside)).most_common(1)[0][0]
        assert [place for place, colours in enumerate(palette) if common in colours] == [row]


def test_views_are_functions_of_seed_epoch_and_row(joined):
    parts, source = joined
    again, other_seed = TrainingSource(parts, SMALL, seed=0), TrainingSource(parts, SMALL, seed=1)
    later = [source.load(Visit(1, row)) for row in reversed(range(14))][::-1]
    for row in range(14):
        first, same = source.load(Visit(0, row)), again.load(Visit(0, row))
        assert all(torch.equal(a, b) for a, b in zip(first, same, strict=True))
        assert not torch.equal(first[0], later[row][0])
        assert not torch.equal(first[0], other_seed.load(Visit(0, row))[0])


def test_each_sample_is_seen_once_an_epoch(joined):
    _, source = joined
    seen = [visit for step in range(7) for visit in visits(len(source), 4, step, seed=3)]
    for epoch in range(2):
        assert sorted(visit.row for visit in seen if visit.epoch == epoch) == list(range(14))


def test_what_is_kept_in_memory_is_what_would_be_read(joined, monkeypatch):
    parts, kept = joined
    monkeypatch.setattr(parts_module, "KEPT_BYTES", 0)
    read = TrainingSource(parts, SMALL, seed=0)
    assert (kept.is_kept, read.is_kept) == (True, False)
    for _ in range(2):
        for row in (0, 13, 6):
            views = kept.load(Visit(0, row)), read.load(Visit(0, row))
            assert all(torch.equal(a, b) for a, b in zip(*views, strict=True))


def test_nothing_to_learn_from_is_an_error():
    with pytest.raises(UsageError, match="there is no sample to learn from"):
        TrainingSource([], SMALL, seed=0)


def test_a_fitted_source_shows_whole_pictures(sets):
    part = open_part(sets["real"], PETS)
    image, labels = FittedSource(part, 56).load(Visit(0, 2))
    original, truth = part.read(2)
    assert torch.equal(image[:, 8:48], torch.from_numpy(original.transpose(2, 0, 1)))
    assert np.array_equal(labels[8:48].numpy(), truth)
    assert (labels[:8] == IGNORED).all()
    assert (labels[48:] == IGNORED).all()


def trained_at_smoke_size(folder, task, train, test):
    """Train three steps and test; return what the test counted, and the counts by another way at the same size."""
    recipe = Recipe("lraspp-tiny", size_px=64, batch=4, steps=3, learning_rate=0.05)
    planned = study(folder, [Arm("off", "", (train,))], test, recipe=recipe, task=task)
    records, tests = run_study(planned, cpu(), Silent(), workers=0)
    counts = records[0].runs[0].tested["real"].counts
    source, by_label = FittedSource(tests["real"], 64), Counter()
    for row in range(len(source)):
        by_label.update(source.load(Visit(0, row))[1].flatten().tolist())
    assert np.isfinite(records[0].runs[0].figures["loss"])
    assert {label: int(n) for label, n in enumerate(counts.masked_NK.sum(0)) if n} == {
        label: n for label, n in by_label.items() if label != IGNORED
    }
    return records[0]


@pytest.mark.skipif(not OXFORD.is_dir(), reason="needs ../shared/data/pets")
def test_pets_run_with_a_users_task(tmp_path):
    file = tmp_path / "species.toml"
    file.write_text('[labels]\ncat = "Abyssinian, Bengal"\ndog = "american_bulldog"\n')
    task = find_task(str(file))
    root = str(import_folder(ImportConfig(OXFORD, tmp_path / "pets")).root)
    expected, few = Counter(), {"train": [], "test": []}
    with (OXFORD / "index.csv").open() as stream:
        for place, entry in enumerate(csv.DictReader(stream)):
            mask = cv2.imread(str(OXFORD / "masks" / f"{entry['id']}.png"), cv2.IMREAD_UNCHANGED)
            label = {"cat": 1, "dog": 2}[entry["species"]]
            expected.update({0: int((mask == 0).sum()), label: int((mask == 1).sum())})
            if place % 10 == 0:
                few[entry["split"]].append(entry["id"])
    part = open_part(root, task)
    assert len(part) == 120
    assert pixels(part) == dict(expected)
    record = trained_at_smoke_size(tmp_path / "study", task, *(view(root, name, few[name]) for name in few))
    assert record.samples == len(few["train"]) == 6
    assert record.leaks["real"].count == 0


@pytest.mark.skipif(not COCO.is_dir(), reason="needs ../shared/data/coco")
@pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # pycocotools with NumPy 2
def test_coco_mc16_runs_with_the_pixels_that_pycocotools_counts(tmp_path):
    """Some pictures of the real file; all of them are counted in the import's own test."""
    from tests.workflows.test_import_coco_task import counts_by_pycocotools

    whole = json.loads((COCO / "annotations" / "instances_val2017.json").read_text())
    images = whole["images"][:24]
    ids = {image["id"] for image in images}
    annotations, task = tmp_path / "some.json", find_task("mc16")
    rest = {"images": images, "annotations": [a for a in whole["annotations"] if a["image_id"] in ids]}
    annotations.write_text(json.dumps({**whole, **rest}))
    root = str(import_coco(ImportCocoConfig(annotations, COCO / "val2017", tmp_path / "val", task="mc16")).root)
    part, (pictures, expected) = open_part(root, task), counts_by_pycocotools(annotations)
    assert len(part) == pictures
    assert pixels(part) == {label: count for label, count in expected.items() if label != 255}
    keys = part.dataset.keys()
    train, test = view(root, "train", keys[:6]), view(root, "test", keys[-8:])
    record = trained_at_smoke_size(tmp_path / "study", task, train, test)
    counts = record.runs[0].tested["real"].counts
    assert counts.confusion_KK.shape == (16, 16)
    assert (counts.masked_NK.sum(0)[1:] > 0).sum() >= 2
    assert np.isnan(counts.iou_by_label()).any()  # labels that occur nowhere have no number
