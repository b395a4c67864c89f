import numpy as np
import pytest
import torch
from scipy import stats

from bdgan_cli.errors import UsageError
from bdgan_cli.generators.latents import draw_normal
from bdgan_cli.interfaces import Truncation

NONE = Truncation(1.0)


def draw(class_ids, indices, seed=0, truncation=NONE, dim=16):
    return draw_normal("family", class_ids, indices, seed, truncation, dim).values


def test_a_latent_depends_on_its_name_alone():
    many = draw([0, 1, 2, 3], [10, 11, 12, 13])
    alone = draw([2], [12])
    assert torch.equal(many[2:3], alone)


@pytest.mark.parametrize("other", [{"class_ids": [1]}, {"indices": [1]}, {"seed": 1}])
def test_every_part_of_the_name_matters(other):
    base = {"class_ids": [0], "indices": [0], "seed": 0}
    assert not torch.equal(draw(**base), draw(**{**base, **other}))


def test_first_values_of_the_stream_never_change():
    # Published datasets are named by their seeds: these numbers are part of the format.
    values = draw([3], [7], seed=42, dim=4)[0]
    assert values.tolist() == pytest.approx([-0.8831220, 0.1717106, 1.6942948, -0.2111765], abs=1e-6)


def test_scale_is_a_normal_of_that_spread():
    values = draw([0] * 500, list(range(500)), truncation=Truncation(0.9)).numpy().ravel()
    assert stats.kstest(values / 0.9, "norm").pvalue > 0.01


def test_threshold_is_the_normal_conditioned_on_its_interval():
    values = draw([0] * 500, list(range(500)), truncation=Truncation(0.5, "threshold")).numpy().ravel()
    assert np.abs(values).max() <= 0.5
    assert stats.kstest(values, stats.truncnorm(-0.5, 0.5).cdf).pvalue > 0.01


@pytest.mark.parametrize(
    ("truncation", "message"),
    [
        (Truncation(0.0), "truncation 0.0, expected a number above 0"),
        (Truncation(float("nan")), "truncation nan, expected a number above 0"),
        (Truncation(9.0), "at most 4"),
        (Truncation(1.0, "clip"), "truncation mode 'clip', expected one of scale, threshold"),
    ],
)
def test_impossible_truncations_are_refused(truncation, message):
    with pytest.raises(UsageError, match=message.replace("(", r"\(")):
        draw([0], [0], truncation=truncation)
