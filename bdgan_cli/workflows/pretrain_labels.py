"""Labelled pictures for the joint stage: a dataset's own labels, or those of a task."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from bdgan_cli.dataset.masks import ignore_value
from bdgan_cli.dataset.raw_pictures import Picture, names_sha256
from bdgan_cli.dataset.reader import Dataset, decode_row, open_dataset
from bdgan_cli.dataset.tar import Shard
from bdgan_cli.errors import DataError
from bdgan_cli.pretraining.networks import IGNORED
from bdgan_cli.tasks.label_map import LabelMap
from bdgan_cli.tasks.registry import find_task

_COLUMNS = ["key", "class_id", "shard", "image_format", "height", "width"]
_PLACES = [f"{member}_{part}" for member in ("image", "mask") for part in ("offset", "size")]


class LabelledSet:
    """The samples of a dataset or view that have a mask and belong to the task.

    Args:
        dataset: As it was opened.
        task: Name of a task, or path of a user's; None for the dataset's own labels.

    Attributes:
        labels: Mask labels with background.
        label_names: Their names.
        skipped: Samples left out, as they have no mask or are of no class of the task.
        sha256: Of the names and masks of those that are left.

    Raises:
        UsageError: If the task is unknown or does not fit the dataset.
        DataError: If no sample is left.
    """

    def __init__(self, dataset: Dataset, task: str | None = None) -> None:
        self._dataset = dataset
        chosen = find_task(task) if task is not None else None
        self._map = LabelMap.bind(chosen, dataset.info) if chosen is not None else None
        self.label_names = chosen.label_names if chosen is not None else dataset.info.label_names
        self.labels = len(self.label_names)
        table = dataset.table.filter(pc.greater_equal(dataset.table["mask_offset"], 0))
        if not len(table):
            raise DataError(
                f"{dataset.reference} holds {len(dataset)} samples and no masks: the joint stage learns from masks",
                "sample a labelled dataset: bdgan sample --help, or pre-train without: bdgan pretrain contrastive",
            )
        if self._map is not None:
            takes = self._map.takes
            table = table.filter(np.array([takes(class_id) for class_id in table["class_id"].to_pylist()], np.bool_))
        if not len(table):
            raise DataError(f"{dataset.reference} holds no sample of task {task}", f"bdgan data tasks {task}")
        self._rows = table.select(_COLUMNS + _PLACES).combine_chunks()
        self.skipped = len(dataset) - len(table)
        hashes = zip(table["key"].to_pylist(), table["mask_sha256"].to_pylist(), strict=True)
        self.sha256 = names_sha256(f"{key} {digest}".encode() for key, digest in hashes)

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, row: int) -> str:
        """Return the dataset and the sample's key."""
        return f"{self._dataset.reference}: {self._rows['key'][row].as_py()}"

    def read(self, row: int) -> tuple[Picture, NDArray[np.int16]]:
        """Read a picture and its mask, labels 0..L-1 or -1 to be ignored.

        Raises:
            DataError: If it is damaged.
        """
        values = self._rows.slice(row, 1).to_pylist()[0]
        with Shard(self._dataset.root / "shards" / f"{values['shard']}.tar") as shard:
            record = decode_row(shard, values, ("image", "mask"), len(self._dataset.info.label_names))
        assert record.image is not None
        assert record.mask is not None
        mask = record.mask if self._map is None else self._map.apply(record.mask, values["class_id"])
        signed = mask.astype(np.int16)
        signed[mask == ignore_value(mask)] = IGNORED
        return record.image, signed


def open_labelled(reference: str, task: str | None) -> LabelledSet:
    """Open ``PATH`` or ``PATH@view``.

    Raises:
        BdganError: See :class:`LabelledSet`; or if there is no such dataset.
    """
    return LabelledSet(open_dataset(reference), task)
