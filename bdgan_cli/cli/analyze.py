"""``bdgan analyze``: what a dataset's masks and pictures are like, side by side with others."""

from __future__ import annotations

from collections.abc import Callable

import typer

from bdgan_cli.cli import (
    analyze_centers,
    analyze_figures,
    analyze_geometry,
    analyze_quality,
    analyze_report,
    analyze_shapes,
)

analyze_app = typer.Typer(
    no_args_is_help=True,
    help="Analyse masks and pictures of one or more datasets; results go to analysis/ of the workspace.",
)


def _add(name: str, command: Callable[..., None], examples: str) -> None:
    lines = [line.strip() for line in examples.splitlines() if line.strip()]
    analyze_app.command(name, epilog="\n".join(["\b", *lines]))(command)


_add("centers", analyze_centers.centers, analyze_centers.EPILOG)
_add("geometry", analyze_geometry.geometry, analyze_geometry.EPILOG)
_add("shapes", analyze_shapes.shapes, analyze_shapes.EPILOG)
_add("quality", analyze_quality.quality, analyze_quality.EPILOG)
_add("figures", analyze_figures.figures, analyze_figures.EPILOG)
_add("report", analyze_report.report, analyze_report.EPILOG)
analyze_app.command("all", hidden=True)(analyze_report.report)
