"""Feeds a training: loads and augments batches ahead of the step that needs them, and measures how long steps waited.

Loading runs in PyTorch's ``DataLoader``; what is loaded depends on (seed, step) alone, never on the worker.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, Sampler
from torch.utils.data.dataloader import default_collate

from bdgan_cli.errors import BdganError
from bdgan_cli.runtime import Runtime
from bdgan_cli.training.order import Visit, own_part, visits

# Starting the workers is paid once, whatever the length of the training.
_UNCOUNTED_STEPS = 1

Example = TypeVar("Example", covariant=True)


class Source(Protocol[Example]):
    """Samples for a training."""

    def __len__(self) -> int:
        """Return the number of samples."""
        ...

    def load(self, visit: Visit) -> Example:
        """Load and augment one sample, as tensors, arrays or numbers (in tuples or dicts); called in any process."""
        ...


@dataclass(frozen=True)
class FeedPlan:
    """Which samples a training visits.

    Attributes:
        batch: Samples of a global batch, divided evenly among the processes.
        steps: Steps of the whole training.
        seed: Names the order of the samples.
        first: The first step to feed; earlier ones were made before a stop.
    """

    batch: int
    steps: int
    seed: int
    first: int = 0


class Feeder(Generic[Example]):
    """Yields this process's part of each step's batch, collated, on the training's device.

    Args:
        source: Where samples come from.
        plan: Which of them, and when.
        runtime: Which part of the batch is this process's, and where tensors go.
        workers: Processes that load; 0 loads in between the steps.

    Raises:
        UsageError: If the batch cannot be divided among the processes.
    """

    def __init__(self, source: Source[Example], plan: FeedPlan, runtime: Runtime, workers: int = 0) -> None:
        self._plan, self._runtime = plan, runtime
        self._waited_s = self._total_s = 0.0
        self._loader: DataLoader[Any] = DataLoader(
            _Items(source),
            batch_sampler=_Visits(len(source), plan, own_part(plan.batch, runtime.rank, runtime.world_size)),
            num_workers=workers,
            collate_fn=_collate,
            worker_init_fn=_calm_worker,
            pin_memory=runtime.device.type == "cuda",
            generator=torch.Generator(),  # the loader's own seed must not be drawn from the global stream
        )

    @property
    def waiting_share(self) -> float:
        """Share of the time that steps waited for data, in [0, 1], the first step not counted."""
        return self._waited_s / self._total_s if self._total_s else 0.0

    def __iter__(self) -> Iterator[Any]:
        """Yield one batch a step.

        Raises:
            BdganError: What the source raises.
        """
        batches = iter(self._loader)
        for position in range(self._plan.steps - self._plan.first):
            started = time.perf_counter()
            batch = next(batches)
            if isinstance(batch, BdganError):
                raise batch
            batch = _moved(batch, self._runtime.device)
            loaded = time.perf_counter()
            yield batch
            if position >= _UNCOUNTED_STEPS:
                self._waited_s += loaded - started
                self._total_s += time.perf_counter() - started


class _Items(Dataset[Any]):
    def __init__(self, source: Source[Any]) -> None:
        self._source = source

    def __getitem__(self, visit: Visit) -> Any:
        try:
            return self._source.load(visit)
        except BdganError as error:  # the loader would wrap a raised one in a worker's traceback
            return error


class _Visits(Sampler[list[Visit]]):
    def __init__(self, samples: int, plan: FeedPlan, part: slice) -> None:
        self._samples, self._plan, self._part = samples, plan, part

    def __iter__(self) -> Iterator[list[Visit]]:
        for step in range(self._plan.first, self._plan.steps):
            yield visits(self._samples, self._plan.batch, step, self._plan.seed)[self._part]


def _collate(items: list[Any]) -> Any:
    errors = [item for item in items if isinstance(item, BdganError)]
    return errors[0] if errors else default_collate(items)


def _calm_worker(worker: int) -> None:
    """Leave Ctrl-C to the main process, and do not fight over cores."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    os.environ["OMP_NUM_THREADS"] = "1"
    cv2.setNumThreads(0)


def _moved(batch: Any, device: torch.device) -> Any:
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, dict):
        return {key: _moved(value, device) for key, value in batch.items()}
    if isinstance(batch, (tuple, list)):
        return [_moved(value, device) for value in batch]
    return batch
