"""A training step cut into turns, so that its memory is that of one turn (16 heads at 512x512, supplement A.1).

Members share nothing but features: training them together, in groups or one by one is the same computation. A batch is
not so divisible: batch norm takes its statistics over the samples of a turn.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from bdgan_cli.heads.members import MemberList


@dataclass(frozen=True)
class Turns:
    """What is computed at a time.

    Attributes:
        samples: Samples of a batch in one forward and backward pass; gradients are added up over the batch, batch-norm
            statistics are taken over these samples alone.
        members: Members in one forward and backward pass; divides their number.
    """

    samples: int
    members: int

    def __post_init__(self) -> None:
        if not all(isinstance(count, int) and count > 0 for count in (self.samples, self.members)):
            raise ValueError(f"expected at least one sample and one member at a time, got {self}")


@dataclass(frozen=True)
class Group:
    """Some members of an ensemble, as a module that trains the ensemble's own parameters and statistics.

    Attributes:
        module: Maps features to these members' logits.
        rows: Their positions in the ensemble.
    """

    module: nn.Module
    rows: slice


def member_groups(ensemble: nn.Module, size: int, build: Callable[[Sequence[int]], nn.Module]) -> list[Group]:
    """Divide an ensemble into groups that are trained in turn.

    Args:
        ensemble: A :class:`MemberList`, or a module whose parameters and buffers all have the member as the outermost
            part of their first axis.
        size: Members of a group; with all of them the group is the ensemble itself.
        build: Builds a module of the ensemble's kind for the members at some positions.

    Raises:
        ValueError: If the groups would not be of equal size.
    """
    members = len(ensemble.heads) if isinstance(ensemble, MemberList) else int(ensemble.members)  # type: ignore[arg-type]
    if members % size:
        raise ValueError(f"expected groups of equal size, got {members} members in groups of {size}")
    if size == members:
        return [Group(ensemble, slice(0, members))]
    rows = [slice(start, start + size) for start in range(0, members, size)]
    if isinstance(ensemble, MemberList):
        return [Group(MemberList(list(ensemble.heads)[part], _keep), part) for part in rows]
    for parameter in ensemble.parameters():
        parameter.grad = torch.zeros_like(parameter)
    return [Group(_view(ensemble, build(range(members)[part]), i, len(rows)), part) for i, part in enumerate(rows)]


def _view(ensemble: nn.Module, part: nn.Module, index: int, count: int) -> nn.Module:
    """Make a group's tensors, gradients included, windows onto the ensemble's: what one writes, the other has."""
    for name, parameter in part.named_parameters():
        whole = ensemble.get_parameter(name)
        assert whole.grad is not None
        parameter.data = whole.data.chunk(count)[index]
        parameter.grad = whole.grad.chunk(count)[index]
    for name, _ in list(part.named_buffers()):
        owner, _, leaf = name.rpartition(".")
        part.get_submodule(owner).register_buffer(leaf, ensemble.get_buffer(name).chunk(count)[index])
    return part


def _keep(head: nn.Module) -> None:
    """Freeze nothing: a group only trains."""
