"""Write docs/cli.md from the commands themselves: ``python tools/make_cli_docs.py``, or ``make docs``.

A test compares the file with what this script would write, so the page cannot drift from the program.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "cli.md"

INTRODUCTION = """\
# Commands

Written by `tools/make_cli_docs.py` from the commands; do not edit by hand.

Results go to stdout: tables for people, one JSON object under `--json`. Progress, notes and errors go to stderr.
Exit codes: 0 done, 1 failure, 2 usage, 3 invalid data, 4 missing weights or dependency, 130 interrupted,
143 terminated.
"""


def render(app: typer.Typer) -> str:
    """Return the page for an application."""
    root = typer.main.get_command(app)
    return "\n".join([INTRODUCTION, *_sections(root, "bdgan")]).rstrip() + "\n"


def _sections(command: Any, path: str) -> Iterator[str]:
    children = getattr(command, "commands", {})
    if not children or (command.invoke_without_command and path != "bdgan"):
        yield from _section(command, path)
    for name, child in children.items():
        if child.hidden:
            continue
        yield from _sections(child, f"{path} {name}")


def _section(command: Any, path: str) -> Iterator[str]:
    arguments = [param for param in command.params if param.param_type_name == "argument"]
    options = [param for param in command.params if param.param_type_name == "option" and "--help" not in param.opts]
    places = [_placeholder(param) for param in arguments]
    yield f"## {path}\n"
    yield f"    {' '.join([path, *places, *(['[OPTIONS]'] if options else [])])}\n"
    yield f"{(command.help or '').strip()}\n"
    if arguments:
        yield from _table("Argument", arguments)
    if options:
        yield from _table("Option", options)
    if command.epilog:
        yield f"{_indented(command.epilog)}\n"


def _table(heading: str, params: list[Any]) -> Iterator[str]:
    yield f"| {heading} | Default | Meaning |\n| --- | --- | --- |"
    for param in params:
        cells = [_names(param), _default(param), (param.help or "").replace("|", "\\|")]
        yield f"| {' | '.join(cells)} |"
    yield ""


def _placeholder(param: Any) -> str:
    return _argument(param) if param.required else f"[{_argument(param)}]"


def _argument(param: Any) -> str:
    return param.metavar or param.name.upper() + ("..." if param.nargs == -1 else "")


def _names(param: Any) -> str:
    if param.param_type_name == "argument":
        return f"`{_argument(param)}`"
    return ", ".join(f"`{name}`" for name in [*param.opts, *param.secondary_opts])


def _default(param: Any) -> str:
    value = param.default() if callable(param.default) else param.default
    if param.required:
        text = "required"
    elif getattr(param, "is_flag", False) and not param.secondary_opts:
        text = "on" if value else "off"
    elif getattr(param, "is_flag", False):
        text = f"`{(param.opts if value else param.secondary_opts)[0]}`"
    else:
        text = "" if value in (None, "") else f"`{value}`"
    return f"{text}, or `${param.envvar}`".lstrip(", ") if param.envvar else text


def _indented(epilog: str) -> str:
    """Show the runnable parts of an epilog as code and the rest as text."""
    text = epilog.replace("Example: ", "Example:\n").replace("\b", "")
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "\n".join(f"    {line}" if line.startswith(("bdgan ", "torchrun ")) else f"{line}\n" for line in lines)


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    from bdgan_cli.cli.app import app as bdgan_app

    PAGE.write_text(render(bdgan_app), encoding="utf-8")
    print(f"wrote {PAGE}")
