"""Losses against the textbook's formulas, pixel by pixel."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F

from bdgan_cli.evaluation.losses import pixel_losses
from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.evaluation.views import IGNORED

LABELS = 4


def example(seed=0, ignored=0.3):
    """Logits (2, 4, 5, 6) and labels with some pixels ignored."""
    stream = torch.Generator().manual_seed(seed)
    logits = 3 * torch.randn(2, LABELS, 5, 6, generator=stream)
    labels = torch.randint(0, LABELS, (2, 5, 6), generator=stream)
    labels[torch.rand(2, 5, 6, generator=stream) < ignored] = IGNORED
    return logits, labels


def focal_by_hand(logits, labels, gamma, alpha=None):
    """Sum of -a (1 - p)^gamma ln p over pixels, with Python's numbers."""
    total, count = 0.0, 0
    for n, row, column in torch.nonzero(labels != IGNORED).tolist():
        values = logits[n, :, row, column].double().tolist()
        label = int(labels[n, row, column])
        p = math.exp(values[label]) / sum(math.exp(value) for value in values)
        weight = 1.0 if alpha is None else alpha if label > 0 else 1 - alpha
        total -= weight * (1 - p) ** gamma * math.log(p)
        count += 1
    return total, count


def test_cross_entropy_is_torchs_mean_over_what_is_not_ignored():
    logits, labels = example()
    total, count = pixel_losses(logits, labels, Recipe())
    expected = F.cross_entropy(logits, labels, ignore_index=IGNORED)
    torch.testing.assert_close(total / count, expected)
    assert 0 < int(count) == int((labels >= 0).sum()) < labels.numel()


@pytest.mark.parametrize("alpha", [None, 0.25, 0.9])
@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0, 5.0])
def test_focal_loss_is_that_of_its_formula(gamma, alpha):
    logits, labels = example(seed=1)
    total, count = pixel_losses(logits, labels, Recipe(loss="focal", focal_gamma=gamma, focal_alpha=alpha))
    expected, pixels = focal_by_hand(logits, labels, gamma, alpha)
    assert float(total) == pytest.approx(expected, rel=1e-4)
    assert int(count) == pixels


def test_gamma_0_is_cross_entropy():
    logits, labels = example(seed=2)
    plain, focal = (
        pixel_losses(logits, labels, Recipe(loss=n, focal_gamma=0.0))[0] for n in ("cross-entropy", "focal")
    )
    torch.testing.assert_close(focal, plain)


@pytest.mark.parametrize("loss", ["cross-entropy", "focal"])
def test_ignored_pixels_have_no_part_in_loss_and_gradient(loss):
    logits, labels = example(seed=3)
    hidden = (labels == IGNORED)[:, None].expand_as(logits)
    other = torch.where(hidden, 100 * torch.randn(logits.shape), logits)
    recipe, gradients, totals = Recipe(loss=loss), [], []
    for values in (logits, other):
        values = values.clone().requires_grad_()
        total, _ = pixel_losses(values, labels, recipe)
        total.backward()
        gradients.append(values.grad)
        totals.append(total.detach())
    assert torch.equal(*totals)
    assert torch.equal(*gradients)
    assert not gradients[0][hidden].any()
    assert gradients[0][~hidden].any()


@pytest.mark.parametrize("loss", ["cross-entropy", "focal"])
def test_all_ignored_is_zero_and_not_nan(loss):
    logits, labels = example()
    logits.requires_grad_()
    total, count = pixel_losses(logits, torch.full_like(labels, IGNORED), Recipe(loss=loss))
    total.backward()
    assert (float(total.detach()), int(count)) == (0.0, 0)
    assert not logits.grad.any()


@pytest.mark.parametrize("gamma", [0.5, 2.0])
@pytest.mark.parametrize("scale", [60.0, 1000.0])
def test_certain_pixels_keep_loss_and_gradient_finite(gamma, scale):
    """Where the probability is 1 to the last bit, (1 - p) ** gamma has no finite slope by itself."""
    logits = scale * torch.eye(LABELS)[None, :, :, None].expand(1, LABELS, LABELS, 2).clone()
    labels = torch.arange(LABELS)[None, :, None].expand(1, LABELS, 2)
    for wanted in (labels, labels.flip(1)):
        values = logits.clone().requires_grad_()
        total, _ = pixel_losses(values, wanted, Recipe(loss="focal", focal_gamma=gamma))
        total.backward()
        assert torch.isfinite(total)
        assert torch.isfinite(values.grad).all()


def test_sums_of_parts_are_the_sum_of_the_whole():
    logits, labels = example(seed=4)
    recipe = replace(Recipe(), loss="focal")
    whole = pixel_losses(logits, labels, recipe)
    parts = [pixel_losses(logits[n : n + 1], labels[n : n + 1], recipe) for n in range(2)]
    torch.testing.assert_close(sum(part[0] for part in parts), whole[0])
    assert sum(int(part[1]) for part in parts) == int(whole[1])


def test_half_precision_logits_are_summed_in_float32():
    logits, labels = example(seed=5)
    total, _ = pixel_losses(logits.bfloat16(), labels, Recipe())
    assert total.dtype == torch.float32
    torch.testing.assert_close(total, pixel_losses(logits.bfloat16().float(), labels, Recipe())[0])
