"""The one place that prints errors and chooses exit codes.

0 done, 1 failure, 2 usage, 3 invalid data, 4 missing weights or dependency, 130 interrupted, 143 terminated. An
exception that nobody foresaw is a bug and keeps its traceback.
"""

from __future__ import annotations

import errno
import os
import shlex
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import typer

from bdgan_cli.cli.app import app
from bdgan_cli.errors import BdganError

INTERRUPTED = 128 + signal.SIGINT
TERMINATED = 128 + signal.SIGTERM

# What the machine refuses, through no fault of the program: these get an error line instead of a traceback.
_REFUSALS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS})

# Go on from what they find: --overwrite would throw away what the interrupted run has finished.
_GO_ON = (
    ["sample"], ["train-head"], ["benchmark"], ["pretrain"], ["demo"], ["data", "import"], ["data", "export"],
    ["data", "merge"], ["data", "materialize"],
)  # fmt: skip


def main(args: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        args: The arguments after the program's name; those of the process by default.

    Returns:
        The exit code.
    """
    given = list(sys.argv[1:] if args is None else args)
    command = typer.main.get_command(app)
    with _sigterm_as_interrupt() as received:
        try:
            # Typer turns KeyboardInterrupt into this return value, and typer.Exit(code) into its code.
            code = command.main(given, prog_name="bdgan", standalone_mode=False) or 0
        except KeyboardInterrupt:
            code = INTERRUPTED
        except typer.TyperException as error:
            _print_usage_error(error)
            code = error.exit_code
        except typer.Abort:
            _print_error("aborted")
            code = 1
        except BdganError as error:
            _print_error(error.message, error.hint)
            code = error.exit_code
        except OSError as error:
            if error.errno not in _REFUSALS:
                raise
            _print_error(_refusal(error), "free space or choose another folder, then run the same command again")
            code = 1
        if code == INTERRUPTED:
            _tell(f"interrupted\nresume with: {_resume_line(given)}")
            code = TERMINATED if received else INTERRUPTED
    return int(code)


@contextmanager
def _sigterm_as_interrupt() -> Iterator[list[int]]:
    """Let a termination unwind like Ctrl-C, so that files are closed; yields the list of signals received."""
    received: list[int] = []
    owner = os.getpid()

    def interrupt(number: int, frame: FrameType | None) -> None:
        if os.getpid() != owner:  # a forked worker inherits the handler and must simply end
            os._exit(TERMINATED)
        received.append(number)
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield received
    finally:
        signal.signal(signal.SIGTERM, before)


def _print_error(message: str, hint: str = "") -> None:
    _tell(f"error: {message}" + (f"\nhint: {hint}" if hint else ""))


def _print_usage_error(error: typer.TyperException) -> None:
    message = error.format_message()
    if message.startswith("Usage: "):  # a group was named without a command: Typer's message is its help
        _tell(message)
    else:
        context = getattr(error, "ctx", None)
        _print_error(message, f"see '{context.command_path if context else 'bdgan'} --help'")


def _tell(text: str) -> None:
    sys.stderr.write(f"{text}\n")
    sys.stderr.flush()


def _refusal(error: OSError) -> str:
    place = f": {error.filename}" if error.filename else ""
    return f"the system refused: {error.strerror or error}{place}"


def _resume_line(args: list[str]) -> str:
    """Return the command that goes on: with ``--resume`` where it knows that, without what would start anew."""
    program = ["python", "-m", "bdgan_cli"] if Path(sys.argv[0]).name == "__main__.py" else ["bdgan"]
    resume = ["--resume"] if "--resume" not in args and _knows_resume(args) else []
    goes_on = args[:1] in _GO_ON or args[:2] in _GO_ON
    return shlex.join([*program, *(arg for arg in args if not (goes_on and arg == "--overwrite")), *resume])


def _knows_resume(args: list[str]) -> bool:
    command = typer.main.get_command(app)
    for arg in args:
        commands = getattr(command, "commands", {})
        if arg not in commands:
            break
        command = commands[arg]
    return any("--resume" in option.opts for option in command.params)
