"""The one Typer application; each command is a plain function in a module of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

import typer

from bdgan_cli import __version__
from bdgan_cli.cli import analyze, annotate, benchmark_app, data, demo, filter, models, pretrain, sample, train_head
from bdgan_cli.ranks import refuse_several

# What several processes share; every other command is the work of one.
_SHARED = ("sample", "benchmark", "pretrain")

app = typer.Typer(
    name="bdgan",
    epilog="Start with: bdgan demo",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,  # drawing the help with rich takes longer than all the rest of it
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)


def _print_version(asked: bool) -> None:
    if asked:
        typer.echo(f"bdgan {__version__}")
        raise typer.Exit


@app.callback()
def bdgan(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_print_version, help="Print the version and exit.")
    ] = False,
) -> None:
    """Make labelled segmentation datasets from class-conditional generators."""
    if context.invoked_subcommand not in _SHARED:
        refuse_several(context.invoked_subcommand or "bdgan")


def _add(name: str, command: Callable[..., None], summary: str, examples: str) -> None:
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    app.command(name, short_help=summary, epilog="\n".join(["\b", *lines]))(command)  # \b: lines are not wrapped


_add("demo", demo.demo, "Run the whole chain on the embedded generator, and measure it.", demo.EPILOG)
_add("train-head", train_head.train_head, "Train an ensemble of segmentation heads.", train_head.EPILOG)
_add("sample", sample.sample, "Sample a labelled dataset.", sample.EPILOG)
_add("filter", filter.filter_dataset, "Leave doubtful samples out, as a view.", filter.EPILOG)
app.add_typer(annotate.annotate_app, name="annotate")
app.add_typer(analyze.analyze_app, name="analyze")
app.add_typer(benchmark_app.benchmark_app, name="benchmark")
app.add_typer(data.data_app, name="data")
app.add_typer(models.models_app, name="models")
app.add_typer(pretrain.pretrain_app, name="pretrain")
