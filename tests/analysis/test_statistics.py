from __future__ import annotations

import math

import numpy as np
import pytest

from bdgan_cli.analysis import statistics
from bdgan_cli.analysis.statistics import bootstrap_means, estimates


def test_mean_and_standard_error():
    values = np.array([[1.0, 2.0, 4.0, 9.0], [5.0, 5.0, 5.0, 5.0]])
    first, second = estimates(values, (0,))
    assert first.value == 4.0
    assert first.se == pytest.approx(math.sqrt((9 + 4 + 0 + 25) / 3) / 2)
    assert first.low < 4.0 < first.high
    assert first.n == 4
    assert second == (5.0, 0.0, 5.0, 5.0, 4)


def test_bootstrap_as_the_plain_way(monkeypatch):
    """The same draws, one after another, in blocks of any size."""
    values = np.random.default_rng(1).random((2, 30))
    for block in (30, 100, 1 << 18):
        monkeypatch.setattr(statistics, "_BLOCK", block)
        stream, expected = np.random.default_rng(4), []
        for _ in range(50):
            drawn = stream.integers(0, 30, size=30)
            expected.append([sum(row[i] for i in drawn) / 30 for row in values])
        got = bootstrap_means(values, np.random.default_rng(4), 50)
        np.testing.assert_allclose(got, np.transpose(expected), rtol=1e-12)


def test_interval_covers_the_truth_about_95_times_in_100():
    stream = np.random.default_rng(2)
    hits = 0
    for trial in range(300):
        (found,) = estimates(stream.exponential(size=(1, 80)), (trial,), 300)
        hits += found.low <= 1.0 <= found.high
    assert 0.88 <= hits / 300 <= 0.98


def test_many_values_take_the_normal_interval(monkeypatch):
    values = np.random.default_rng(3).random((1, 2000))
    (drawn,) = estimates(values, (0,), 2000)
    monkeypatch.setattr(statistics, "BOOTSTRAP_LIMIT", 1000)
    (normal,) = estimates(values, (0,), 2000)
    assert (normal.value, normal.se) == (drawn.value, drawn.se)
    assert normal.low == pytest.approx(normal.value - 1.96 * normal.se, abs=1e-5)
    assert normal.high == pytest.approx(drawn.high, abs=0.15 * normal.se)


def test_seed_names_the_draws():
    values = np.random.default_rng(3).random((1, 40))
    assert estimates(values, (5,)) == estimates(values, (5,))
    assert estimates(values, (5,)) != estimates(values, (6,))


def test_of_one_and_of_nothing():
    (one,) = estimates(np.array([[3.0]]), (0,))
    assert (one.value, one.n) == (3.0, 1)
    assert all(math.isnan(number) for number in (one.se, one.low, one.high))
    first, second = estimates(np.zeros((2, 0)), (0,))
    assert first.n == second.n == 0
    assert math.isnan(first.value)
