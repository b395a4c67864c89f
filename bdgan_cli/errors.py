"""The one error tree: what a user did that cannot work, and the command that mends it.

A message states what was expected, what was got and where; the hint is the next command to run. The command line prints
both once, without a traceback, and exits with the error's code.
"""

from __future__ import annotations


class BdganError(Exception):
    """A failure that the user can act on.

    Args:
        message: What was expected, what was got, and where.
        hint: The next command to run or the option to change; may be empty.
    """

    exit_code = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class UsageError(BdganError):
    """An option or argument that cannot be right."""

    exit_code = 2


class DataError(BdganError):
    """Data on disk that is broken or does not belong here."""

    exit_code = 3


class MissingError(BdganError):
    """Weights, a dataset or a dependency that is not there."""

    exit_code = 4


def near_names(name: str, known: list[str]) -> str:
    """Return a hint naming the known names closest to a mistyped one."""
    import difflib

    close = difflib.get_close_matches(name, known, n=3, cutoff=0.4)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
