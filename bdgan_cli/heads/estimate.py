"""What a training will take, measured on one sample and one turn before it starts.

Axis legend: M members, B samples of a batch, H rows, W columns.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import nn

from bdgan_cli.heads.bank import feature_bytes, make_features, pass_samples
from bdgan_cli.heads.labels import sample_losses
from bdgan_cli.heads.members import MemberList
from bdgan_cli.heads.memory import peak_bytes
from bdgan_cli.heads.presets import TrainingConfig
from bdgan_cli.heads.turns import Costs, Turns, choose_turns
from bdgan_cli.interfaces import Features, Generator, Latents

# Beside a parameter: its gradient, Adam's two moments, and two temporaries of Adam's over all parameters.
_BYTES_BESIDE_A_PARAMETER = 20
# On a CPU the scratch memory inside an operation is not counted. Measured at 512x512 with benchmarks.training_512.
_SCRATCH = {"cpu": 1.6}
_TIMED_TWICE_BELOW_S, _TIMED_ONCE_ABOVE_S = 20.0, 10.0


@dataclass(frozen=True)
class Workload:
    """What is to be trained, as far as its cost depends on it.

    Attributes:
        generator: Makes the features.
        latents: Of the annotated samples.
        build: Builds an ensemble of the members at some positions.
        members: Their number.
        config: Steps and batch.
        device: Where it runs.
    """

    generator: Generator
    latents: Latents
    build: Callable[[Sequence[int]], nn.Module]
    members: int
    config: TrainingConfig
    device: torch.device

    @property
    def samples(self) -> int:
        """The number of annotated samples."""
        return len(self.latents.class_ids)


@dataclass(frozen=True)
class Estimate:
    """What a training will take.

    Attributes:
        turns: How a step is cut up.
        kept: Whether the features of all samples are kept in memory, or made again for every batch.
        memory_bytes: At the peak, beyond what is loaded.
        allowed_bytes: What it was fitted into.
        generator_seconds: For one sample's features.
        turn_seconds: For one turn of heads.
        step_seconds: For one step, features included where they are made again.
        first_seconds: For making all features once where they are kept.
    """

    turns: Turns
    kept: bool
    memory_bytes: int
    allowed_bytes: int
    generator_seconds: float
    turn_seconds: float
    step_seconds: float
    first_seconds: float

    def seconds(self, steps: int) -> float:
        """Return the expected wall time of a number of steps."""
        return self.first_seconds + steps * self.step_seconds


class Measured(NamedTuple):
    """What the probe found, with the features it found it on.

    Attributes:
        costs: In bytes.
        one: One sample's features.
        generator_seconds: For one sample.
        head_seconds: For one sample and member.
    """

    costs: Costs
    one: Features
    generator_seconds: float
    head_seconds: float


def measure(work: Workload) -> Measured:
    """Run the generator, and one and two heads on one sample."""
    rows = torch.arange(min(work.samples, pass_samples(work.generator.spec, work.device)))
    some = work.latents.take(rows)
    with peak_bytes(work.device) as making:
        features = make_features(work.generator, some, work.device)
    generator_seconds = _timed(lambda: make_features(work.generator, some, work.device), work.device) / len(rows)
    one = Features([x[:1] for x in features.maps], features.condition[:1])
    single, parameters, head_seconds = _measure_heads(work, 1, one)
    member = single
    # Separate heads have nothing in common beside the features; heads of one module may.
    if work.members > 1 and not isinstance(work.build([0]), MemberList):
        member = _measure_heads(work, 2, one)[0] - single
    weights = _BYTES_BESIDE_A_PARAMETER * parameters * work.members
    scratch = _SCRATCH.get(work.device.type, 1.0)
    beside = int(scratch * max(0, single - member))
    costs = Costs(feature_bytes(work.generator.spec), beside, int(scratch * member), weights, making.bytes)
    return Measured(costs, one, generator_seconds, head_seconds)


def estimate(work: Workload, allowed_bytes: int, fixed: Turns | None = None, samples: int | None = None) -> Estimate:
    """Measure, choose how to cut a step, and time one turn of it.

    Args:
        work: What is to be trained.
        allowed_bytes: What it may take beyond what is loaded.
        fixed: The turns of a training that goes on; they are kept even if they do not fit any more.
        samples: Samples of a turn, if they are not to be chosen.

    Raises:
        UsageError: If it does not fit.
    """
    costs, one, generator_seconds, head_seconds = measure(work)
    batch = work.config.batch
    if fixed is None:
        turns, kept = choose_turns(costs, batch, work.members, work.samples, allowed_bytes, samples)
    else:
        turns, kept = fixed, costs.of(fixed, work.samples) <= allowed_bytes
    turn_seconds = turns.samples * turns.members * head_seconds
    if head_seconds < _TIMED_ONCE_ABOVE_S:
        turn_seconds = _timed_turn(work, turns, one)
    heads_seconds = batch / turns.samples * work.members / turns.members * turn_seconds
    return Estimate(
        turns, kept, costs.of(turns, work.samples * kept), allowed_bytes, generator_seconds, turn_seconds,
        heads_seconds + (0.0 if kept else batch * generator_seconds), work.samples * generator_seconds * kept,
    )  # fmt: skip


def _measure_heads(work: Workload, members: int, one: Features) -> tuple[int, int, float]:
    """Return the peak bytes of a turn beside weights and gradients, the number of parameters, and the seconds."""
    heads = work.build(range(members)).to(work.device)
    parameters = sum(parameter.numel() for parameter in heads.parameters())
    started = time.perf_counter()
    with peak_bytes(work.device) as peak:
        _turn(heads, one, work.generator.image_size)
    return peak.bytes - 4 * parameters, parameters, time.perf_counter() - started


def _timed_turn(work: Workload, turns: Turns, one: Features) -> float:
    heads = work.build(range(turns.members)).to(work.device)
    maps = [x.expand(turns.samples, *x.shape[1:]).clone(memory_format=torch.channels_last) for x in one.maps]
    features = Features(maps, one.condition.expand(turns.samples, -1).clone())
    return _timed(lambda: _turn(heads, features, work.generator.image_size), work.device)


def _turn(heads: nn.Module, features: Features, image_size: int) -> None:
    """Do what a turn of a step does, against masks without an object."""
    masks = torch.zeros(len(features.condition), image_size, image_size, dtype=torch.uint8)
    heads.train()
    losses = sample_losses(heads(features), masks.to(features.condition.device))
    losses.mean(1).sum().backward()  # type: ignore[no-untyped-call]


def _timed(work: Callable[[], object], device: torch.device) -> float:
    """Return the seconds of a piece of work; a short one is warmed up first."""
    seconds = 0.0
    for _ in range(2):
        started = time.perf_counter()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        seconds = time.perf_counter() - started
        if seconds > _TIMED_TWICE_BELOW_S:
            break
    return seconds


def in_words(seconds: float) -> str:
    """Return a duration in the unit that suits it, such as ``2.5 h``."""
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s"
