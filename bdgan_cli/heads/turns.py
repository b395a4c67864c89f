"""A training step cut into turns, so that its memory is that of one turn (16 heads at 512x512, supplement A.1).

Members share nothing but features: training them together, in groups or one by one is the same computation. A batch is
not so divisible: batch norm takes its statistics over the samples of a turn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from bdgan_cli.errors import UsageError
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
class Costs:
    """Bytes that training takes beyond what is loaded.

    Attributes:
        features: One sample's features.
        sample: Beside them, for every sample of a turn, whatever the number of members.
        member: For every sample of a turn and member of a turn.
        weights: Gradients and the optimiser's state of all members.
        generator: What a pass of the generator holds at its peak.
    """

    features: int
    sample: int
    member: int
    weights: int
    generator: int

    def of(self, turns: Turns, kept_samples: int) -> int:
        """Return the bytes at the peak of a step, with the features of ``kept_samples`` samples kept."""
        making = turns.samples * self.features + self.generator
        training = turns.samples * (self.features + self.sample + turns.members * self.member)
        return self.weights + kept_samples * self.features + (training if kept_samples else max(making, training))


@dataclass(frozen=True)
class Group:
    """Some members of an ensemble, as a module that trains the ensemble's own parameters and statistics.

    Attributes:
        module: Maps features to these members' logits.
        rows: Their positions in the ensemble.
    """

    module: nn.Module
    rows: slice


def choose_turns(
    costs: Costs, batch: int, members: int, samples: int, allowed_bytes: int, fixed_samples: int | None = None
) -> tuple[Turns, bool]:
    """Cut a step so that it fits.

    A whole batch in one turn comes first, since batch norm then sees what it sees without cutting; then features that
    are made once; then as many members at a time as fit.

    Args:
        costs: Of the work.
        batch: Samples of a step.
        members: Members of the ensemble.
        samples: Annotated samples.
        allowed_bytes: What a step may take.
        fixed_samples: Samples of a turn, if they are not to be chosen.

    Returns:
        The turns, and whether all features are kept.

    Raises:
        UsageError: If one sample and one member at a time do not fit.
    """
    most = [size for size in range(1, batch + 1) if costs.of(Turns(size, 1), 0) <= allowed_bytes]
    if (fixed_samples or 1) > len(most):
        asked = fixed_samples or 1
        least = _gb_up(costs.of(Turns(asked, 1), 0))
        raise UsageError(
            f"training needs {least} GB for {asked} sample{'s' * (asked > 1)} and one head at a time, "
            f"{allowed_bytes / 1e9:.3g} GB are allowed",
            f"allow more: --memory-gb {least}, on a machine that has it",
        )
    # Turns as equal as possible: of a batch of 8 where 5 fit, 4 and 4.
    size = fixed_samples or math.ceil(batch / math.ceil(batch / len(most)))
    kept = costs.of(Turns(size, 1), samples) <= allowed_bytes
    groups = [
        group
        for group in range(1, members + 1)
        if members % group == 0 and costs.of(Turns(size, group), samples * kept) <= allowed_bytes
    ]
    return Turns(size, groups[-1]), kept


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


def _gb_up(size: int) -> float:
    return math.ceil(size / 1e8) / 10
