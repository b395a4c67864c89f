"""How much the members of an ensemble disagree (supplement A.1, after DatasetGAN).

Per pixel: JS = H(mean of the members' distributions) - mean of their entropies, in nats, of *probabilities* (averaging
logits is a known mistake of older code). 0 <= JS <= min(log L, log M). A picture's score is a function in ``SCORES``.
Axis legend: M members, N samples, K output channels (1 = foreground), L >= 2 labels with background, H rows, W columns,
P = H W pixels.
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
        label_count: Labels L that there are to choose from.
    """

    js_NHW: Tensor
    labels_NHW: Tensor
    member_labels_MNHW: Tensor
    label_count: int


def read_votes(logits_MNKHW: Tensor) -> Votes:
    """Turn the members' logits into disagreement and labels.

    The ensemble's label is that of the mean probability: foreground above one half, or the likeliest of L labels.
    """
    logits = logits_MNKHW.float()
    return _binary_votes(logits.squeeze(2)) if logits.shape[2] == 1 else _many_label_votes(logits)


def _binary_votes(logits_MNHW: Tensor) -> Votes:
    """Read one foreground channel: H(p) = softplus(l) - l p, which costs a third of the general form.

    softplus(l) is max(l, 0) - log q with q = max(p, 1 - p). The logarithms of many members are that of their product:
    each q is at least one half, so the product of 64 is far from underflow.
    """
    p = logits_MNHW.sigmoid()
    q = torch.maximum(p, 1 - p)
    logs = sum(q[start : start + 64].prod(0).log_() for start in range(0, len(q), 64)) / len(q)
    positive = logits_MNHW.relu()
    members = positive.bool().view(torch.uint8)
    entropy = positive.addcmul_(logits_MNHW, p, value=-1).mean(0) - logs
    mean_p = p.mean(0)
    js = -_times_log(mean_p) - _times_log(1 - mean_p) - entropy
    # A tie is background, as "probability > 0.5" says.
    return Votes(js.clamp_min_(0), (mean_p > 0.5).to(torch.uint8), members, 2)


def _times_log(p: Tensor) -> Tensor:
    """Return p log p, 0 for p = 0; half the time of ``torch.special.entr``, which is not vectorised."""
    return p * p.clamp_min(torch.finfo(p.dtype).tiny).log()


def _many_label_votes(logits_MNKHW: Tensor) -> Votes:
    log_p = F.log_softmax(logits_MNKHW, dim=2)
    p = log_p.exp()
    mean_p = p.mean(0)
    js = (p * log_p).sum(2).mean(0) - _times_log(mean_p).sum(1)
    return Votes(js.clamp_min_(0), mean_p.argmax(1).to(torch.uint8), log_p.argmax(2).to(torch.uint8), p.shape[2])


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
    return js.topk(max(1, int(js.shape[1] * _TOP_SHARE)), dim=1, sorted=False).values.mean(1)


def area_score(votes: Votes) -> Tensor:
    """Sum of JS divided by the predicted area in pixels; areas below 1 % of the picture count as 1 %."""
    area = (votes.labels_NHW > 0).sum((1, 2))
    return votes.js_NHW.sum((1, 2)) / area.clamp_min(_LEAST_AREA_SHARE * votes.labels_NHW[0].numel())


def iou_score(votes: Votes) -> Tensor:
    """One minus the mean IoU of the members' masks with the ensemble's, in [0, 1], whatever the object's size.

    A picture in which the ensemble sees no object at all scores 1: its mask cannot be right.
    """
    members_NPM = votes.member_labels_MNHW.movedim(0, -1).flatten(1, 2)
    seen_NPM = _zero_or_one(members_NPM.bool())
    object_N1P = _zero_or_one(votes.labels_NHW.flatten(1).bool()).unsqueeze(1)
    # Pixels are counted by products of 0 and 1: exact up to 2^24 pixels, and many times faster than by reductions.
    both_N1M = object_N1P @ seen_NPM
    either_N1M = seen_NPM.sum(1, keepdim=True) + object_N1P.sum(2, keepdim=True) - both_N1M
    agreeing_N1M = both_N1M
    if votes.label_count > 2:
        ensemble_NPM = votes.labels_NHW.flatten(1).unsqueeze(2).expand_as(members_NPM).contiguous()
        agreeing_N1M = object_N1P @ _zero_or_one(members_NPM == ensemble_NPM)
    return 1 - (agreeing_N1M / either_N1M.clamp_min(1)).mean((1, 2))


def _zero_or_one(truth: Tensor) -> Tensor:
    """Turn bool into float32; by way of uint8, which is vectorised."""
    return truth.view(torch.uint8).float()


SCORES: dict[str, Callable[[Votes], Tensor]] = {
    "mean": mean_score,
    "top10": top10_score,
    "area": area_score,
    "iou": iou_score,
}
DEFAULT_SCORE = "iou"


def image_scores(logits_MNKHW: Tensor) -> dict[str, Tensor]:
    """Return every score of ``SCORES`` by name, (N,) float32 each; larger is less certain."""
    return score_votes(read_votes(logits_MNKHW))


def score_votes(votes: Votes) -> dict[str, Tensor]:
    """Return every score of ``SCORES`` by name; for callers that need the labels as well."""
    return {name: score(votes) for name, score in SCORES.items()}
