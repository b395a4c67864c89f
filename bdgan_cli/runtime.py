"""Devices, ranks, threads and memory: the only place that knows where the work runs.

Several processes are started by ``torchrun`` or SLURM and joined by Lightning Fabric; a plain start needs neither.
"""

from __future__ import annotations

import ctypes
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar, cast

import torch
from torch import nn

from bdgan_cli.errors import BdganError, UsageError
from bdgan_cli.ranks import Place, check_restarts, read_place, usable_cores

if TYPE_CHECKING:
    from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment

Made = TypeVar("Made")

# A step of a training that waits this long has lost a process; a process that has done its share waits for the slowest.
_PATIENCE_STEP, _PATIENCE_SHARE = timedelta(minutes=30), timedelta(days=7)

_GPU_WORKERS = 2
_LOOK_AGAIN_S = 0.02
_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_THRESHOLD = -1, -2, -3


@dataclass(frozen=True)
class Runtime:
    """Where this process computes, and which part of the work is its own.

    Attributes:
        device: Where models live.
        rank: This process among ``world_size`` processes.
        world_size: How many processes share the work.
        workers: Batches computed at the same time. On a CPU each is computed by one thread, so that results do not
            depend on the number of cores; on a GPU one batch is launched while the results of another are copied.
        encoders: Pieces of finished work encoded at the same time: on a CPU beside the batches, on a GPU by all cores.
        waiting: The processes as a group that waits for as long as the longest share of work may take; None alone.
    """

    device: torch.device
    rank: int = 0
    world_size: int = 1
    workers: int = 1
    encoders: int = 1
    waiting: torch.distributed.ProcessGroup | None = None

    @property
    def is_first(self) -> bool:
        """Whether this process does what must be done once."""
        return self.rank == 0

    def barrier(self) -> None:
        """Wait until every process has come here.

        Raises:
            BdganError: If one of them has ended before.
        """
        if self.waiting is None:
            return
        with _loss_explained():
            work = torch.distributed.barrier(self.waiting, async_op=True)
            while not work.is_completed():  # looking again and again lets SIGTERM and Ctrl-C through
                time.sleep(_LOOK_AGAIN_S)
            work.wait()

    def all_sum(self, values: torch.Tensor) -> torch.Tensor:
        """Return the sum of a tensor over all processes; without gradient."""
        if self.world_size == 1:
            return values
        total = values.detach().clone()
        torch.distributed.all_reduce(total)
        return total

    def all_gather(self, values: torch.Tensor) -> torch.Tensor:
        """Return the rows of all processes, in the order of their ranks; as many from each, without gradient."""
        if self.world_size == 1:
            return values
        rows = values.detach().contiguous()
        parts = [torch.empty_like(rows) for _ in range(self.world_size)]
        torch.distributed.all_gather(parts, rows)
        return torch.cat(parts)

    def any(self, here: bool) -> bool:
        """Return whether something is so in any of the processes."""
        return bool(self.all_sum(torch.tensor(float(here), device=self.device)) > 0)

    def first_alone(self, make: Callable[[], Made]) -> Made:
        """Let the first process make something while the others wait, and give it to all of them."""
        if self.world_size == 1:
            return make()
        made: list[Made | None] = [make() if self.is_first else None]
        self.barrier()
        with _loss_explained():
            torch.distributed.broadcast_object_list(made, src=0, group=self.waiting)
        return cast("Made", made[0])

    def alone(self) -> Runtime:
        """Return this device for work that the process does without the others."""
        return Runtime(self.device, workers=self.workers, encoders=self.encoders)

    def prepare(self, module: nn.Module) -> nn.Module:
        """Wrap a module so that backward passes average the gradients of all processes; alone, return it as it is."""
        if self.world_size == 1:
            return module
        ids = [self.device.index] if self.device.type == "cuda" else None
        return nn.parallel.DistributedDataParallel(module, device_ids=ids)

    def share(self, count: int) -> range:
        """Return the positions of the work units that this process takes."""
        return range(self.rank, count, self.world_size)


