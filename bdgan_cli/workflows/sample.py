"""``bdgan sample``: a labelled dataset of any size from a generator and its heads (paper 3.2, supplement A.1)."""

from __future__ import annotations

import math
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from bdgan_cli.dataset.writer import DatasetWriter, check_may_write, encode_sample, open_for_writing, writer_lock
from bdgan_cli.heads.files import check_generator, read_card
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runtime import Runtime, start_runtime
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.labelling import Labeller
from bdgan_cli.workflows.pipeline import overlapped
from bdgan_cli.workflows.sample_plan import SamplePlan, estimated_bytes
from bdgan_cli.workflows.sampler import (
    SampleConfig,
    choose_head,
    describe,
    folder_of,
    open_sampler,
    plan_sample,
    settled,
)

__all__ = ["SampleConfig", "SamplePreview", "SampleResult", "preview_sample", "sample"]


@dataclass(frozen=True)
class SamplePreview:
    """What a run would do: the plan, the folder, the head and an estimate of the size in bytes."""

    plan: SamplePlan
    folder: Path
    head: Path | None
    shards: int
    bytes_estimate: int


@dataclass(frozen=True)
class SampleResult:
    """What a run did.

    Attributes:
        folder: The dataset.
        samples: Samples in it now.
        made: Samples that this process made in this run.
        seconds: Wall time of sampling, without loading the models.
        network_share: Share of this process's CPU time that generator, heads and classifier took, in [0, 1]; the rest
            is drawing, scoring, encoding, hashing and writing. None on a GPU, or if nothing was made.
    """

    folder: Path
    samples: int
    made: int
    seconds: float
    network_share: float | None

    @property
    def images_per_second(self) -> float:
        """Labelled samples per second of this process."""
        return self.made / self.seconds if self.seconds else 0.0


def preview_sample(config: SampleConfig, report: Reporter | None = None) -> SamplePreview:
    """Say what :func:`sample` would do, without computing a picture.

    Raises:
        BdganError: For everything that would stop the run before its first sample; compiling is not tried.
    """
    report = report or Silent()
    config = settled(config, report)
    generator = load_generator(config.generator)
    plan = plan_sample(config, generator)
    folder = folder_of(config)
    head = choose_head(config, report)
    card = None
    if head is not None:
        card = read_card(head)
        check_generator(head, card, config.generator, find_card(config.generator).sha256)
    check_may_write(folder, describe(config, plan, generator, card), overwrite=config.overwrite)
    size = estimated_bytes(plan, generator.image_size, math.prod(generator.latent.shape))
    return SamplePreview(plan, folder, head, len(list(plan.shards())), size)


def sample(config: SampleConfig, report: Reporter | None = None, runtime: Runtime | None = None) -> SampleResult:
    """Sample a dataset; a dataset that was begun with the same plan is continued, a smaller one extended.

    Args:
        config: What to sample.
        report: Where progress goes.
        runtime: The processes that share the work; by default those that were started together.

    Raises:
        UsageError: If an option cannot be right, or the folder holds something else.
        MissingError: If the generator or a trained head is missing.
        DataError: If weights are damaged.
    """
    report = report or Silent()
    runtime = runtime or start_runtime(config.device, config.workers)
    sampler = open_sampler(config, runtime, report)
    labeller, plan, info = sampler.labeller, sampler.labeller.plan, sampler.info
    folder = folder_of(sampler.config)
    writer = DatasetWriter(folder, info)
    with ExitStack() as until_done:
        if runtime.is_first:
            until_done.enter_context(writer_lock(folder))
            check_may_write(folder, info, overwrite=config.overwrite)
        if plan.compiled and (config.overwrite or runtime.first_alone(lambda: _missing(writer, plan))):
            _compile(labeller, config, report)
            runtime.barrier()  # --overwrite removes nothing where one of the processes cannot compile
        if runtime.is_first:
            open_for_writing(folder, info, overwrite=config.overwrite)
        runtime.barrier()
        # The first process looks, before any writes: each would see another state of the folder.
        missing = runtime.first_alone(lambda: _missing(writer, plan))
        started, cpu_started = time.perf_counter(), time.process_time()
        made = _write_shards(missing, writer, labeller, runtime, report)
        seconds, cpu_seconds = time.perf_counter() - started, time.process_time() - cpu_started
        runtime.barrier()
        if runtime.is_first:
            writer.finalize()
    share = labeller.network_seconds / cpu_seconds if made and runtime.device.type == "cpu" else None
    return SampleResult(folder, plan.samples, made, seconds, share)


def _compile(labeller: Labeller, config: SampleConfig, report: Reporter) -> None:
    report.note("compiling the networks, which takes some minutes the first time")
    try:
        labeller.compile()
    except KeyboardInterrupt:
        if config.overwrite:
            report.note("nothing is overwritten yet: --overwrite is needed again")
        raise


def _missing(writer: DatasetWriter, plan: SamplePlan) -> list[int]:
    """Return the positions of the plan's shards that are not there yet."""
    return [i for i, shard in enumerate(plan.shards()) if writer.finished(shard.stem) != shard.rows]


def _write_shards(
    missing: list[int], writer: DatasetWriter, labeller: Labeller, runtime: Runtime, report: Reporter
) -> int:
    """Write this process's share of the missing shards; return how many samples were made."""
    plan = labeller.plan
    shards = list(plan.shards())
    todo = [shards[missing[i]] for i in runtime.share(len(missing))]
    made = 0
    batches = [batch for shard in todo for batch in shard.batches]
    encoded = overlapped(
        batches, labeller.make, lambda made: encode_sample(made, plan.image_format), runtime.workers, runtime.encoders
    )
    done = (plan.samples - sum(shards[i].rows for i in missing)) // runtime.world_size
    total = done + sum(shard.rows for shard in todo)
    with report.task(f"sampling {labeller.generator.name}", total, "samples", done) as task:
        for shard in todo:
            writer.write_encoded(shard.stem, [item for _ in shard.batches for item in next(encoded)])
            made += shard.rows
            task.advance(shard.rows)
    return made
