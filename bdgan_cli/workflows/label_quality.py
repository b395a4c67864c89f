"""Label quality against the truth: possible wherever the generator knows the exact masks of its samples."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice

import numpy as np
import torch
from numpy.typing import NDArray

from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.evaluation.masks import foreground_iou
from bdgan_cli.interfaces import Generator, KnowsTruth, Latents
from bdgan_cli.progress import Reporter, Silent

_CHUNK = 64


@dataclass(frozen=True)
class LabelQuality:
    """Each sample's agreement with the truth, in the order of the dataset's table.

    Attributes:
        keys: N keys.
        class_ids: (N,) class ids.
        iou: (N,) foreground IoU of the label with the exact mask, in [0, 1].
    """

    keys: list[str]
    class_ids: NDArray[np.int64]
    iou: NDArray[np.float64]

    def by_class(self, rows: NDArray[np.bool_] | None = None) -> dict[int, float]:
        """Return the mean IoU of each class over the chosen rows; NaN for a class without any."""
        chosen = np.ones(len(self.iou), dtype=np.bool_) if rows is None else rows
        means = {}
        for class_id in np.unique(self.class_ids):
            values = self.iou[chosen & (self.class_ids == class_id)]
            means[int(class_id)] = float(values.mean()) if len(values) else float("nan")
        return means


def measure_label_quality(dataset: Dataset, generator: Generator, report: Reporter | None = None) -> LabelQuality:
    """Compare every label of a dataset with the exact mask of its latent.

    Raises:
        UsageError: If the generator knows no truth, or did not make this dataset.
        DataError: If a sample is damaged.
    """
    report = report or Silent()
    if not isinstance(generator, KnowsTruth):
        raise UsageError(f"{generator.name} does not know exact masks", "only procedural worlds do: --gen tiny-biggan")
    if dataset.info.generator is None or dataset.info.generator.name != generator.name:
        raise UsageError(f"{dataset.reference} was not made by {generator.name}", "see bdgan data info")
    class_ids = np.asarray(dataset.table["class_id"].to_numpy(), dtype=np.int64)
    truncations = np.asarray(dataset.table["truncation"].to_numpy(), dtype=np.float32)
    records = dataset.iterate(("mask", "latent"))
    iou = np.empty(len(dataset))
    with report.task("comparing with the truth", len(dataset), "samples") as task:
        for start in range(0, len(dataset), _CHUNK):
            part = list(islice(records, _CHUNK))
            rows = slice(start, start + len(part))
            latents = Latents(
                torch.from_numpy(np.stack([record.latent for record in part if record.latent is not None])),
                torch.from_numpy(class_ids[rows]),
                torch.from_numpy(truncations[rows]),
            )
            truth = generator.truth(latents).cpu().numpy()
            labels = np.stack([record.mask for record in part if record.mask is not None])
            iou[rows] = foreground_iou(labels, truth)
            task.advance(len(part))
    return LabelQuality(dataset.keys(), class_ids, iou)