def start_runtime(device: str = "auto", workers: int | None = None) -> Runtime:
    """Choose the device, join the other processes, and set threads and allocator.

    Args:
        device: ``auto`` (a GPU if there is one), ``cpu``, ``cuda`` or ``cuda:1``.
        workers: Batches under way at once; by default on a CPU the cores divided among the processes of this machine,
            on a GPU two.

    Raises:
        UsageError: If the device does not exist here, or the starter's variables do not fit together.
    """
    chosen = choose_device(device)
    keep_freed_memory()
    place = read_place()
    cores = usable_cores(place)
    workers, encoders = (workers or cores, 1) if chosen.type == "cpu" else (workers or _GPU_WORKERS, cores)
    if chosen.type == "cpu":
        torch.set_num_threads(1)
    if place.world_size == 1:
        return Runtime(chosen, workers=workers, encoders=encoders)

    check_restarts()
    from lightning_fabric import Fabric
    from lightning_fabric.strategies.ddp import DDPStrategy

    logging.getLogger("lightning_fabric").setLevel(logging.WARNING)  # progress and notes are the reporter's
    fabric = Fabric(
        accelerator=chosen.type, devices=place.local_size, num_nodes=place.machines,
        strategy=DDPStrategy(timeout=_PATIENCE_STEP), plugins=_environment(place),
    )  # fmt: skip
    fabric.launch()
    waiting = torch.distributed.new_group(timeout=_PATIENCE_SHARE, backend="gloo")
    assert not isinstance(waiting, int)  # a number stands for a group that this process is not in
    return Runtime(fabric.device, fabric.global_rank, fabric.world_size, workers, encoders, waiting)


def _environment(place: Place) -> ClusterEnvironment:
    """Return Fabric's reader of the starter's variables."""
    from lightning_fabric.plugins.environments.kubeflow import KubeflowEnvironment
    from lightning_fabric.plugins.environments.slurm import SLURMEnvironment
    from lightning_fabric.plugins.environments.torchelastic import TorchElasticEnvironment

    if place.starter == "srun":
        # Fabric reads the job's variables, which the step that really runs may differ from.
        os.environ["SLURM_NTASKS"] = str(place.world_size)
        os.environ["SLURM_NTASKS_PER_NODE"] = str(place.local_size)
        os.environ["SLURM_NNODES"] = str(place.machines)
        return SLURMEnvironment()
    return KubeflowEnvironment() if place.starter == "kubeflow" else TorchElasticEnvironment()


@contextmanager
def _loss_explained() -> Iterator[None]:
    """Turn what a lost connection raises into an error with a hint."""
    try:
        yield
    except RuntimeError as error:
        raise BdganError(
            f"another process of the job has ended before its work was done ({str(error).splitlines()[0]:.120})",
            "see its own message; then run the same command again: what is finished is kept",
        ) from error


@contextmanager
def torch_threads(count: int) -> Iterator[None]:
    """Compute with that many threads inside the block."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def choose_device(device: str) -> torch.device:
    """Turn ``auto`` or a device's name into a device that exists here.

    Raises:
        UsageError: If the name is unknown or no such device is present.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UsageError(
            f"unknown device {device!r}: expected auto, cpu, cuda or cuda:N", "use --device auto"
        ) from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(f"device {device!r} was asked for, but torch finds no GPU here", "use --device cpu")
    return chosen


def keep_freed_memory() -> None:
    """Tell glibc to keep freed memory for the next tensor.

    By default every large tensor is mapped and unmapped anew, and page faults take about half of the time of a sample
    on a CPU. Other C libraries have no ``mallopt``; there this does nothing.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_THRESHOLD, 1 << 30)
        mallopt(_M_TRIM_THRESHOLD, (1 << 31) - 1)
        mallopt(_M_TOP_PAD, 64 << 20)


def peak_memory_gb() -> float:
    """Return the most memory this process has held so far, in GB; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:
        return 0.0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9
