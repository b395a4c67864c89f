"""The group ``bdgan benchmark``: a study by itself, the truncation sweep and the transfer as subcommands."""

from __future__ import annotations

import typer

from bdgan_cli.cli import benchmark, benchmark_transfer, benchmark_truncation


def _lines(examples: str) -> str:
    return "\n".join(["\b", *(line.strip() for line in examples.splitlines() if line.strip())])


benchmark_app = typer.Typer()
benchmark_app.callback(invoke_without_command=True, epilog=_lines(benchmark.EPILOG))(benchmark.benchmark)
benchmark_app.command("truncation", epilog=_lines(benchmark_truncation.EPILOG))(benchmark_truncation.truncation)
benchmark_app.command("transfer", epilog=_lines(benchmark_transfer.EPILOG))(benchmark_transfer.transfer)
