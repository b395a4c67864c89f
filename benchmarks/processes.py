"""Run a command in a process of its own and say what it took."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple

BDGAN = (sys.executable, "-m", "bdgan_cli")


class Taken(NamedTuple):
    """What a process took: wall and processor time in seconds, the most memory it held in GB, and what it printed."""

    seconds: float
    cpu_seconds: float
    peak_gb: float
    output: bytes


def run(command: list[str], *, folder: Path | None = None) -> Taken:
    """Run a command to its end; its stderr passes through only if it fails.

    Raises:
        RuntimeError: If it fails.
    """
    started = time.perf_counter()
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder)
    assert child.stdout is not None
    output = child.stdout.read()
    child.stdout.close()
    _, status, usage = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - started
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode:
        raise RuntimeError(f"exit code {child.returncode}: {' '.join(command)}")
    return Taken(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * 1024 / 1e9, output)


def bdgan(words: str, workspace: Path) -> tuple[dict[str, Any], Taken]:
    """Run a command of bdgan inside a workspace; return its JSON and what it took."""
    taken = run([*BDGAN, *words.split(), "--json"], folder=workspace)
    answer: dict[str, Any] = json.loads(taken.output)
    return answer, taken
