"""Which candidates are chosen, against searches through all of them."""

from __future__ import annotations

import numpy as np
import pytest

from bdgan_cli.filtering.diversity import SELECTIONS, choose, describe_picture, farthest_points

NOTHING = np.zeros((20, 0))


def stream() -> np.random.Generator:
    return np.random.default_rng(3)


def test_each_next_point_is_the_farthest_from_all_before() -> None:
    features = stream().standard_normal((30, 4))
    chosen = farthest_points(features, 8, first=5)
    assert chosen[0] == 5
    for step in range(1, 8):
        before = features[chosen[:step]]
        away = [min(np.linalg.norm(point - other) for other in before) for point in features]
        assert away[chosen[step]] == pytest.approx(max(away))


def test_equal_points_are_chosen_once_each() -> None:
    assert sorted(farthest_points(np.zeros((4, 2)), 9, first=2)) == [0, 1, 2, 3]


def test_the_least_certain_are_chosen() -> None:
    uncertainty = stream().permutation(20) / 20
    rows = choose("uncertain", 4, uncertainty, NOTHING, stream())
    assert sorted(uncertainty[rows]) == [0.8, 0.85, 0.9, 0.95]


def test_active_takes_different_ones_of_the_uncertain() -> None:
    uncertainty = np.array([0.9, 0.89, 0.88, 0.87, 0.86, 0.85, *[0.1] * 14])
    features = np.array([[0.0], [0.1], [0.0], [5.0], [0.2], [0.1], *[[99.0]] * 14])
    assert choose("active", 2, uncertainty, features, stream()) == [0, 3]


@pytest.mark.parametrize("how", SELECTIONS)
@pytest.mark.parametrize("count", [1, 5, 20, 50])
def test_as_many_as_wanted_or_as_there_are(how: str, count: int) -> None:
    features = stream().random((20, 3))
    rows = choose(how, count, features[:, 0], features, stream())
    assert rows == sorted(set(rows))
    assert len(rows) == min(count, 20)
    assert rows == choose(how, count, features[:, 0], features, stream())


def test_a_picture_is_described_by_its_thumbnail() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[:8, 8:16, 1] = 255
    described = describe_picture(image).reshape(8, 8, 3)
    assert described[0, 1].tolist() == [0, 1, 0]
    assert described.sum() == 1
