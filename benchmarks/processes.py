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


# A process counts the memory of the one that started it, so a small one starts it and says what it took.
_STARTER = """
import os, sys
child = os.posix_spawn(sys.argv[2], sys.argv[2:], os.environ)
_, status, used = os.wait4(child, 0)
with open(int(sys.argv[1]), "w") as told:
    told.write(f"{used.ru_utime + used.ru_stime} {used.ru_maxrss}")
sys.exit(os.waitstatus_to_exitcode(status) & 255)
"""


def run(command: list[str], *, folder: Path | None = None) -> Taken:
    """Run a command, the path of a program and its words, to its end.

    Raises:
        RuntimeError: If it fails; holds the end of what it said.
    """
    told, tell = os.pipe()
    with os.fdopen(told) as figures:
        starter = [sys.executable, "-S", "-E", "-c", _STARTER, str(tell), *command]
        started = time.perf_counter()
        done = subprocess.run(starter, capture_output=True, cwd=folder, pass_fds=(tell,), check=False)
        seconds = time.perf_counter() - started
        os.close(tell)
        if done.returncode:
            raise RuntimeError(f"exit code {done.returncode}: {' '.join(command)}\n{done.stderr[-1000:].decode()}")
        cpu_seconds, peak_kb = map(float, figures.read().split())
    return Taken(seconds, cpu_seconds, peak_kb * 1024 / 1e9, done.stdout)


def bdgan(words: str, workspace: Path) -> tuple[dict[str, Any], Taken]:
    """Run a command of bdgan inside a workspace; return its JSON and what it took."""
    taken = run([*BDGAN, *words.split(), "--json"], folder=workspace)
    answer: dict[str, Any] = json.loads(taken.output)
    return answer, taken
