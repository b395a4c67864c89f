"""Hands inputs to a worker, starts another one when it dies, and counts how they ended."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from types import TracebackType

from tests.conftest import ROOT, cli_environment
from tests.fuzz.reader import Files, Verdict

# Of waiting, on a machine that others use; the worker itself stops after a few seconds of work.
WALL_SECONDS = 60.0
START_SECONDS = 180.0
MOST_CAUSES, MOST_FAILURES = 8, 50


@dataclass
class Tally:
    """How the inputs of a reader ended; of failures at one place in the product the first is told."""

    counts: Counter[str] = field(default_factory=Counter)
    failures: dict[str, str] = field(default_factory=dict)

    @property
    def inputs(self) -> int:
        return self.counts.total()


class Pool:
    """One worker, replaced when it dies; a context."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)
        self._process: subprocess.Popen[bytes] | None = None
        self._channel: Connection | None = None

    def __enter__(self) -> Pool:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()
        self._folder.cleanup()

    def judge(self, reader: str, what: int | Files | None) -> Verdict:
        """Have a worker read the input of a seed, or given files; None stands for the first valid set."""
        if self._process is None:
            self._start()
        assert self._channel is not None
        try:
            self._channel.send((reader, what))
            if not self._channel.poll(START_SECONDS):
                raise TimeoutError("making the valid files")
            self._channel.recv()
            if not self._channel.poll(WALL_SECONDS):
                raise TimeoutError("reading")
            verdict: Verdict = self._channel.recv()
            return verdict
        except TimeoutError as error:
            self._stop()
            return Verdict("failed", f"hangs while {error}, killed after {WALL_SECONDS:g} seconds")
        except (EOFError, OSError):
            return Verdict("failed", self._died())

    def run(self, reader: str, seeds: Iterable[int]) -> Tally:
        """Have the inputs of seeds read; stops early after some failures."""
        tally = Tally()
        for seed in seeds:
            verdict = self.judge(reader, seed)
            tally.counts[verdict.kind] += 1
            if verdict.kind == "failed":
                tally.failures.setdefault(_cause(verdict), describe(reader, seed, verdict))
                if len(tally.failures) >= MOST_CAUSES or tally.counts["failed"] >= MOST_FAILURES:
                    break
        return tally

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            command = [sys.executable, "-m", "tests.fuzz.worker", str(theirs.fileno()), self._folder.name]
            with self._log("wb") as log:
                self._process = subprocess.Popen(
                    command, cwd=ROOT, env=cli_environment(), pass_fds=[theirs.fileno()], stderr=log
                )
        self._channel = Connection(ours.detach())

    def _log(self, mode: str):  # type: ignore[no-untyped-def]
        return (Path(self._folder.name) / "stderr").open(mode)

    def _died(self) -> str:
        assert self._process is not None
        code = self._process.wait()
        with self._log("rb") as file:
            words = file.read()[-2000:].decode(errors="replace")
        self._stop()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        return f"the worker died of {how}:\n{words}"

    def _stop(self) -> None:
        if self._channel is not None:
            self._channel.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._process = self._channel = None


def describe(reader: str, seed: int, verdict: Verdict) -> str:
    """Say what failed, and how to see it again."""
    done = "; ".join(verdict.trace)
    again = f"python -m tests.fuzz '{reader}' --seed {seed} --keep FOLDER"
    return f"{reader}: seed {seed} ({done})\n{verdict.told}\nsee it again, and keep the files: {again}\n"


def _cause(verdict: Verdict) -> str:
    """Return what two failures of one cause have in common: kind of error, and line of the product."""
    lines = [line.strip() for line in verdict.told.splitlines() if line.strip()]
    places = [line for line in lines if line.startswith("File") and "bdgan_cli" in line]
    return f"{lines[-1].partition(':')[0]} {places[-1] if places else ''}"
