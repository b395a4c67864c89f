import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bdgan_cli.filtering.uncertainty import (
    DEFAULT_SCORE,
    SCORES,
    ensemble_labels,
    image_scores,
    iou_score,
    js_map,
    read_votes,
)


def slow_js(logits):
    """The formula of the supplement in double precision, from probabilities."""
    x = logits.astype(np.float64)
    if x.shape[2] == 1:
        p = 1 / (1 + np.exp(-x))
        p = np.concatenate([1 - p, p], axis=2)
    else:
        p = np.exp(x - x.max(2, keepdims=True))
        p /= p.sum(2, keepdims=True)

    def entropy(q, axis):
        return -(q * np.log(np.maximum(q, 1e-300))).sum(axis)

    return entropy(p.mean(0), 1) - entropy(p, 2).mean(0)


def random_logits(members=4, samples=3, labels=1, size=8, scale=3.0, seed=0):
    return (np.random.default_rng(seed).normal(size=(members, samples, labels, size, size)) * scale).astype(np.float32)


def of_masks(masks_MHW, certainty=8.0):
    """Logits of members that see the given masks in one picture."""
    return (torch.as_tensor(np.asarray(masks_MHW), dtype=torch.float32)[:, None, None] * 2 - 1) * certainty


@pytest.mark.parametrize("labels", [1, 2, 5])
def test_js_follows_the_formula(labels):
    logits = random_logits(labels=labels)
    np.testing.assert_allclose(js_map(torch.from_numpy(logits)), slow_js(logits), atol=2e-6)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 6), st.sampled_from([1, 2, 4]), st.sampled_from([0.0, 0.1, 10.0, 1e4]), st.integers(0, 99))
def test_js_is_bounded_and_finite(members, labels, scale, seed):
    js = js_map(torch.from_numpy(random_logits(members, 2, labels, 4, scale, seed)))
    assert torch.isfinite(js).all()
    assert js.min() >= 0
    assert js.max() <= np.log(min(max(labels, 2), members)) + 1e-5


def test_one_channel_is_two_labels():
    logits = torch.from_numpy(random_logits())
    two = torch.cat([torch.zeros_like(logits), logits], dim=2)
    torch.testing.assert_close(js_map(logits), js_map(two), rtol=1e-4, atol=1e-6)
    assert torch.equal(ensemble_labels(logits), ensemble_labels(two))


def test_agreement_is_zero_and_opposition_log_two():
    same = torch.from_numpy(random_logits(members=1)).expand(5, -1, -1, -1, -1)
    assert js_map(same).max() < 1e-6
    assert js_map(of_masks([np.ones((2, 2)), np.zeros((2, 2))], 50)).numpy() == pytest.approx(np.log(2))


def test_unsure_members_that_agree_do_not_disagree():
    assert js_map(torch.zeros(4, 1, 1, 2, 2)).max() < 1e-6


def test_members_without_order():
    logits = torch.from_numpy(random_logits())
    torch.testing.assert_close(js_map(logits), js_map(logits.flip(0)), rtol=1e-4, atol=1e-6)


def test_label_is_the_mean_probability_not_the_mean_logit():
    logits = torch.tensor([6.0, -0.5, -0.5]).view(3, 1, 1, 1, 1)
    assert logits.mean() > 0
    assert logits.sigmoid().mean() > 0.5
    assert ensemble_labels(logits).item() == 1
    logits = torch.tensor([9.0, -1.5, -1.5]).view(3, 1, 1, 1, 1)
    assert logits.mean() > 0
    assert logits.sigmoid().mean() < 0.5
    assert ensemble_labels(logits).item() == 0
    assert ensemble_labels(torch.zeros(3, 1, 1, 1, 1)).item() == 0


def test_scores_follow_their_formulas():
    logits = random_logits(samples=2, size=10)
    js, votes = slow_js(logits), 1 / (1 + np.exp(-logits[:, :, 0].astype(np.float64)))
    scores = image_scores(torch.from_numpy(logits))
    assert scores.keys() == SCORES.keys()
    assert DEFAULT_SCORE in SCORES
    for n in range(2):
        label, members = votes[:, n].mean(0) > 0.5, votes[:, n] > 0.5
        ious = [(label & member).sum() / (label | member).sum() for member in members]
        expected = {
            "mean": js[n].mean(),
            "top10": np.sort(js[n].ravel())[-10:].mean(),
            "area": js[n].sum() / label.sum(),
            "iou": 1 - np.mean(ious),
        }
        for name, value in expected.items():
            assert scores[name][n].item() == pytest.approx(value, abs=1e-5), name


def square(size, side):
    mask = np.zeros((size, size))
    mask[:side, :side] = 1
    return mask


def test_iou_does_not_depend_on_the_objects_size_and_mean_does():
    small = [square(32, 8), square(32, 8), square(32, 12)]
    large = [np.kron(mask, np.ones((2, 2))) for mask in small]
    pictures = [of_masks([np.pad(m, (0, 64 - len(m))) for m in masks]) for masks in (small, large)]
    scores = image_scores(torch.cat(pictures, dim=1))
    assert scores["iou"][0].item() == pytest.approx(scores["iou"][1].item())
    assert scores["area"][0].item() == pytest.approx(scores["area"][1].item())
    assert scores["mean"][1] > 3 * scores["mean"][0]


def test_pictures_without_an_object():
    nothing = of_masks(np.zeros((3, 10, 10)))
    scores = image_scores(nothing)
    assert scores["iou"].item() == 1
    assert all(torch.isfinite(score).all() for score in scores.values())
    one_sees_it = of_masks([square(10, 3), square(10, 0), square(10, 0)])
    assert image_scores(one_sees_it)["iou"].item() == 1
    assert image_scores(one_sees_it)["area"].item() > scores["area"].item()


def test_several_labels_must_agree_in_kind():
    first, second = torch.full((1, 3, 4, 4), -9.0), torch.full((1, 3, 4, 4), -9.0)
    first[:, 1], second[:, 2] = 9, 8
    votes = read_votes(torch.stack([first, first, second]))
    assert votes.labels_NHW.unique().tolist() == [1]
    assert iou_score(votes).item() == pytest.approx(1 / 3)


def test_half_precision_logits():
    logits = torch.from_numpy(random_logits())
    torch.testing.assert_close(js_map(logits.bfloat16()), js_map(logits), rtol=0, atol=0.02)
