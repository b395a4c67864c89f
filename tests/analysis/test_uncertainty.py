import math
from itertools import pairwise

import numpy as np
import pytest

from bdgan_cli.analysis.uncertainty import (
    QUANTILES,
    describe,
    describe_classes,
    extremes,
    rows_by_class,
    shared_edges,
)

NAN = math.nan


def plain_quantile(values, share):
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    low = math.floor(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (place - low) * (ordered[high] - ordered[low])


def test_a_distribution_is_what_plain_loops_find():
    values = np.random.default_rng(0).gamma(2, 0.1, 57)
    with_gaps = np.concatenate([values, [NAN, NAN, math.inf]])
    edges = shared_edges([with_gaps], bins=7)
    found = describe(with_gaps, edges)
    assert (found.scored, found.missing) == (57, 3)
    assert found.mean == pytest.approx(sum(values) / 57)
    assert found.std == pytest.approx((sum((v - found.mean) ** 2 for v in values) / 56) ** 0.5)
    assert found.quantiles == pytest.approx([plain_quantile(values, share) for share in QUANTILES])
    assert (found.median, found.high) == (found.quantiles[3], found.quantiles[5])
    expected = [sum(a <= v < b for v in values) for a, b in pairwise(edges)]
    expected[-1] += 1  # the largest value is the last edge
    assert list(found.histogram) == expected
    assert sum(found.histogram) == found.scored
    assert found.to_json()["quantiles"]["0.5"] == found.median


def test_each_class_is_described_by_itself():
    values = np.array([1.0, 5.0, 3.0, NAN, NAN, 2.0])
    ids = np.array([7, 2, 7, 2, 4, 7])
    found = describe_classes(values, ids, np.array([0.0, 2.5, 5.0]))
    assert list(found) == [2, 4, 7]
    assert [(of.scored, of.missing) for of in found.values()] == [(1, 1), (0, 1), (3, 0)]
    assert [of.histogram for of in found.values()] == [(0, 1), (0, 0), (2, 1)]
    assert found[7].median == 2
    assert math.isnan(found[4].mean)
    assert math.isnan(found[2].std)


def test_rows_of_classes_cover_all_rows_in_order():
    ids = np.random.default_rng(1).integers(0, 9, 200)
    found = dict(rows_by_class(ids))
    assert list(found) == sorted(set(ids.tolist()))
    assert all(rows.tolist() == [i for i, of in enumerate(ids) if of == class_id] for class_id, rows in found.items())
    assert list(rows_by_class(np.zeros(0, np.int64))) == []


@pytest.mark.parametrize("columns", [[], [np.array([NAN])], [np.zeros(0)], [np.full(3, 0.25)]])
def test_edges_always_rise(columns):
    edges = shared_edges(columns, bins=4)
    assert len(edges) == 5
    assert (np.diff(edges) > 0).all()


def test_edges_span_all_columns():
    edges = shared_edges([np.array([2.0, NAN]), np.array([-1.0, 0.5])])
    assert (edges[0], edges[-1], len(edges)) == (-1, 2, 21)


@pytest.mark.parametrize(
    ("values", "count", "worst", "best"),
    [
        ([0.1, 0.9, NAN, 0.9, 0.0], 2, [1, 3], [4, 0]),
        ([0.5, 0.5], 5, [0, 1], [0, 1]),
        ([NAN], 3, [], []),
        ([], 3, [], []),
        ([1.0, 2.0], 0, [], []),
    ],
)
def test_extremes_are_finite_and_ties_go_to_the_earlier(values, count, worst, best):
    assert extremes(np.array(values), count) == (worst, best)
