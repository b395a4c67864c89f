from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
from typing import Annotated

import pytest
import typer

from bdgan_cli import __version__
from bdgan_cli.cli import main as main_module
from bdgan_cli.errors import BdganError, DataError, MissingError, UsageError
from tests.conftest import RunCli, cli_environment

ERRORS = {
    "failure": BdganError("it failed", "try again"),
    "usage": UsageError("bad class", "use --classes all"),
    "data": DataError("shard 3 is cut short", "run bdgan data verify"),
    "missing": MissingError("no head", "run bdgan train-head"),
    "no-hint": BdganError("nothing helps"),
}


@pytest.fixture
def toy_app(monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    """A command line of two commands that fail as they are told, in place of the real one."""
    app = typer.Typer()

    @app.command()
    def fail(how: Annotated[str, typer.Argument()]) -> None:
        raise ERRORS[how]

    @app.command()
    def act(
        what: Annotated[str, typer.Argument()],
        resume: Annotated[bool, typer.Option("--resume")] = False,
    ) -> None:
        if what == "interrupt":
            raise KeyboardInterrupt
        if what == "terminate":
            os.kill(os.getpid(), signal.SIGTERM)
        if what == "bug":
            raise ValueError("a bug")
        if what == "full":
            raise OSError(errno.ENOSPC, "No space left on device", "shard-0.tar")
        if what == "abort":
            raise typer.Abort
        raise typer.Exit(7)

    monkeypatch.setattr(main_module, "app", app)
    monkeypatch.setattr(sys, "argv", ["bdgan"])
    return app


@pytest.mark.parametrize(
    ("how", "code", "stderr"),
    [
        ("failure", 1, "error: it failed\nhint: try again\n"),
        ("usage", 2, "error: bad class\nhint: use --classes all\n"),
        ("data", 3, "error: shard 3 is cut short\nhint: run bdgan data verify\n"),
        ("missing", 4, "error: no head\nhint: run bdgan train-head\n"),
        ("no-hint", 1, "error: nothing helps\n"),
    ],
)
@pytest.mark.usefixtures("toy_app")
def test_errors_are_printed_once_with_their_code(run_cli: RunCli, how: str, code: int, stderr: str) -> None:
    assert run_cli("fail", how) == (code, "", stderr)


@pytest.mark.usefixtures("toy_app")
@pytest.mark.parametrize(("what", "code"), [("interrupt", 130), ("terminate", 143)])
def test_interrupts_print_the_line_that_resumes(run_cli: RunCli, what: str, code: int) -> None:
    before = signal.getsignal(signal.SIGTERM)
    done = run_cli("act", what)
    assert done == (code, "", f"interrupted\nresume with: bdgan act {what} --resume\n")
    assert signal.getsignal(signal.SIGTERM) is before


@pytest.mark.usefixtures("toy_app")
def test_resume_line_is_quoted_and_names_the_program(monkeypatch: pytest.MonkeyPatch) -> None:
    assert main_module._resume_line(["fail", "a b"]) == "bdgan fail 'a b'"
    assert main_module._resume_line(["act", "--resume"]) == "bdgan act --resume"
    monkeypatch.setattr(sys, "argv", ["/somewhere/bdgan_cli/__main__.py"])
    assert main_module._resume_line(["fail", "x"]) == "python -m bdgan_cli fail x"


@pytest.mark.usefixtures("toy_app")
def test_a_refusal_of_the_system_is_no_bug(run_cli: RunCli) -> None:
    done = run_cli("act", "full")
    assert done.code == 1
    assert done.stderr.startswith("error: the system refused: No space left on device: shard-0.tar\nhint: ")


@pytest.mark.usefixtures("toy_app")
def test_bugs_keep_their_traceback(run_cli: RunCli) -> None:
    with pytest.raises(ValueError, match="a bug"):
        run_cli("act", "bug")


@pytest.mark.usefixtures("toy_app")
@pytest.mark.parametrize(("what", "code", "stderr"), [("exit", 7, ""), ("abort", 1, "error: aborted\n")])
def test_typer_s_own_exits(run_cli: RunCli, what: str, code: int, stderr: str) -> None:
    assert run_cli("act", what) == (code, "", stderr)


@pytest.mark.parametrize(
    ("args", "error"),
    [
        (["nope"], "error: No such command 'nope'.\nhint: see 'bdgan --help'\n"),
        (["--nope"], "error: No such option: --nope\nhint: see 'bdgan --help'\n"),
    ],
)
def test_usage_errors_name_the_help(run_cli: RunCli, args: list[str], error: str) -> None:
    assert run_cli(*args) == (2, "", error)


def test_usage_errors_of_a_command_name_its_help(run_cli: RunCli, toy_app: typer.Typer) -> None:
    assert run_cli("act", "exit", "--nope").stderr.endswith("hint: see 'bdgan act --help'\n")


@pytest.mark.parametrize(("args", "path"), [([], "bdgan"), (["data"], "bdgan data"), (["models"], "bdgan models")])
def test_a_group_without_a_command_shows_its_help(run_cli: RunCli, args: list[str], path: str) -> None:
    done = run_cli(*args)
    assert (done.code, done.stdout) == (2, "")
    assert done.stderr.startswith(f"Usage: {path} [OPTIONS] COMMAND")


@pytest.mark.parametrize("command", ["demo", "train-head", "sample", "filter", "data show", "models list"])
def test_every_command_has_help_with_examples(run_cli: RunCli, command: str) -> None:
    done = run_cli(*command.split(), "-h")
    assert (done.code, done.stderr) == (0, "")
    assert done.stdout.startswith(f"Usage: bdgan {command}")
    assert f"bdgan {command}" in done.stdout.split("Example")[1]


def test_version(run_cli_subprocess: RunCli) -> None:
    assert run_cli_subprocess("--version") == (0, f"bdgan {__version__}\n", "")


def test_a_closed_pipe_is_quiet() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "bdgan_cli", "--help"],
        stdout=writing,
        stderr=subprocess.PIPE,
        env=cli_environment(),
        check=False,
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (1, b"")
