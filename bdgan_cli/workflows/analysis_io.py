"""What every analysis shares: which datasets it reads, and how its results become files.

Results are written once: a file with other content is never replaced unasked, and the same seed gives the same bytes.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from bdgan_cli.atomic import refusals_explained, sweep_temporary, write_atomically
from bdgan_cli.dataset.codecs import encode_image
from bdgan_cli.dataset.pictures import Picture
from bdgan_cli.dataset.reader import Dataset, open_dataset, split_reference
from bdgan_cli.dataset.schema import KINDS
from bdgan_cli.errors import UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.reporting.drawing import Drawn
from bdgan_cli.runs import newest_dataset

JSON_VERSION = 1


@dataclass(frozen=True)
class AnalysisConfig:
    """What to analyse, and where results go.

    Attributes:
        datasets: ``PATH`` or ``PATH@view`` each; none takes the newest dataset of the workspace.
        workspace: Where datasets are found; results go to its ``analysis/`` unless ``out`` says otherwise.
        out: Folder for the results.
        seed: Names every random choice.
        workers: Processes or threads; by default one per core.
        overwrite: Replace results that differ.
        opened: The datasets, where they are open already; ``datasets`` is not looked at then.
    """

    datasets: tuple[str, ...] = ()
    workspace: Path = Path()
    out: Path | None = None
    seed: int = 0
    workers: int | None = None
    overwrite: bool = False
    opened: tuple[Named, ...] = ()


class Named(NamedTuple):
    """A dataset under the name that figures and tables show; names are unique within one analysis."""

    name: str
    dataset: Dataset


def open_datasets(
    config: AnalysisConfig, report: Reporter | None = None, opener: Callable[[str], Dataset] = open_dataset
) -> list[Named]:
    """Open the datasets of an analysis, each under the shortest name that tells it from the others.

    Args:
        config: Names them.
        report: Is told which one was taken if none was named.
        opener: Opens one by its reference.

    Raises:
        MissingError: If there is none.
        UsageError: If one is named twice.
        DataError: If one is broken.
    """
    if config.opened:
        return list(config.opened)
    references = list(config.datasets)
    if not references:
        newest = newest_dataset(config.workspace, KINDS)
        (report or Silent()).note(f"dataset: {newest} (the newest of the workspace)")
        references = [str(newest)]
    opened = [opener(reference) for reference in references]
    if len({dataset.reference for dataset in opened}) < len(opened):
        raise UsageError(f"a dataset is named twice: {', '.join(references)}", "name each once")
    candidates = (
        [_viewed(dataset.info.name, dataset) for dataset in opened],
        [_viewed(dataset.root.name, dataset) for dataset in opened],
        [dataset.reference for dataset in opened],
    )
    names = next(names for names in candidates if len(set(names)) == len(names))
    return [Named(name, dataset) for name, dataset in zip(names, opened, strict=True)]


def results_folder(config: AnalysisConfig, datasets: Sequence[Named]) -> Path:
    """Return where results go: ``--out``, or a folder of the workspace named after the datasets."""
    if config.out is not None:
        return config.out
    joined = "+".join(Path(split_reference(entry.dataset.reference)[0]).name for entry in datasets)
    views = {entry.dataset.view for entry in datasets} - {None}
    return config.workspace / "analysis" / "@".join([joined[:120], *sorted(view for view in views if view)])


def write_results(folder: Path, files: Mapping[str, bytes], *, overwrite: bool = False) -> list[Path]:
    """Write files into a folder, all or none.

    Raises:
        UsageError: If a file of other content is there and is not to be replaced.
        BdganError: If the machine refuses to write.
    """
    if not overwrite:
        for name, content in files.items():
            path = folder / name
            if path.exists() and (not path.is_file() or path.read_bytes() != content):
                raise UsageError(f"{path} holds other results", "use --overwrite, or another folder: --out")
    with refusals_explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        sweep_temporary(folder)
    for name, content in files.items():
        write_atomically(folder / name, content)
    return [folder / name for name in files]


def write_analysis(
    config: AnalysisConfig,
    datasets: Sequence[Named],
    stem: str,
    content: Mapping[str, Any],
    *,
    tables: Mapping[str, tuple[Sequence[str], Sequence[Sequence[Any]]]],
    figures: Mapping[str, Drawn] | None = None,
    pictures: Mapping[str, Picture] | None = None,
) -> list[Path]:
    """Write what an analysis found: ``STEM.json``, ``NAME.csv`` of each table, charts as SVG and PNG, sheets as PNG.

    Raises:
        UsageError: If other results are there and are not to be replaced.
    """
    files = {f"{stem}.json": json_bytes(content)}
    files |= {f"{name}.csv": csv_bytes(*table) for name, table in tables.items()}
    files |= figure_files(figures or {})
    files |= {f"{name}.png": encode_image(picture, "png") for name, picture in (pictures or {}).items()}
    return write_results(results_folder(config, datasets), files, overwrite=config.overwrite)


def file_stem(*words: str) -> str:
    """Return a file name from words such as a dataset's name, which may be a path."""
    return "-".join(re.sub(r"[^A-Za-z0-9_.@]+", "-", word).strip("-.") for word in words)


def json_bytes(content: Mapping[str, Any]) -> bytes:
    """Return results as JSON; NaN and infinities become null, because JSON has no words for them."""
    plain = _plain({"schema_version": JSON_VERSION, **content})
    return (json.dumps(plain, indent=2, allow_nan=False) + "\n").encode()


def csv_bytes(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> bytes:
    """Return a table as CSV; NaN and None become empty cells, floats keep nine significant digits."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows([[_cell(value) for value in row] for row in rows])
    return stream.getvalue().encode()


def figure_files(figures: Mapping[str, Drawn]) -> dict[str, bytes]:
    """Return each chart as ``NAME.svg`` and ``NAME.png``."""
    files: dict[str, bytes] = {}
    for name, drawn in figures.items():
        files[f"{name}.svg"] = drawn.svg.encode()
        files[f"{name}.png"] = drawn.png
    return files


def _viewed(name: str, dataset: Dataset) -> str:
    return f"{name}@{dataset.view}" if dataset.view else name


def _cell(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    return f"{value:.9g}" if isinstance(value, float) else value


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, (list, tuple)):
        return [_plain(entry) for entry in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return str(value) if isinstance(value, Path) else value
