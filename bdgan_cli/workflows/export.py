"""``bdgan data export``: a dataset or view in the layout of another tool."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from pathlib import Path

from bdgan_cli.atomic import folder_lock
from bdgan_cli.dataset.exporters.exporter import ExportOptions
from bdgan_cli.dataset.exporters.target import Target, read_manifest
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.workflows.data import ChosenDataset, resolve
from bdgan_cli.workflows.export_plan import Job, make_job
from bdgan_cli.workflows.export_result import ExportResult, Loss
from bdgan_cli.workflows.export_run import run_job


@dataclass(frozen=True)
class ExportConfig:
    """What to export and how.

    Attributes:
        to: A format of ``dataset/exporters/registry.py``.
        out: The export's folder.
        dataset: Which dataset or view.
        splits: ``train=0.8,val=0.2``: drawn anew; None keeps the dataset's own.
        split_seed: Names the draw.
        task: A task's name, or the path of its file: its classes alone go out, with its labels.
        labels: ``masks`` or ``classes``: what mask values mean; None takes what the format is used to.
        images: ``keep``, ``jpg`` (quality 95) or ``png``; None takes what the format is used to.
        options: What only some formats can do.
        part_samples: Samples in a part, the unit of resuming.
        workers: Threads; None takes one per core.
        dry_run: Say what would be written, and write nothing.
        overwrite: Replace the export that is there.
    """

    to: str
    out: Path
    dataset: ChosenDataset = field(default_factory=ChosenDataset)
    splits: str | None = None
    split_seed: int = 0
    task: str | None = None
    labels: str | None = None
    images: str | None = None
    options: ExportOptions = field(default_factory=ExportOptions)
    part_samples: int = 500
    workers: int | None = None
    dry_run: bool = False
    overwrite: bool = False


def export(config: ExportConfig, report: Reporter | None = None) -> ExportResult:
    """Write a dataset or view in another layout.

    An export that was interrupted goes on when it is started again, and ends with the same bytes.

    Args:
        config: What to export and how.
        report: Where notes and progress go.

    Raises:
        MissingError: If there is no dataset.
        UsageError: If an option is wrong, or the folder holds something else.
        DataError: If a sample is damaged, or the format cannot hold it.
        BdganError: If the machine refuses to write.
    """
    started = time.monotonic()
    report = report or Silent()
    dataset = open_dataset(resolve(config.dataset, report))
    job = make_job(config, dataset)
    read_manifest(config.out)  # a folder of something else is refused on a dry run, too
    if config.dry_run:
        return _result(job, config, Loss(), started)
    target = Target(config.out, job.content, job.exporter.owns)
    config.out.mkdir(parents=True, exist_ok=True)
    with folder_lock(config.out):
        if target.open(overwrite=config.overwrite):
            report.note(f"{config.out} is complete already")
            return _result(job, config, Loss(), started, written=True, resumed=len(job))
        resumed, loss = run_job(job, target, config.workers, report)
    return _result(job, config, loss, started, written=True, resumed=resumed)


def _result(
    job: Job, config: ExportConfig, loss: Loss, started: float, *, written: bool = False, resumed: int = 0
) -> ExportResult:
    return ExportResult(
        root=config.out,
        to=config.to,
        written=written,
        samples=len(job),
        resumed=resumed,
        left_out=job.left_out,
        splits=dict(job.plan.splits),
        label_names=job.plan.label_names,
        loss=loss,
        seconds=time.monotonic() - started,
    )
