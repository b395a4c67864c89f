from __future__ import annotations

from typing import Annotated

import typer

from bdgan_cli.cli.app import app
from tools.make_cli_docs import PAGE, render


def test_the_page_is_what_the_commands_say() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(app), "run 'make docs'"


def test_a_command_becomes_a_section() -> None:
    toy = typer.Typer()
    sub = typer.Typer()
    toy.add_typer(sub, name="data")

    @toy.command(epilog="Examples:\n\nbdgan make a --rate 0.5")
    def make(
        name: Annotated[str, typer.Argument(help="What to make.")],
        base: Annotated[str, typer.Argument(metavar="BASE[@VIEW]", help="On what.")] = "",
        rate: Annotated[float, typer.Option("--rate", help="How much | how often.")] = 0.9,
        each: Annotated[bool, typer.Option("--each/--all", help="One by one.")] = True,
        as_json: Annotated[bool, typer.Option("--json", envvar="X_JSON")] = False,
    ) -> None:
        """Make something."""

    @sub.command("info")
    def info() -> None:
        """Tell."""

    page = render(toy)
    assert "## bdgan make\n\n    bdgan make NAME [BASE[@VIEW]] [OPTIONS]\n\nMake something.\n" in page
    assert "| `NAME` | required | What to make. |" in page
    assert "| `BASE[@VIEW]` |  | On what. |" in page
    assert "| `--rate` | `0.9` | How much \\| how often. |" in page
    assert "| `--each`, `--all` | `--each` | One by one. |" in page
    assert "| `--json` | off, or `$X_JSON` |  |" in page
    assert "Examples:\n\n    bdgan make a --rate 0.5\n" in page
    assert page.endswith("## bdgan data info\n\n    bdgan data info\n\nTell.\n")
