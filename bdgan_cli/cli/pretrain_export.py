"""``bdgan pretrain export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bdgan_cli.cli import terminal
from bdgan_cli.cli.options import (
    DEFAULT_WORKSPACE,
    DryRunOption,
    JsonOption,
    OverwriteOption,
    WorkspaceOption,
)

EPILOG = """Examples:

bdgan pretrain export stage2 --to detectron2 --out d2

bdgan pretrain export backbones/stage2 --to mmseg --out mmseg"""


def export(
    backbone: Annotated[str, typer.Argument(metavar="BACKBONE", help="Its name in the workspace, or its folder.")],
    to: Annotated[str, typer.Option("--to", help="'torchvision', 'timm', 'detectron2' or 'mmseg'.")],
    out: Annotated[Path, typer.Option("--out", file_okay=False, help="Folder for weights, configs and README.")],
    workspace: WorkspaceOption = DEFAULT_WORKSPACE,
    overwrite: OverwriteOption = False,
    dry_run: DryRunOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a backbone as another tool loads it, with the configs of the paper's downstream runs."""
    from bdgan_cli.workflows.export_backbone import ExportBackboneConfig, export_backbone

    config = ExportBackboneConfig(backbone, to, out, workspace, overwrite, dry_run)
    facts = export_backbone(config).figures
    if as_json:
        terminal.emit_json(facts)
    else:
        terminal.table("", ["what", "value"], [(key, _told(value)) for key, value in facts.items()])


def _told(value: object) -> object:
    return "  ".join(map(str, value)) if isinstance(value, list) else value
