"""Fixtures that every test may use: the command line, in this process or in one of its own."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple, Protocol

import pytest

ROOT = Path(__file__).parent.parent

# Their assertions, too, are to say what was expected and what was got.
pytest.register_assert_rewrite("tests.faults.trial", "tests.faults.trees")

# A shell starts background jobs with SIGINT ignored, and children inherit that: tests of Ctrl-C need the usual handler.
signal.signal(signal.SIGINT, signal.default_int_handler)

os.environ.setdefault("OMP_NUM_THREADS", "1")  # read when torch is imported; test workers share the cores


class CliResult(NamedTuple):
    """What a run of the command line left behind."""

    code: int
    stdout: str
    stderr: str


class RunCli(Protocol):
    """Runs ``bdgan`` with the given arguments, in a folder and with additions to the environment."""

    def __call__(self, *args: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> CliResult: ...


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Keep the tests off the user's workspace and cache, and their output free of colour."""
    for name in [name for name in os.environ if name.startswith("BDGAN_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "cache"))
    monkeypatch.setenv("NO_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")


@pytest.fixture
def run_cli(monkeypatch: pytest.MonkeyPatch) -> RunCli:
    """Run the command line in this process, which is fast; exceptions that are bugs propagate."""

    def run(*args: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> CliResult:
        from bdgan_cli.cli.main import main

        stdout, stderr = io.StringIO(), io.StringIO()
        with monkeypatch.context() as patch:
            if cwd is not None:
                patch.chdir(cwd)
            for name, value in (env or {}).items():
                patch.setenv(name, value)
            with contextlib.redirect_stdout(stdout), contextlib.redirect_stderr(stderr):
                code = main([str(arg) for arg in args])
        return CliResult(code, stdout.getvalue(), stderr.getvalue())

    return run


@pytest.fixture
def run_cli_subprocess() -> RunCli:
    """Run ``python -m bdgan_cli`` in a process of its own, as a user does."""

    def run(*args: object, cwd: Path | None = None, env: dict[str, str] | None = None) -> CliResult:
        command = [sys.executable, "-m", "bdgan_cli", *map(str, args)]
        done = subprocess.run(
            command, cwd=cwd, env=cli_environment(env), capture_output=True, text=True, timeout=300, check=False
        )
        return CliResult(done.returncode, done.stdout, done.stderr)

    return run


def cli_environment(extra: dict[str, str] | None = None) -> dict[str, str]:
    """Return an environment in which a child process finds this checkout from any folder."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "PYTHONPATH": path, **(extra or {})}
