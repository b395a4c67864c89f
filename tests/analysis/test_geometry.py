from __future__ import annotations

import math

import numpy as np
import pytest

from bdgan_cli.analysis import chamfer
from bdgan_cli.analysis.geometry import FIGURES, Measured, diversity, diversity_work, mask_figures, summarise
from bdgan_cli.analysis.polygons import outline, simplified_polygons
from bdgan_cli.dataset.masks import object_pixels
from tests.analysis.geometry_reference import plain_diversity, plain_figures
from tests.analysis.geometry_shapes import blob, coco_masks, noise, pet_masks


class Counter:
    """A task that adds up."""

    def __init__(self):
        self.done = 0

    def advance(self, amount=1, **figures):
        self.done += amount


def measured(masks, class_ids):
    found = [outline(object_pixels(mask)) for mask in masks]
    facts = np.array([(each.components, each.area_px, *each.box_hw) for each in found]).reshape(-1, 4).T
    polygons = simplified_polygons([each.contour for each in found])
    areas = np.array([mask.size for mask in masks], np.int64)
    return Measured(np.array(class_ids, np.int64), mask_figures(facts, areas, polygons), polygons)


def blobs(seed, count):
    stream = np.random.default_rng(seed)
    return [blob(stream) for _ in range(count)]


def noises(seed, count):
    stream = np.random.default_rng(seed)
    return [noise(stream) for _ in range(count)]


SOURCES = {"blobs": lambda: blobs(0, 30), "noise": lambda: noises(1, 20), "pets": pet_masks, "coco": coco_masks}


@pytest.mark.parametrize("source", SOURCES)
def test_all_seven_figures_as_the_plain_way(source):
    masks = [mask for mask in SOURCES[source]() if object_pixels(mask).sum() >= 100]
    assert len(masks) > 15
    class_ids = [*sorted(number % 4 for number in range(len(masks) - 1)), 9]  # class 9 has one mask
    plain = [plain_figures(mask) for mask in masks]
    by_class = {}
    for class_id, (_, points) in zip(class_ids, plain, strict=True):
        by_class.setdefault(class_id, []).append(points)
    means = plain_diversity(by_class)

    of_masks, task = measured(masks, class_ids), Counter()
    np.testing.assert_allclose(of_masks.values_MN, np.transpose([figures for figures, _ in plain]), rtol=1e-11)
    found = diversity(of_masks, 0, task, workers=1)
    assert task.done == diversity_work(of_masks.class_ids)
    assert {c: entry.mean for c, entry in found.items() if c != 9} == pytest.approx(means, rel=1e-9)
    assert math.isnan(found[9].mean)

    geometry = summarise(of_masks, found, sorted(by_class), 0)
    for place, name in enumerate(FIGURES[:6]):
        values = [figures[place] for figures, _ in plain]
        assert geometry.overall[name].value == pytest.approx(np.mean(values))
        assert geometry.overall[name].se == pytest.approx(np.std(values, ddof=1) / math.sqrt(len(values)))
    assert geometry.overall["SD"].value == pytest.approx(np.mean(list(means.values())), rel=1e-9)
    assert geometry.overall["SD"].n == len(means) == 4
    assert geometry.per_class[0]["SD"].value == pytest.approx(means[0], rel=1e-9)
    assert geometry.per_class[9]["SD"] == pytest.approx((math.nan,) * 4 + (1,), nan_ok=True)


def test_ignored_pixels_are_no_object():
    mask = np.zeros((30, 30), np.uint8)
    mask[5:15, 5:15] = 1
    mask[5:15, 15:25] = 255
    values = measured([mask], [0]).values_MN[:, 0]
    np.testing.assert_allclose(values, [1, 100 / 900, 100 / 900, 1, 4, 4])


def test_any_label_is_object():
    mask = np.zeros((30, 30), np.uint16)
    mask[5:15, 5:15] = 7
    mask[5:15, 15:25] = 300
    np.testing.assert_allclose(measured([mask], [0]).values_MN[:, 0], [1, 200 / 900, 200 / 900, 1, 4, 4])


def test_threads_change_nothing(monkeypatch):
    monkeypatch.setattr(chamfer, "_JOB_DISTANCES", 5000)
    of_masks = measured(blobs(2, 40), [0] * 25 + [1] * 15)
    one, two = (diversity(of_masks, 0, Counter(), workers=workers) for workers in (1, 2))
    for class_id, entry in one.items():
        assert entry.mean == two[class_id].mean
        np.testing.assert_array_equal(entry.values, two[class_id].values)


def test_two_masks_have_a_distance_without_error():
    of_masks = measured(blobs(3, 2), [4, 4])
    found = summarise(of_masks, diversity(of_masks, 0, Counter()), [4], 0)
    assert found.per_class[4]["SD"].value > 0
    assert math.isnan(found.per_class[4]["SD"].se)
    assert found.overall["SD"].value == found.per_class[4]["SD"].value


def test_nothing_at_all():
    of_masks = measured([], [])
    found = summarise(of_masks, diversity(of_masks, 0, Counter()), [3], 0)
    assert all(estimate.n == 0 and math.isnan(estimate.value) for estimate in found.overall.values())
    assert found.per_class[3]["IN"].n == 0


def test_drawn_pairs_estimate_the_mean():
    of_masks = measured(blobs(5, 60), [0] * 30 + [1] * 28 + [2] * 2)
    task = Counter()
    exact = diversity(of_masks, 0, task)
    drawn = diversity(of_masks, 0, task, pairs=150)
    assert task.done == diversity_work(of_masks.class_ids) + diversity_work(of_masks.class_ids, 150)
    assert drawn[2].mean == exact[2].mean  # one pair: fewer than asked for, so all are taken
    assert not drawn[2].sampled
    for class_id in (0, 1):
        assert drawn[class_id].sampled
        assert 0 < abs(drawn[class_id].mean - exact[class_id].mean) < 4 * drawn[class_id].pair_se
    found = summarise(of_masks, drawn, [0, 1, 2], 0)
    assert found.sampled
    assert found.pair_se == pytest.approx(math.hypot(drawn[0].pair_se, drawn[1].pair_se) / 3)
    assert found.per_class[0]["SD"].n == 150


def test_the_error_of_drawn_pairs_is_as_said():
    of_masks = measured(blobs(6, 30), [0] * 30)
    exact = diversity(of_masks, 0, Counter())[0].mean
    drawn = [diversity(of_masks, seed, Counter(), pairs=200, workers=1)[0] for seed in range(150)]
    spread = np.sqrt(np.mean([(entry.mean - exact) ** 2 for entry in drawn]))
    assert np.mean([entry.pair_se for entry in drawn]) == pytest.approx(spread, rel=0.2)
