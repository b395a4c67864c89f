"""How much the members of an ensemble disagree (supplement A.1, after DatasetGAN).

Per pixel: JS = H(mean of the members' distributions) - mean of their entropies, in nats, of *probabilities* (averaging
logits is a known mistake of older code). 0 <= JS <= min(log L, log M). A picture's score is a function in ``SCORES``.
Axis legend: M members, N samples, K output channels (1 = foreground), L >= 2 labels with background, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_TOP_SHARE = 0.10
_LEAST_AREA_SHARE = 0.01


class Votes(NamedTuple):
    """What an ensemble says about a batch.

    Attributes:
        js_NHW: Jensen-Shannon divergence per pixel, in nats.
        labels_NHW: The ensemble's labels, uint8.
        member_labels_MNHW: Each member's labels, uint8.
    """

    js_NHW: Tensor
    labels_NHW: Tensor
    member_labels_MNHW: Tensor


def read_votes(logits_MNKHW: Tensor) -> Votes:
    """Turn the members' logits into disagreement and labels.

    The ensemble's label is that of the mean probability: foreground above one half, or the likeliest of L labels.
    """
    log_p = _log_probabilities(logits_MNKHW)
    p = log_p.exp()
    mean_p = p.mean(0)
    mean_entropy = -(p * log_p).sum(2).mean(0)
    js = -torch.xlogy(mean_p, mean_p).sum(1) - mean_entropy
    # A tie is background, as "probability > 0.5" says: argmax takes the first of equals.
    return Votes(js.clamp_min_(0), mean_p.argmax(1).to(torch.uint8), log_p.argmax(2).to(torch.uint8))


def _log_probabilities(logits_MNKHW: Tensor) -> Tensor:
    """Return log-probabilities of background and labels, (M, N, L, H, W) float32; finite for any finite logit."""
    logits = logits_MNKHW.float()
    if logits.shape[2] == 1:
        return torch.cat([F.logsigmoid(-logits), F.logsigmoid(logits)], dim=2)
    return F.log_softmax(logits, dim=2)


def js_map(logits_MNKHW: Tensor) -> Tensor:
    """Return the Jensen-Shannon divergence of the members' probabilities, (N, H, W) in nats."""
    return read_votes(logits_MNKHW).js_NHW


def ensemble_labels(logits_MNKHW: Tensor) -> Tensor:
    """Return the labels of the mean probability, (N, H, W) uint8."""
    return read_votes(logits_MNKHW).labels_NHW


def mean_score(votes: Votes) -> Tensor:
    """Mean of JS over the pixels; grows with the length of the object's boundary."""
    return votes.js_NHW.mean((1, 2))


def top10_score(votes: Votes) -> Tensor:
    """Mean of JS over the 10 % most uncertain pixels, as DatasetGAN's code has it."""
    js = votes.js_NHW.flatten(1)
    return js.topk(max(1, int(js.shape[1] * _TOP_SHARE)), dim=1).values.mean(1)


def area_score(votes: Votes) -> Tensor:
    """Sum of JS divided by the predicted area in pixels; areas below 1 % of the picture count as 1 %."""
    area = (votes.labels_NHW > 0).sum((1, 2))
    return votes.js_NHW.sum((1, 2)) / area.clamp_min(_LEAST_AREA_SHARE * votes.labels_NHW[0].numel())


def iou_score(votes: Votes) -> Tensor:
    """One minus the mean IoU of each member's mask with the ensemble's, in [0, 1]; does not depend on the object's size.

    A picture in which the ensemble sees no object at all scores 1: its mask cannot be right.
    """
    ensemble, members = votes.labels_NHW, votes.member_labels_MNHW
    common = ((members == ensemble) & (ensemble > 0)).sum((2, 3))
    union = ((members > 0) | (ensemble > 0)).sum((2, 3))
    return 1 - (common / union.clamp_min(1)).mean(0)


SCORES: dict[str, Callable[[Votes], Tensor]] = {
    "mean": mean_score,
    "top10": top10_score,
    "area": area_score,
    "iou": iou_score,
}
DEFAULT_SCORE = "iou"


def image_scores(logits_MNKHW: Tensor) -> dict[str, Tensor]:
    """Return every score of ``SCORES`` by name, (N,) float32 each; larger is less certain."""
    votes = read_votes(logits_MNKHW)
    return {name: score(votes) for name, score in SCORES.items()}
