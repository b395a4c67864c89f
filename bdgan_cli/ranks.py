"""Which process of its job this is, as the environment says: torchrun, SLURM's srun, Kubeflow; or the only one.

Reads variables alone, so that the command line can ask before anything heavy is loaded.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bdgan_cli.errors import UsageError

_CPU_QUOTA = Path("/sys/fs/cgroup/cpu.max")


@dataclass(frozen=True)
class Place:
    """This process among those that were started together.

    Attributes:
        rank: Its number in the job.
        world_size: Processes of the job.
        local_size: Processes on this machine; as many on every other.
        starter: ``torchrun``, ``srun``, ``kubeflow``; empty for a plain start.
    """

    rank: int = 0
    world_size: int = 1
    local_size: int = 1
    starter: str = ""

    @property
    def machines(self) -> int:
        """How many machines the job has."""
        return self.world_size // self.local_size


def read_place(variables: Mapping[str, str] = os.environ) -> Place:
    """Return what the starter of this process says.

    Of SLURM only the step counts: a batch script has the job's ``SLURM_NTASKS``, too, and is one process all the same.

    Args:
        variables: The environment.

    Raises:
        UsageError: If machines have different numbers of processes, or a variable is missing.
    """
    if int(variables.get("WORLD_SIZE") or 1) > 1:
        starter = "torchrun" if "LOCAL_RANK" in variables else "kubeflow"
        names = ("RANK", "WORLD_SIZE")
        local = int(variables.get("LOCAL_WORLD_SIZE") or 1)
    elif int(variables.get("SLURM_STEP_NUM_TASKS") or 1) > 1 and "WORLD_SIZE" not in variables:
        starter, names = "srun", ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS")
        local = _tasks_here(variables)
    else:
        return Place()
    if names[0] not in variables:
        raise UsageError(
            f"{names[1]} is {variables[names[1]]}, but {names[0]} is missing", "start with torchrun or srun"
        )
    place = Place(int(variables[names[0]]), int(variables[names[1]]), local, starter)
    if place.machines * local != place.world_size:
        raise UsageError(
            f"expected as many processes on every machine, got {place.world_size} with {local} of them here",
            "use the same --nproc-per-node (srun: --ntasks-per-node) everywhere",
        )
    return place


def check_restarts(variables: Mapping[str, str] = os.environ) -> None:
    """Refuse restarts that would hang: in a store shared with torchrun, the new find the addresses of the dead.

    Raises:
        UsageError: If torchrun may restart its processes and shares its store with them (PyTorch issue 135712).
    """
    if int(variables.get("TORCHELASTIC_MAX_RESTARTS") or 0) and variables.get("TORCHELASTIC_USE_AGENT_STORE") == "True":
        raise UsageError(
            "processes that torchrun restarts would wait for the dead: its store keeps their addresses",
            "export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 before torchrun --rdzv-backend c10d --max-restarts N",
        )


def refuse_several(what: str) -> None:
    """Refuse to do work in several processes that they cannot share: each would write the same files.

    Args:
        what: The command.

    Raises:
        UsageError: If this is one process of several.
    """
    count = read_place().world_size
    if count > 1:
        raise UsageError(f"{what} runs in one process, not in {count}", "start it without torchrun (srun: -n 1)")


def usable_cores(place: Place) -> int:
    """Return the cores for this process: those it may use, divided among the processes of this machine."""
    seen = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    own = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if place.starter == "srun" and own.isdigit():
        return min(seen, int(own))
    return min(seen, _quota_cores()) // place.local_size or 1


def _tasks_here(variables: Mapping[str, str]) -> int:
    """Read this node's number from a list such as ``2(x3),1``, two on three nodes and one on the fourth."""
    listed = variables.get("SLURM_STEP_TASKS_PER_NODE", "1")
    counts = [int(n) for n, times in re.findall(r"(\d+)(?:\(x(\d+)\))?", listed) for _ in range(int(times or 1))]
    return counts[min(int(variables.get("SLURM_NODEID") or 0), len(counts) - 1)]


def _quota_cores() -> int:
    """Return the cores' worth of time that a container may use; without a limit, more than any machine has."""
    try:
        quota, _, period = _CPU_QUOTA.read_text(encoding="ascii").strip().partition(" ")
    except OSError:
        quota = "max"
    return max(1, int(quota) // int(period)) if quota.isdigit() else sys.maxsize
