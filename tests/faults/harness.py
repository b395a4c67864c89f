"""Runs commands in forked children that are killed, refused or signalled at a given event or time."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.conftest import cli_environment
from tests.faults.events import Fault

NONE = Fault()


@dataclass(frozen=True)
class Outcome:
    """How a command ended.

    Attributes:
        code: Exit code, or the negative number of the signal that ended it.
        stdout: What it printed.
        stderr: What it told.
        events: Names of its changes to the file system in order; None if it was killed.
        seconds: Wall time.
    """

    code: int
    stdout: str
    stderr: str
    events: list[str] | None
    seconds: float

    @property
    def killed(self) -> bool:
        return self.code == -signal.SIGKILL


class Zygote:
    """A process that has imported everything and forks a child for each command.

    Args:
        scratch: Where outputs of the children go.
    """

    def __init__(self, scratch: Path) -> None:
        self._scratch = scratch
        one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
        # One seed for hash() in all trials: nothing may depend on it, and nothing here is to differ by chance.
        environment = cli_environment(
            {
                **one_thread,
                "JE_ARROW_MALLOC_CONF": "background_thread:false",
                "NO_COLOR": "1",
                "COLUMNS": "120",
                "MPLBACKEND": "agg",
            }
        )
        environment.pop("PYTHONHASHSEED", None)
        self._process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", "tests.faults.zygote"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True, cwd=Path(__file__).parents[2],
        )  # fmt: skip
        self.threads: int = self._answer()["threads"]

    def run(
        self,
        args: Sequence[object],
        cwd: Path,
        fault: Fault = NONE,
        *,
        signals: Sequence[tuple[float, int]] = (),
        env: dict[str, str] | None = None,
        setup: str = "",
        timeout: float = 300.0,
    ) -> Outcome:
        """Run ``bdgan`` in a folder.

        Args:
            args: The command line.
            cwd: Where to run; changes below it are events.
            fault: What goes wrong.
            signals: Seconds after the fork, and the signal to send then.
            env: Additions to the environment.
            setup: ``module:function`` to call in the child with the folder before the command.
            timeout: Seconds after which the child is killed, which fails the test.
        """
        stdout, stderr = self._scratch / "stdout", self._scratch / "stderr"
        job = {
            "args": [str(arg) for arg in args], "cwd": str(cwd), "fault": asdict(fault), "signals": list(signals),
            "env": {"BDGAN_CACHE": str(cwd / "cache"), **(env or {})}, "setup": setup, "timeout": timeout,
            "stdout": str(stdout), "stderr": str(stderr),
        }  # fmt: skip
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        answer = self._answer()
        assert answer["events"] != ["timeout"], f"no end after {timeout} s: bdgan {' '.join(map(str, args))}"
        return Outcome(
            answer["status"], stdout.read_text(), stderr.read_text(), answer["events"], answer["seconds"]
        )  # fmt: skip

    def close(self) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(timeout=60)
        self._process.stdout.close()

    def _answer(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        assert line, f"the parent of the trials ended with {self._process.poll()}"
        answer: dict[str, Any] = json.loads(line)
        return answer
