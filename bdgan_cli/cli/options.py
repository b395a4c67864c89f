"""Options that several commands share, so that one idea has one name and one help text.

A command takes them as annotations and gives the default beside them::

    def sample(workspace: WorkspaceOption = DEFAULT_WORKSPACE, as_json: JsonOption = False) -> None: ...
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

DEFAULT_GENERATOR = "tiny-biggan"
DEFAULT_WORKSPACE = Path()

WorkspaceOption = Annotated[
    Path,
    typer.Option(
        "--workspace",
        envvar="BDGAN_WORKSPACE",
        file_okay=False,
        help="Folder where heads and datasets are found and written.",
    ),
]
GenOption = Annotated[str, typer.Option("--gen", help="Generator; see 'bdgan models list'.")]
SeedOption = Annotated[
    int, typer.Option("--seed", min=0, help="Names the random stream; the same seed, the same bytes.")
]
DeviceOption = Annotated[str, typer.Option("--device", help="'auto', 'cpu', 'cuda' or 'cuda:N'.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout instead of tables.")]
DryRunOption = Annotated[bool, typer.Option("--dry-run", help="Print what would be done, and do nothing.")]
OverwriteOption = Annotated[bool, typer.Option("--overwrite", help="Replace an output that exists.")]
DatasetsArgument = Annotated[
    list[str] | None, typer.Argument(help="PATH or PATH@view each; default: the newest dataset.")
]
ReferenceOption = Annotated[
    str | None, typer.Option("--reference", help="PATH or PATH@view of the pictures that FID and KID compare with.")
]
ResultsOption = Annotated[
    Path | None, typer.Option("--out", help="Folder for results; default: analysis/ of the workspace.", file_okay=False)
]
ThreadsOption = Annotated[int | None, typer.Option("--workers", min=1, help="Threads; default: one per core.")]
ImportOutOption = Annotated[Path | None, typer.Option("--out", help="Dataset to write; in the workspace by default.")]
LicenceOption = Annotated[str, typer.Option("--licence", "--license", help="Such as CC-BY-4.0.")]
ProvenanceOption = Annotated[str | None, typer.Option("--provenance", help="Where the pictures come from.")]
SkipOddOption = Annotated[
    bool, typer.Option("--skip-odd", help="Leave out samples with something odd, and import the rest.")
]
MaskMapOption = Annotated[
    str | None, typer.Option("--mask-map", help="What mask values mean: 0=0,255=1 or '#ff0000=1,#000000=0'.")
]
MaskLabelsOption = Annotated[
    str | None, typer.Option("--labels", help="Names of the mask values 0, 1, ...; default: what the source says.")
]
ResumeOption = Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint of this run.")]
QuietOption = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no notes on stderr.")]
