"""Label Studio: pictures, ``tasks.json`` and ``label_config.xml``; the result is what Label Studio exports as JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath

from bdgan_cli.dataset.annotation.tool import Pick, Returned, SizeHW, fault, paint
from bdgan_cli.dataset.importers.json_file import load_json
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.interchange.labelstudio import (
    Task,
    format_config,
    format_task,
    local_file,
    pack_brushes,
    parse_tasks,
)
from bdgan_cli.dataset.interchange.polygons import label_masks
from bdgan_cli.errors import DataError, MissingError


class LabelStudioTool:
    """See the module."""

    def hand_out(self, picks: Iterable[Pick], labels: Sequence[str], folder: str) -> Iterator[tuple[str, bytes]]:
        """Yield pictures, the tasks with guesses as predictions, and the labelling interface."""
        tasks = []
        for pick in picks:
            place = f"images/{pick.key}.{pick.image_format}"
            yield place, pick.image
            masks = [] if pick.guess is None else [(labels[value], pixels) for value, pixels in label_masks(pick.guess)]
            task = format_task(pick.key, local_file(f"{folder}/{place}"), pick.size_hw, masks, predicted=True)
            tasks.append(task if masks else {"data": task["data"]})
        yield "tasks.json", json.dumps(tasks, ensure_ascii=False, separators=(",", ":")).encode()
        yield "label_config.xml", format_config(labels[1:]).encode()

    def read(
        self, result: Path, planned: Mapping[str, SizeHW], labels: Sequence[str], faults: list[Fault]
    ) -> Iterator[Returned]:
        """Read every task of the export."""
        if not result.is_file():
            message = f"expected the JSON that Label Studio exported, got {result}"
            raise MissingError(message, "bdgan annotate collect PLAN project-1.json")
        for task, errors in parse_tasks(load_json(result, result.name, hook=pack_brushes), result.name):
            faults += [fault(result.name, error) for error in errors]
            if task is None or errors:
                continue
            try:
                yield from self._read_task(task, planned, labels, faults)
            except DataError as error:
                faults.append(fault(result.name, error))

    def _read_task(
        self, task: Task, planned: Mapping[str, SizeHW], labels: Sequence[str], faults: list[Fault]
    ) -> Iterator[Returned]:
        stems = [PurePosixPath(name).stem for name in task.names]
        named = next((stem for stem in stems if stem in planned), "")
        if not named or task.key not in ("", named):
            told = f"{task.names[0]!r}" + (f" with the key {task.key!r}" if task.key else "")
            raise DataError(f"{task.place}: expected a picture of this plan, got {told}")
        size_hw = planned[named]
        if any(task.size_hw) and task.size_hw != size_hw:
            got = f"{task.size_hw[1]}x{task.size_hw[0]}"
            raise DataError(f"{task.place}: expected a picture of {size_hw[1]}x{size_hw[0]} pixels, got {got}")
        if task.regions is None:
            yield Returned(named, task.place, None, None)
            return
        mask, odd = paint(task.regions, labels, size_hw)
        faults += [fault(task.place, error) for error in odd]
        if not odd:
            yield Returned(named, task.place, mask, None)
