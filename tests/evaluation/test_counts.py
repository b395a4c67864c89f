"""Mean IoU against a count by plain loops, on random and on degenerate predictions."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest

from bdgan_cli.evaluation.counts import Counts, bootstrap_interval, count_pixels, join
from bdgan_cli.evaluation.views import IGNORED, as_labels


class Case(NamedTuple):
    predicted: list[np.ndarray]
    truth: list[np.ndarray]
    labels: int


def random_case(labels, pictures=3, ignored=0.2, seed=0, side=9):
    rng = np.random.default_rng(seed)
    truth = [rng.integers(0, labels, (side, side + 2)).astype(np.int16) for _ in range(pictures)]
    guess = [np.where(rng.random(t.shape) < 0.6, t, rng.integers(0, labels, t.shape)) for t in truth]
    for mask in truth:
        mask[rng.random(mask.shape) < ignored] = IGNORED
    return Case(guess, truth, labels)


def constant(value, count=2):
    return [np.full((4, 5), value, np.int16) for _ in range(count)]


def wide_case():
    """A task with more than 254 labels: 255 is a label, and the file's ignore is 65535."""
    case = random_case(300, seed=7, side=40)
    files = [np.where(mask == IGNORED, 65535, mask).astype(np.uint16) for mask in case.truth]
    files[0][:5] = 255
    case.predicted[0][:3] = 255
    return Case(case.predicted, [as_labels(mask) for mask in files], 300)


CASES = {
    "random": random_case(5),
    "nothing ignored": random_case(4, ignored=0.0, seed=1),
    "two labels": random_case(2, seed=2),
    "absent classes": Case(random_case(3, seed=3).predicted, random_case(3, seed=3).truth, 8),
    "predicted but never there": Case(constant(3), constant(1), 5),
    "there but never predicted": Case([np.zeros((9, 11), np.int16)] * 2, random_case(4, 2, seed=4).truth, 4),
    "empty masks": Case(random_case(4, 2, seed=5).predicted, [np.zeros((9, 11), np.int16)] * 2, 4),
    "empty masks, nothing predicted": Case(constant(0), constant(0), 4),
    "one label only": Case(constant(1), constant(1), 3),
    "one picture all ignored": Case([*constant(1, 1), *constant(2, 1)], [*constant(IGNORED, 1), *constant(2, 1)], 4),
    "all ignored": Case(constant(1), constant(IGNORED), 3),
    "uint16 with label 255": wide_case(),
}


def counted(case):
    return join([count_pixels(p, t, case.labels) for p, t in zip(case.predicted, case.truth, strict=True)])


def by_hand(predicted, truth, labels):
    """IoU of each label over some pictures, None where a label never occurs."""
    common, union = [0] * labels, [0] * labels
    for guesses, masks in zip(predicted, truth, strict=True):
        for guess, mask in zip(guesses.ravel().tolist(), masks.ravel().tolist(), strict=True):
            if mask == IGNORED:
                continue
            if guess == mask:
                common[guess] += 1
                union[guess] += 1
            else:
                union[guess] += 1
                union[mask] += 1
    return [c / u if u else None for c, u in zip(common, union, strict=True)]


def mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else math.nan


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_mean_iou_is_that_of_a_count_by_hand(case):
    counts, expected = counted(case), by_hand(*case)
    assert counts.mean_iou() == pytest.approx(mean(expected), abs=1e-12, nan_ok=True)
    told = [math.nan if value is None else value for value in expected]
    assert counts.iou_by_label().tolist() == pytest.approx(told, abs=1e-12, nan_ok=True)
    each = [mean(by_hand([p], [t], case.labels)) for p, t in zip(case.predicted, case.truth, strict=True)]
    assert counts.mean_iou_by_picture().tolist() == pytest.approx(each, abs=1e-12, nan_ok=True)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES.keys())
def test_the_confusion_matrix_holds_every_judged_pixel_once(case):
    counts = counted(case)
    expected = np.zeros((case.labels, case.labels), int)
    for guesses, masks in zip(case.predicted, case.truth, strict=True):
        for guess, mask in zip(guesses.ravel().tolist(), masks.ravel().tolist(), strict=True):
            if mask != IGNORED:
                expected[mask, guess] += 1
    assert np.array_equal(counts.confusion_KK, expected)
    assert np.array_equal(counts.masked_NK.sum(0), expected.sum(1))
    assert np.array_equal(counts.predicted_NK.sum(0), expected.sum(0))
    assert np.array_equal(counts.common_NK.sum(0), np.diag(expected))


