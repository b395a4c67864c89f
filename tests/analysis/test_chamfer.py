from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest

from bdgan_cli.analysis import chamfer
from bdgan_cli.analysis.chamfer import (
    distance_sums,
    draw_pairs,
    mean_distance,
    pair_distances,
    pseudo_values,
    row_jobs,
)
from tests.analysis.geometry_reference import plain_chamfer


def ragged(sets):
    return np.concatenate(sets), np.array([len(each) for each in sets])


def all_sums(points, counts):
    return sum(distance_sums(points, counts, rows) for rows in row_jobs(counts))


def plain_sums(sets):
    sums = np.zeros(len(sets))
    for i, j in combinations(range(len(sets)), 2):
        distance = plain_chamfer(sets[i], sets[j])
        sums[i] += distance
        sums[j] += distance
    return sums


def random_sets(seed, count, most=40):
    stream = np.random.default_rng(seed)
    return [stream.random((int(n), 2)) for n in stream.integers(1, most, count)]


SQUARE = np.array([(0.0, 0.0), (0.0, 1.0), (1.0, 1.0), (1.0, 0.0)])
TRIANGLE = np.array([(0.0, 0.0), (0.5, 1.0), (1.0, 0.0)])


def test_by_hand():
    """Square to triangle: two corners are shared, two are 0.5 from the tip; the tip is 0.5 from either corner."""
    points, counts = ragged([SQUARE, TRIANGLE])
    assert all_sums(points, counts).tolist() == [0.75, 0.75]
    assert pair_distances(points, counts, np.array([[0, 1]])).tolist() == [0.75]
    assert mean_distance(all_sums(points, counts)) == 0.75


def test_equal_polygons_are_at_distance_zero():
    points, counts = ragged([SQUARE] * 5)
    np.testing.assert_array_equal(all_sums(points, counts), np.zeros(5))


@pytest.mark.parametrize("count", [2, 3, 40])
def test_all_pairs_as_the_plain_way(count):
    sets = random_sets(count, count)
    np.testing.assert_allclose(all_sums(*ragged(sets)), plain_sums(sets), rtol=1e-11, atol=1e-11)


def test_however_the_work_is_split(monkeypatch):
    sets = random_sets(7, 30)
    expected = plain_sums(sets)
    for tile, rows, job in ((50, 1, 1), (7, 3, 2000), (4096, 16, 100)):
        monkeypatch.setattr(chamfer, "_TILE_POINTS", tile)
        monkeypatch.setattr(chamfer, "_TILE_ROWS", rows)
        monkeypatch.setattr(chamfer, "_JOB_DISTANCES", job)
        points, counts = ragged(sets)
        jobs = list(row_jobs(counts))
        assert [row for part in jobs for row in range(part.first, part.last)] == list(range(30))
        assert len(jobs) > 1
        np.testing.assert_allclose(all_sums(points, counts), expected, rtol=1e-11)


def test_memory_does_not_grow_with_the_class():
    """One row of jobs of a class of 1,000 keeps a tile of distances, not the million of all pairs of points."""
    import tracemalloc

    points, counts = ragged(random_sets(1, 1000))
    first = next(iter(row_jobs(counts)))
    tracemalloc.start()
    distance_sums(points, counts, first._replace(last=first.first + 20))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 8 * len(points) * 64 + 4 * 8 * 4096 * 16


@pytest.mark.parametrize("batch", [1, 3000, 1 << 17])
def test_chosen_pairs_as_the_plain_way(batch, monkeypatch):
    monkeypatch.setattr(chamfer, "_BATCH_DISTANCES", batch)
    sets = random_sets(11, 25)
    pairs = np.array([(0, 1), (24, 3), (3, 24), (5, 6), (17, 2), (9, 10)])
    expected = [plain_chamfer(sets[i], sets[j]) for i, j in pairs]
    np.testing.assert_allclose(pair_distances(*ragged(sets), pairs), expected, rtol=1e-11)


@pytest.mark.parametrize("polygons", [2, 3, 10, 200])
def test_drawing_all_pairs_gives_each_once(polygons):
    total = polygons * (polygons - 1) // 2
    pairs = draw_pairs(polygons, total, np.random.default_rng(0))
    assert sorted(map(tuple, pairs.tolist())) == sorted(combinations(range(polygons), 2))


def test_pairs_of_a_huge_class():
    pairs = draw_pairs(3_000_000, 1000, np.random.default_rng(0))
    assert (pairs[:, 0] < pairs[:, 1]).all()
    assert (pairs[:, 0] >= 0).all()
    assert (pairs[:, 1] < 3_000_000).all()
    assert len(np.unique(pairs, axis=0)) == 1000


def test_pairs_are_equally_likely():
    counts = np.zeros((6, 6))
    stream = np.random.default_rng(1)
    for _ in range(3000):
        for i, j in draw_pairs(6, 4, stream):
            counts[i, j] += 1
    drawn = counts[np.triu_indices(6, 1)]
    assert drawn.min() > 800 - 6 * np.sqrt(800)
    assert drawn.max() < 800 + 6 * np.sqrt(800)


@pytest.mark.parametrize("count", [3, 4, 12])
def test_pseudo_values_are_the_jackknife(count):
    sets = random_sets(13, count)
    sums = plain_sums(sets)
    without = []
    for left_out in range(count):
        rest = sets[:left_out] + sets[left_out + 1 :]
        distances = [plain_chamfer(a, b) for a, b in combinations(rest, 2)]
        without.append(sum(distances) / len(distances))
    values = pseudo_values(sums)
    np.testing.assert_allclose(values, count * mean_distance(sums) - (count - 1) * np.array(without), rtol=1e-9)
    assert values.mean() == pytest.approx(mean_distance(sums))
    jackknife = np.sqrt((count - 1) / count * ((without - np.mean(without)) ** 2).sum())
    assert values.std(ddof=1) / np.sqrt(count) == pytest.approx(jackknife)


@pytest.mark.parametrize("count", [0, 1, 2])
def test_too_few_for_an_error(count):
    values = pseudo_values(np.ones(count))
    assert len(values) == count
    assert np.isnan(values).all()
    assert np.isnan(mean_distance(np.ones(count))) == (count < 2)
