"""One training and its tests: resumable, and kept as files that the study reads again."""

from __future__ import annotations

import io
import json
import struct
import time
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from bdgan_cli.atomic import sweep_temporary, write_atomically
from bdgan_cli.errors import DataError
from bdgan_cli.evaluation.counts import Counts
from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.evaluation.segmenters import Segmenter, build_segmenter
from bdgan_cli.evaluation.trainer import SegmenterTrainer
from bdgan_cli.progress import Reporter
from bdgan_cli.runtime import Runtime
from bdgan_cli.training.checkpoints import CHECKPOINT_FILE, check_same, read_checkpoint, write_checkpoint
from bdgan_cli.training.loop import Course, Figures, run_steps
from bdgan_cli.workflows.analysis_io import json_bytes
from bdgan_cli.workflows.benchmark.parts import FittedSource
from bdgan_cli.workflows.benchmark.testing import Tested, measure

# What json, numpy and zipfile raise for files that are damaged.
_DAMAGE = (
    ValueError, KeyError, TypeError, AttributeError, OSError, EOFError, RuntimeError, MemoryError, SyntaxError,
    tokenize.TokenError, struct.error, zipfile.BadZipFile, zlib.error,
)  # fmt: skip
RESULT_FILE, COUNTS_FILE = "result.json", "counts.npz"


class Batches(Protocol):
    """Feeds a training; see :class:`bdgan_cli.training.feeder.Feeder`."""

    @property
    def waiting_share(self) -> float:
        """Share of the time that steps waited."""
        ...

    def __iter__(self) -> Iterator[Any]:
        """Yield batches."""
        ...


@dataclass(frozen=True)
class RunJob:
    """A training and its tests.

    Attributes:
        label: Names it to people.
        folder: Where its files go.
        recipe: How to train.
        steps: Steps to make.
        labels: Number of labels with background.
        backbone: Initial weights of the backbone; None for random ones.
        feed: Makes the batches of the steps from a given one on.
        tests: What to test on, by name.
        seed: Names initial weights, order, views and dropout.
        identity: Everything that the result depends on, as plain values.
    """

    label: str
    folder: Path
    recipe: Recipe
    steps: int
    labels: int
    backbone: Mapping[str, Tensor] | None
    feed: Callable[[int], Batches]
    tests: Mapping[str, FittedSource]
    seed: int
    identity: Mapping[str, Any]


@dataclass(frozen=True)
class RunRecord:
    """What a run gave.

    Attributes:
        figures: Loss, steps, seconds, waiting share and the like.
        tested: What each test found, by its name.
    """

    figures: Mapping[str, Any]
    tested: Mapping[str, Tested]


def run_once(job: RunJob, runtime: Runtime, report: Reporter) -> RunRecord:
    """Train and test, or read what an earlier call of the same job left.

    Raises:
        UsageError: If the folder holds another run.
        DataError: If a sample, a checkpoint or a result is damaged.
        BdganError: If the training diverges or the machine refuses to write.
    """
    done = read_record(job)
    if done is not None:
        if runtime.is_first:
            _clear(job)  # it may have been killed just here
        return done
    started = time.perf_counter()
    segmenter, figures = _train(job, runtime, report)
    trained = time.perf_counter()
    tested = {
        name: measure(segmenter, source, job.labels, runtime, report, f"testing {job.label} on {name}")
        for name, source in job.tests.items()
    }
    figures |= {"training_seconds": trained - started, "testing_seconds": time.perf_counter() - trained}
    record = RunRecord(figures, tested)
    if runtime.is_first:
        _write_record(job, record)
        _clear(job)
    runtime.barrier()
    return record


def _clear(job: RunJob) -> None:
    """Remove what a finished run needs no more, and what killed processes were writing."""
    (job.folder / CHECKPOINT_FILE).unlink(missing_ok=True)
    sweep_temporary(job.folder)


def read_record(job: RunJob) -> RunRecord | None:
    """Read a finished run, None if there is none.

    Raises:
        UsageError: If it is another run's; names the first difference.
        DataError: If it is damaged.
    """
    path = job.folder / RESULT_FILE
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        check_same(path, content["identity"], json.loads(json.dumps(job.identity)))
        packed = io.BytesIO((job.folder / COUNTS_FILE).read_bytes())
        with np.load(packed, allow_pickle=False) as arrays:
            tested = {name: _tested(arrays, place) for place, name in enumerate(content["tests"])}
        return RunRecord(dict(content["figures"]), tested)
    except _DAMAGE as error:
        raise DataError(f"{path} is damaged: {error}", "remove its folder, or start again: --overwrite") from error


def _train(job: RunJob, runtime: Runtime, report: Reporter) -> tuple[Segmenter, dict[str, Any]]:
    checkpoint = job.folder / CHECKPOINT_FILE
    torch.manual_seed(job.seed)
    segmenter = build_segmenter(job.recipe.segmenter, job.labels, job.backbone)
    trainer = SegmenterTrainer(segmenter, job.recipe, job.steps, job.seed, runtime)
    state = read_checkpoint(checkpoint, job.identity)
    if state is not None:
        trainer.set_state(state)
        report.note(f"{job.label}: going on after step {trainer.step}")
    first, started = trainer.step, time.perf_counter()
    feeder = job.feed(first)
    batches = iter(feeder)
    recent: list[Figures] = list(state.get("recent", ()) if state else ())
    course = Course(
        f"training {job.label}",
        job.folder,
        lambda: write_checkpoint(checkpoint, {**trainer.state(), "recent": recent}, job.identity),
        recent=recent,
    )
    try:
        figures = run_steps(trainer, job.steps, lambda: trainer.advance(batches), course, report, runtime=runtime)
    finally:
        if isinstance(batches, Iterator) and hasattr(batches, "close"):
            batches.close()
    seconds = time.perf_counter() - started
    made = (trainer.step - first) * job.recipe.batch
    return segmenter, {
        "loss": figures.get("loss"),
        "steps": job.steps,
        "samples_seen": job.steps * job.recipe.batch,
        "waiting_share": feeder.waiting_share,
        "images_per_second": made / seconds if made else None,
    }


def _write_record(job: RunJob, record: RunRecord) -> None:
    arrays: dict[str, np.ndarray] = {}
    for place, tested in enumerate(record.tested.values()):
        named = {**tested.counts._asdict(), "rows_E": tested.rows_E, "predictions_EHW": tested.predictions_EHW}
        arrays |= {f"{place}.{name}": values for name, values in named.items()}
    packed = io.BytesIO()
    np.savez_compressed(packed, allow_pickle=False, **arrays)
    write_atomically(job.folder / COUNTS_FILE, packed.getvalue())
    content = {
        "identity": job.identity,
        "figures": record.figures,
        "tests": {name: {"mean_iou": tested.counts.mean_iou()} for name, tested in record.tested.items()},
    }
    write_atomically(job.folder / RESULT_FILE, json_bytes(content))


def _tested(arrays: Mapping[str, np.ndarray], place: int) -> Tested:
    counts = Counts(*(arrays[f"{place}.{name}"] for name in Counts._fields))
    return Tested(counts, arrays[f"{place}.rows_E"], arrays[f"{place}.predictions_EHW"])
