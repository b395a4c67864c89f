"""Counts what a command does to the file system, and lets one of these events go wrong.

An event is a change below the trial's folder: a file opened for writing, a piece written, synced, renamed, removed,
linked, a folder made or removed. Audit hooks come before the event, so a kill at event n leaves what n - 1 events made;
a kill or a full disk in the middle of a write leaves its first half, as a torn write does.
"""

from __future__ import annotations

import builtins
import errno
import io
import itertools
import os
import signal
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

_plain_open = io.open
_WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_PATHS = {  # audit events by the positions of their paths
    "os.rename": (0, 1), "os.remove": (0,), "os.rmdir": (0,), "os.mkdir": (0,), "os.link": (0, 1),
    "os.symlink": (1,), "os.truncate": (0,), "os.chmod": (0,),
}  # fmt: skip
GROWING = frozenset({"open", "write", "fsync", "os.mkdir", "os.link", "os.symlink"})
_STRERROR = {errno.ENOSPC: "No space left on device", errno.EROFS: "Read-only file system"}


@dataclass(frozen=True)
class Fault:
    """What goes wrong.

    Attributes:
        kind: ``none`` counts only; ``kill`` is SIGKILL at an event; ``signal`` another signal there, the event takes
            place; ``full`` refuses everything that needs space from there on; ``read-only`` refuses every change;
            ``stop`` waits there for the parent.
        at: Number of the event, from 1.
        number: Of the signal.
    """

    kind: str = "none"
    at: int = 0
    number: int = 0


@dataclass
class Events:
    """The events of one process below a folder; the names of all are kept."""

    root: Path
    fault: Fault
    names: list[str] = field(default_factory=list)
    _owner: int = field(default_factory=os.getpid)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def install(self) -> None:
        """Watch this process from now on."""
        os.fsync = os.fdatasync = self._fsync  # type: ignore[assignment]
        os.sync = lambda: None
        builtins.open = io.open = self._open  # type: ignore[assignment]
        sys.addaudithook(self._audit)

    def _audit(self, name: str, args: tuple[Any, ...]) -> None:
        if name == "open":
            path, _, flags = args
            if flags & _WRITES and self._is_ours(path):
                self._happen("open", path)
        elif name in _PATHS and any(self._is_ours(args[place]) for place in _PATHS[name]):
            self._happen(name, args[_PATHS[name][0]])

    def _is_ours(self, path: Any) -> bool:
        if isinstance(path, int) or path is None or os.getpid() != self._owner:
            return False
        return Path(os.fsdecode(path)).absolute().is_relative_to(self.root)

    def _happen(self, name: str, path: Any, raw: Any = None, data: Any = b"") -> None:
        number = next(self._numbers)
        self.names.append(f"{name} {_text(path)}")
        fault = self.fault
        if fault.kind == "read-only" and name != "fsync":
            raise OSError(errno.EROFS, _STRERROR[errno.EROFS], _text(path))
        if number < fault.at or fault.kind == "none":
            return
        if fault.kind == "kill":
            _write_half(raw, data)
            os.kill(os.getpid(), signal.SIGKILL)
        if fault.kind == "full" and name in GROWING:
            _write_half(raw, data)
            raise OSError(errno.ENOSPC, _STRERROR[errno.ENOSPC], _text(path))
        if number == fault.at and fault.kind == "signal":
            os.kill(os.getpid(), fault.number)
        if number == fault.at and fault.kind == "stop":
            os.kill(os.getpid(), signal.SIGSTOP)

    def _fsync(self, descriptor: Any) -> None:
        """Count, and sync nothing: what is killed is the process, not the machine."""
        if os.getpid() == self._owner:
            self._happen("fsync", descriptor if isinstance(descriptor, int) else descriptor.fileno())

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, *args: Any, **more: Any) -> Any:
        names = ("encoding", "errors", "newline", "closefd", "opener")
        given = {**dict(zip(names, args, strict=False)), **more}
        if not set(mode) & set("wxa") or "+" in mode or not self._is_ours(file):
            return _plain_open(file, mode, buffering, *args, **more)
        raw = io.FileIO(file, mode.replace("b", "").replace("t", ""), given.get("closefd", True), given.get("opener"))
        counted = _Counted(raw, self)
        if "b" in mode:
            return counted
        return io.TextIOWrapper(counted, given.get("encoding") or "utf-8", given.get("errors"), given.get("newline"))


class _Counted(io.BufferedWriter):
    """A file whose writes are events."""

    def __init__(self, raw: io.FileIO, events: Events) -> None:
        super().__init__(raw)
        self._events = events

    def write(self, data: Any) -> int:
        if len(data):
            self._events._happen("write", self.raw.name, self, data)
        return super().write(data)


def _write_half(file: Any, data: Any) -> None:
    if file is not None:
        file.flush()
        file.raw.write(memoryview(data)[: max(1, len(data) // 2)])


def _text(path: Any) -> str:
    return str(path) if isinstance(path, int) else os.fsdecode(path)
