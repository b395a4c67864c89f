"""How much memory there is, and how much a piece of work takes at its peak."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bdgan_cli.runtime import peak_memory_gb

_UNKNOWN_BYTES = 4 << 30


class Peak:
    """The most bytes that were held at once; filled in when the measurement ends."""

    bytes = 0


@contextmanager
def peak_bytes(device: torch.device) -> Iterator[Peak]:
    """Measure the most bytes of tensors that the block's work holds at once, beyond what was there before.

    A GPU's allocator tells, its libraries' workspaces included; on a CPU every new tensor is counted until it is freed.
    """
    peak = Peak()
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        yield peak
        peak.bytes = torch.cuda.max_memory_allocated(device) - before
    else:
        with _Counter() as counter:
            yield peak
        peak.bytes = counter.most


class _Counter(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the storages that operations return, and takes them off when they are freed."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.now = self.most = 0
        self._live: set[int] = set()

    def __torch_dispatch__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        given = {storage.data_ptr() for storage in _storages((args, kwargs))}
        result = func(*args, **(kwargs or {}))
        for storage in _storages(result):
            # Views and in-place operations return what was given; an address is free again when its storage is.
            if storage.data_ptr() not in given | self._live:
                self._count(storage)
        return result

    def _count(self, storage: torch.UntypedStorage) -> None:
        self._live.add(storage.data_ptr())
        self.now += storage.nbytes()
        self.most = max(self.most, self.now)
        weakref.finalize(storage, self._free, storage.data_ptr(), storage.nbytes()).atexit = False

    def _free(self, address: int, size: int) -> None:
        self._live.discard(address)
        self.now -= size


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def free_bytes(device: torch.device) -> int:
    """Return the bytes that this process could still take: of the device, or of main memory and the control group."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0]) + torch.cuda.memory_reserved(device) - held_bytes(device)
    told = [_available(), _left_in_group()]
    known = [size for size in told if size is not None]
    return min(known) if known else _UNKNOWN_BYTES


def held_bytes(device: torch.device) -> int:
    """Return the bytes that this process holds: tensors on a GPU, all resident memory on a CPU."""
    if device.type == "cuda":
        return int(torch.cuda.memory_allocated(device))
    pages = Path("/proc/self/statm")
    if not pages.is_file():
        return int(peak_memory_gb() * 1e9)
    return int(pages.read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def peak_held_bytes(device: torch.device) -> int:
    """Return the most that :func:`held_bytes` has been: on a GPU since the last measurement, on a CPU ever."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    return int(peak_memory_gb() * 1e9)


def _available() -> int | None:
    table = Path("/proc/meminfo")
    if table.is_file():
        for line in table.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    names = getattr(os, "sysconf_names", {})
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2 if "SC_PHYS_PAGES" in names else None


def _left_in_group() -> int | None:
    """Return what a container's limit leaves (control groups, version 2); None without a limit."""
    limit, used = (Path(f"/sys/fs/cgroup/memory.{name}") for name in ("max", "current"))
    if not (limit.is_file() and used.is_file()):
        return None
    most = limit.read_text(encoding="ascii").strip()
    return int(most) - int(used.read_text(encoding="ascii")) if most.isdigit() else None
