import math

import numpy as np
import pytest
from scipy.linalg import sqrtm

from bdgan_cli.analysis.distances import frechet_distance, kernel_distance, unbiased_mmd


def features(count, dimensions, seed=0, shift=0.0):
    """Correlated features, as a network's are."""
    stream = np.random.default_rng([seed, count, dimensions])
    mixing = np.random.default_rng(dimensions).standard_normal((dimensions, dimensions)) / dimensions**0.5
    return stream.standard_normal((count, dimensions)) @ mixing * (1 + 0.3 * seed) + shift


def root(values):
    """Roots of eigenvalues; those of a singular matrix are noise around 0, whose roots would be far larger."""
    return np.sqrt(np.where(values > 1e-12 * values.max(), values, 0))


def fid_by_formula(one, two):
    """The textbook: covariances, and the root of S1 as V sqrt(w) V^T around S2."""
    s1, s2 = np.cov(one, rowvar=False), np.cov(two, rowvar=False)
    values, vectors = np.linalg.eigh(s1)
    half = vectors @ np.diag(root(values)) @ vectors.T
    inner = root(np.linalg.eigvalsh(half @ s2 @ half)).sum()
    return np.square(one.mean(0) - two.mean(0)).sum() + np.trace(s1) + np.trace(s2) - 2 * inner


def mmd_by_loops(one, two):
    def k(x, y):
        return (float(x @ y) / len(x) + 1) ** 3

    n, m = len(one), len(two)
    own = [sum(k(s[i], s[j]) for i in range(len(s)) for j in range(len(s)) if i != j) for s in (one, two)]
    between = sum(k(x, y) for x in one for y in two)
    return own[0] / (n * (n - 1)) + own[1] / (m * (m - 1)) - 2 * between / (n * m)


@pytest.mark.parametrize(("n", "m", "d"), [(200, 300, 8), (500, 90, 40), (20, 30, 64), (300, 20, 64), (2, 2, 3)])
def test_fid_is_the_formula(n, m, d):
    one, two = features(n, d), features(m, d, seed=1, shift=0.2)
    found = frechet_distance(one, two)
    assert found == pytest.approx(fid_by_formula(one, two), abs=1e-6)
    assert frechet_distance(two, one) == pytest.approx(found, rel=1e-12)


def test_fid_is_the_formula_with_a_matrix_root():
    one, two = features(300, 12), features(300, 12, seed=1)
    product = sqrtm(np.cov(one, rowvar=False) @ np.cov(two, rowvar=False)).real
    traces = np.trace(np.cov(one, rowvar=False)) + np.trace(np.cov(two, rowvar=False)) - 2 * np.trace(product)
    shift = np.square(one.mean(0) - two.mean(0)).sum()
    assert frechet_distance(one, two) == pytest.approx(shift + traces, abs=1e-9)


@pytest.mark.parametrize(("n", "d"), [(100, 8), (20, 64)])
def test_fid_of_a_set_and_itself_is_zero_in_any_order(n, d):
    one = features(n, d).astype(np.float32)
    assert frechet_distance(one, one) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, one[::-1]) == pytest.approx(0, abs=1e-9)
    assert frechet_distance(one, one) >= 0


def test_fid_of_a_shifted_set_is_the_shift_squared_and_in_one_dimension_it_is_known():
    one = features(50, 6)
    assert frechet_distance(one, one + 0.5) == pytest.approx(6 * 0.25)
    line, wide = features(50, 1), 3 * features(40, 1, seed=2)
    expected = (line.mean() - wide.mean()) ** 2 + (line.std(ddof=1) - wide.std(ddof=1)) ** 2
    assert frechet_distance(line, wide) == pytest.approx(expected)


@pytest.mark.parametrize("counts", [(0, 5), (1, 5), (5, 1)])
def test_fid_of_too_few_samples_is_not_a_number(counts):
    assert math.isnan(frechet_distance(*(features(count, 4) for count in counts)))


def test_mmd_is_the_double_sum():
    one, two = features(9, 5), features(7, 5, seed=1, shift=0.3)
    assert unbiased_mmd(one, two) == pytest.approx(mmd_by_loops(one, two), rel=1e-12)


def test_kid_is_the_mean_over_the_subsets_of_the_seed():
    one, two = features(40, 5), features(30, 5, seed=1)
    found = kernel_distance(one, two, subsets=6, subset_size=10, seed=3)
    stream = np.random.default_rng(3)
    values = [
        mmd_by_loops(one[stream.choice(40, 10, replace=False)], two[stream.choice(30, 10, replace=False)])
        for _ in range(6)
    ]
    assert found.mean == pytest.approx(np.mean(values), rel=1e-9)
    assert found.std == pytest.approx(np.std(values), rel=1e-9)
    assert found == kernel_distance(one, two, subsets=6, subset_size=10, seed=3)
    assert found != kernel_distance(one, two, subsets=6, subset_size=10, seed=4)


def test_kid_has_no_bias_where_fid_has_one():
    stream = np.random.default_rng(0)
    pairs = [stream.standard_normal((2, 16, 4)) for _ in range(400)]
    values = np.array([unbiased_mmd(*pair) for pair in pairs])
    assert abs(values.mean()) < 3 * values.std() / 20
    assert np.mean([frechet_distance(*pair) for pair in pairs]) > 0.1


def test_a_subset_has_at_most_half_of_the_smaller_set():
    found = kernel_distance(features(30, 4), features(13, 4), subset_size=1000, subsets=2)
    assert (found.subset_size, found.subsets) == (6, 2)


@pytest.mark.parametrize(("counts", "subsets"), [((3, 50), 5), ((0, 0), 5), ((50, 50), 0)])
def test_kid_of_too_few_samples_is_not_a_number(counts, subsets):
    found = kernel_distance(*(features(count, 4) for count in counts), subsets=subsets)
    assert math.isnan(found.mean)
    assert math.isnan(found.std)


@pytest.mark.filterwarnings("ignore")
def test_both_agree_with_torchmetrics():
    pytest.importorskip("torchmetrics", reason="torchmetrics is not installed here")
    import torch
    from torchmetrics.image.fid import FrechetInceptionDistance
    from torchmetrics.image.kid import KernelInceptionDistance

    class Flat(torch.nn.Module):
        num_features = 12

        def forward(self, pixels):
            return pixels.flatten(1)

    one, two = features(80, 12), features(70, 12, seed=1, shift=0.1)
    fid = FrechetInceptionDistance(Flat(), input_img_size=(3, 2, 2)).set_dtype(torch.float64)
    kid = KernelInceptionDistance(Flat(), subsets=1, subset_size=70).set_dtype(torch.float64)
    for metric, taken in ((fid, (one, two)), (kid, (one[:70], two))):
        for values, real in zip(taken, (True, False), strict=True):
            metric.update(torch.from_numpy(values).view(-1, 3, 2, 2), real=real)
    assert frechet_distance(one, two) == pytest.approx(float(fid.compute()), abs=1e-6)
    assert unbiased_mmd(one[:70], two) == pytest.approx(float(kid.compute()[0]), abs=1e-6)