def test_degenerate_cases_say_what_the_docs_say():
    assert math.isnan(counted(CASES["all ignored"]).mean_iou())
    assert counted(CASES["one label only"]).mean_iou() == 1
    assert counted(CASES["empty masks, nothing predicted"]).mean_iou() == 1
    assert counted(CASES["predicted but never there"]).mean_iou() == 0
    wide = counted(CASES["uint16 with label 255"])
    assert wide.masked_NK[0, 255] >= 5 * 42
    assert wide.common_NK[0, 255] >= 3 * 42


def test_counts_of_pictures_are_joined_in_order():
    case = random_case(4, pictures=5, seed=9)
    parts = [count_pixels(p, t, 4) for p, t in zip(case.predicted, case.truth, strict=True)]
    assert all(part.common_NK.shape == (1, 4) for part in parts)
    whole = join([join(parts[:2]), join(parts[2:])])
    for place, part in enumerate(parts):
        assert np.array_equal(whole.masked_NK[place], part.masked_NK[0])
        assert np.array_equal(whole.union_NK[place], part.union_NK[0])


def example_runs(pictures, runs=2):
    return [counted(random_case(3, pictures, seed=100 + run)) for run in range(runs)]


@pytest.mark.parametrize("pictures", [2, 10, 60])
def test_the_interval_holds_the_mean(pictures):
    runs = example_runs(pictures)
    low, high = bootstrap_interval(runs)
    assert 0 <= low < np.mean([run.mean_iou() for run in runs]) < high <= 1


def test_the_interval_shrinks_with_more_pictures():
    """Four times the same pictures: half the width, as for any mean."""
    runs = example_runs(12)
    narrow, wide = (np.diff(bootstrap_interval([join([run] * times) for run in runs]))[0] for times in (4, 1))
    assert narrow == pytest.approx(wide / 2, rel=0.15)


def test_the_interval_widens_with_its_level_and_is_seeded():
    runs = example_runs(8)
    wide, narrow = bootstrap_interval(runs, level=0.99), bootstrap_interval(runs, level=0.5)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]
    assert bootstrap_interval(runs, seed=1) == bootstrap_interval(runs, seed=1)
    assert bootstrap_interval(runs, seed=1) != bootstrap_interval(runs, seed=2)


def test_the_interval_is_that_of_drawing_pictures_by_hand():
    """The same statistic by another way: pictures drawn one by one, counts added, mean over labels and runs."""
    runs, rng, means = example_runs(12), np.random.default_rng(5), []
    for _ in range(2000):
        rows = rng.integers(0, 12, 12)
        scores = []
        for run in runs:
            common, union = run.common_NK[rows].sum(0), run.union_NK[rows].sum(0)
            scores.append(np.mean(common[union > 0] / union[union > 0]))
        means.append(np.mean(scores))
    assert bootstrap_interval(runs) == pytest.approx(np.quantile(means, [0.025, 0.975]), abs=0.01)


def test_one_picture_gives_an_interval_of_no_width():
    runs = example_runs(1)
    assert bootstrap_interval(runs) == pytest.approx([np.mean([run.mean_iou() for run in runs])] * 2)


def test_labels_that_a_resample_misses_are_left_out_of_its_mean():
    """Label 1 is in one picture of two, all wrong: a draw of the other picture alone has a mean of 1."""
    confusion = np.zeros((2, 2), np.int64)
    counts = Counts(np.array([[4, 0], [4, 0]]), np.array([[4, 0], [8, 0]]), np.array([[4, 0], [4, 4]]), confusion)
    low, high = bootstrap_interval([counts])
    assert (low, high) == pytest.approx((0.25, 1.0))  # the wrong picture alone: (4/8 + 0) / 2


def test_pictures_all_ignored_make_no_number():
    counts = counted(CASES["all ignored"])
    assert all(math.isnan(value) for value in bootstrap_interval([counts]))
