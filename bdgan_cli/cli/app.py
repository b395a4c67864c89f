"""The one Typer application; each command is a plain function in a module of its own."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Annotated

import typer

from bdgan_cli import __version__

app = typer.Typer(
    name="bdgan",
    help="Make labelled segmentation datasets from class-conditional generators.",
    epilog="Start with: bdgan demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"bdgan {__version__}")
        raise typer.Exit()


@app.callback()
def bdgan(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Make labelled segmentation datasets from class-conditional generators."""


# PROVISIONAL: becomes plain imports once all command modules are there.
for _name, _module, _attr in (
    ("demo", "demo", "demo"),
    ("train-head", "train_head", "train_head"),
    ("sample", "sample", "sample"),
    ("filter", "filter", "filter_dataset"),
    ("models", "models", "models_app"),
    ("data", "data", "data_app"),
):
    if find_spec(f"bdgan_cli.cli.{_module}"):
        _object = getattr(import_module(f"bdgan_cli.cli.{_module}"), _attr)
        if isinstance(_object, typer.Typer):
            app.add_typer(_object, name=_name)
        else:
            app.command(_name)(_object)
