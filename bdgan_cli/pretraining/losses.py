"""The contrastive losses: InfoNCE of whole pictures and of cells (DenseCL, arXiv:2011.09157, sections 3.2 and 3.3).

Logits against a queue of 65,536 keys would take gigabytes for the cells of a batch. Here they exist a few rows at a
time, and the gradient that they lead to is kept in their place.
Axis legend: N pictures, S cells of a picture, R rows (pictures, or cells of all pictures), C channels, D numbers of a
projection, Q keys in a queue.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

# 64 MiB of float32 logits at a time.
_LOGITS_AT_ONCE = 1 << 24


def info_nce(queries_RD: Tensor, positives_RD: Tensor, negatives_QD: Tensor, temperature: float) -> Tensor:
    """Return the mean InfoNCE loss; the key that belongs to a query competes with all negatives.

    Args:
        queries_RD: Of length 1; gradients flow into them alone.
        positives_RD: Of length 1: the key of each query.
        negatives_QD: Of length 1: keys of other pictures.
        temperature: Divides cosine similarities.
    """
    queries_RD = queries_RD.float()
    positive_R = (queries_RD * positives_RD.detach().float()).sum(1) / temperature
    negative_R: Tensor = _LogSumExp.apply(queries_RD, negatives_QD, temperature)
    return (torch.logaddexp(positive_R, negative_R) - positive_R).mean()


def dense_info_nce(queries_NDS: Tensor, positives_NDS: Tensor, negatives_QD: Tensor, temperature: float) -> Tensor:
    """Return InfoNCE over the cells of all pictures; a cell's positive stands at its own place in ``positives_NDS``."""
    return info_nce(as_rows(queries_NDS), as_rows(positives_NDS), negatives_QD, temperature)


def as_rows(values_NDS: Tensor) -> Tensor:
    """Turn cells of pictures into (N * S, D) rows."""
    return values_NDS.transpose(1, 2).flatten(0, 1)


@torch.no_grad()
def match_cells(query_NCS: Tensor, key_NCS: Tensor) -> Tensor:
    """Return for each cell of one view the cell of the other view whose backbone features point most alike.

    Returns:
        (N, S) int64 numbers of key cells: the highest cosine similarity, the first of equal ones.
    """
    query_NCS, key_NCS = (functional.normalize(values.float(), dim=1) for values in (query_NCS, key_NCS))
    return torch.einsum("ncs,nct->nst", query_NCS, key_NCS).argmax(2)


def take_cells(values_NDS: Tensor, cells_NS: Tensor) -> Tensor:
    """Return (N, D, S) values of the chosen cells."""
    return values_NDS.gather(2, cells_NS[:, None].expand(-1, values_NDS.shape[1], -1))


class _LogSumExp(torch.autograd.Function):
    """log of the sum over keys of exp(query . key / temperature); gradients flow into the (R, D) queries alone."""

    @staticmethod
    def forward(ctx: Any, queries_RD: Tensor, keys_QD: Tensor, temperature: float) -> Tensor:
        result_R = queries_RD.new_empty(len(queries_RD))
        wants_gradient = ctx.needs_input_grad[0]
        gradient_RD = torch.empty_like(queries_RD) if wants_gradient else None
        rows = max(1, _LOGITS_AT_ONCE // len(keys_QD))
        for start in range(0, len(queries_RD), rows):
            part = slice(start, start + rows)
            logits = (queries_RD[part] @ keys_QD.T).div_(temperature)
            result_R[part] = logits.logsumexp(1)
            if gradient_RD is not None:
                shares = logits.sub_(result_R[part, None]).exp_()
                torch.matmul(shares, keys_QD, out=gradient_RD[part])
        if gradient_RD is not None:
            ctx.save_for_backward(gradient_RD.div_(temperature))
        return result_R

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, outer_R: Tensor) -> tuple[Tensor, None, None]:
        (gradient_RD,) = ctx.saved_tensors
        return gradient_RD * outer_R[:, None], None, None
