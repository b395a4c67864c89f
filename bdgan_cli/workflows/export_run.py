"""Runs an export part by part: read, convert and write in threads; one part's queue is all that memory holds."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

from bdgan_cli.analysis.parallel import in_threads
from bdgan_cli.dataset.codecs import check_complete, decode_image, encode_image, picture_format
from bdgan_cli.dataset.exporters.exporter import Item, Record
from bdgan_cli.dataset.exporters.target import Target
from bdgan_cli.dataset.reader import decode_row, read_members
from bdgan_cli.dataset.tar import Shard
from bdgan_cli.errors import DataError
from bdgan_cli.progress import Reporter, Task
from bdgan_cli.workflows.export_plan import Job, Part
from bdgan_cli.workflows.export_result import Loss


def run_job(job: Job, target: Target, workers: int | None, report: Reporter) -> tuple[int, Loss]:
    """Convert the parts that are not finished, then make the files of the whole.

    Args:
        job: What to do.
        target: The export's folder, opened.
        workers: Threads; None takes one per core.
        report: Where progress goes.

    Returns:
        How many samples were there before, and what the format loses over all of them.

    Raises:
        DataError: If a sample is damaged, or the format cannot hold it.
        BdganError: If the machine refuses to write.
    """
    loss, resumed, waiting = Loss(), 0, []
    for part in job.parts:
        lines = target.finished(part.stem)
        if lines is None:
            waiting.append(part)
            continue
        resumed += len(lines)
        for line in lines:
            loss.add(line["key"], line["agreement"], line["ignored_px"])
    with report.task("export", len(job), "samples", done=resumed) as task:
        for part in waiting:
            _run_part(job, part, target, workers, task, loss)
    target.finish(job.exporter.finish(partial(_records, job, target)))
    return resumed, loss


def _run_part(job: Job, part: Part, target: Target, workers: int | None, task: Task, loss: Loss) -> None:
    packing = job.exporter.packing
    jobs = enumerate(job.part_rows(part), part.first)
    lines: list[Record] = []

    def packed_rows() -> Iterator[Any]:
        for line, packed in in_threads(lambda pair: _convert(job, target, part.split, *pair), jobs, workers):
            lines.append(line)
            loss.add(line["key"], line["agreement"], line["ignored_px"])
            yield packed
            task.advance()

    if packing is None:
        for _ in packed_rows():
            pass
    else:
        size = target.write_packed(packing.path(part.split, part.number), packing, packed_rows())
        lines[-1]["files"].update(size)
    target.write_part(part.stem, lines)


def _convert(job: Job, target: Target, split: str, number: int, row: dict[str, Any]) -> tuple[Record, Any]:
    converted = job.exporter.convert(read_item(job, split, number, row))
    return {"key": row["key"], **target.write_files(converted)}, converted.packed


def read_item(job: Job, split: str, number: int, row: dict[str, Any]) -> Item:
    """Read a sample and bring its labels and its picture into the form in which they go out.

    Raises:
        DataError: If it is damaged; names shard and key.
    """
    dataset = job.dataset
    path = dataset.root / "shards" / f"{row['shard']}.tar"
    where = f"{path}: {row['key']}"
    with Shard(path) as shard:
        image = read_members(shard, row, ("image",))["image"]
        record = decode_row(shard, row, ("mask", "meta"), len(dataset.info.label_names))
    mask = record.mask if record.mask is None else job.labels.relabel(record.mask, row["class_id"])
    image, image_format = _picture(image, row["image_format"], job.images, where)
    extra = (record.meta or {}).get("extra")
    size_hw = (row["height"], row["width"])
    extra = extra if isinstance(extra, dict) else {}
    return Item(row["key"], number, split, job.entries[row["class_id"]], image, image_format, size_hw, mask, row, extra)


def _picture(data: bytes, stored: str, wanted: str, where: str) -> tuple[bytes, str]:
    if picture_format(data) != stored:
        raise DataError(f"{where}: expected a {stored} picture, got {picture_format(data) or 'another kind of file'}")
    if wanted in ("keep", stored):
        check_complete(data, where)
        return data, stored
    return encode_image(decode_image(data, where), wanted), wanted


def _records(job: Job, target: Target, split: str) -> Iterator[Record]:
    for part in job.parts:
        if part.split == split:
            for line in target.lines(part.stem):
                yield line["record"]
