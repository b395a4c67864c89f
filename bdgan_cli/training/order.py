"""The order in which a training visits its samples: a function of the seed and the step alone.

No stream of random numbers is carried along, so a training that goes on after a stop, or is spread over processes,
visits the same samples in the same order.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.errors import UsageError

_ORDER_STREAM = 2
_STEP_STREAM = 3


class Visit(NamedTuple):
    """One use of a sample: augmentation is a function of (seed, epoch, row)."""

    epoch: int
    row: int


def visits(samples: int, batch: int, step: int, seed: int) -> list[Visit]:
    """Return what a step's batch visits: a window of the endless stream of shuffled epochs.

    A set smaller than the batch simply appears more than once in it.
    """
    places = [divmod(place, samples) for place in range(step * batch, (step + 1) * batch)]
    return [Visit(epoch, int(_permutation(samples, epoch, seed)[place])) for epoch, place in places]


def batch_rows(samples: int, batch: int, step: int, seed: int) -> NDArray[np.int64]:
    """Return the rows of a step's batch, in the order of :func:`visits`."""
    return np.array([visit.row for visit in visits(samples, batch, step, seed)], np.int64)


def steps_of(samples: int, batch: int, epochs: int) -> int:
    """Return the steps that visit every sample ``epochs`` times; the last one may begin a further epoch."""
    return -(-samples * epochs // batch)


def own_part(batch: int, rank: int, world_size: int) -> slice:
    """Return which part of a global batch a process takes.

    Raises:
        UsageError: If the batch cannot be divided evenly.
    """
    if batch % world_size:
        raise UsageError(
            f"batch {batch} cannot be divided among {world_size} processes",
            f"use --batch {world_size * max(1, batch // world_size)}",
        )
    each = batch // world_size
    return slice(rank * each, (rank + 1) * each)


def step_seed(seed: int, step: int, rank: int = 0) -> int:
    """Return a seed for the random numbers that a network itself draws in a step, such as dropout's."""
    return int(np.random.SeedSequence((seed, step, rank, _STEP_STREAM)).generate_state(1, np.uint64)[0] >> 1)


@lru_cache(maxsize=4)  # a batch lies in one or two epochs, and shuffling a million rows at every step would show
def _permutation(samples: int, epoch: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch, _ORDER_STREAM)).permutation(samples)
