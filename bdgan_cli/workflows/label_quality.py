"""Label quality: against the exact masks where a generator knows them, against a measured oracle elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from bdgan_cli.dataset.reader import Dataset, Record
from bdgan_cli.errors import UsageError
from bdgan_cli.evaluation.masks import foreground_iou
from bdgan_cli.interfaces import Generator, KnowsTruth, Latents
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.weights.card import companion
from bdgan_cli.weights.registry import load_model

_CHUNK = 64
# Maps records, class ids and truncations of some samples to (N, H, W) masks.
MaskSource: TypeAlias = Callable[[list[Record], NDArray[np.int64], NDArray[np.float32]], NDArray[np.uint8]]


@dataclass(frozen=True)
class LabelQuality:
    """Each sample's agreement with the truth, in the order of the dataset's table.

    Attributes:
        keys: N keys.
        class_ids: (N,) class ids.
        iou: (N,) foreground IoU of the label with the reference mask, in [0, 1].
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


@dataclass(frozen=True)
class Reference:
    """Where reference masks come from.

    Attributes:
        member: What it reads of a sample: ``latent`` or ``image``.
        masks: Makes them.
    """

    member: str
    masks: MaskSource


def measure_label_quality(dataset: Dataset, generator: Generator, report: Reporter | None = None) -> LabelQuality:
    """Compare every label of a dataset with its reference mask.

    Raises:
        UsageError: If there is neither truth nor oracle for the generator, or it did not make this dataset.
        DataError: If a sample is damaged.
    """
    report = report or Silent()
    reference = reference_of(generator)
    if dataset.info.generator is None or dataset.info.generator.name != generator.name:
        raise UsageError(f"{dataset.reference} was not made by {generator.name}", "see bdgan data info")
    class_ids = np.asarray(dataset.table["class_id"].to_numpy(), dtype=np.int64)
    truncations = np.asarray(dataset.table["truncation"].to_numpy(), dtype=np.float32)
    records = dataset.iterate(("mask", reference.member))
    iou = np.empty(len(dataset))
    with report.task("comparing with the truth", len(dataset), "samples") as task:
        for start in range(0, len(dataset), _CHUNK):
            part = list(islice(records, _CHUNK))
            rows = slice(start, start + len(part))
            labels = np.stack([record.mask for record in part if record.mask is not None])
            iou[rows] = foreground_iou(labels, reference.masks(part, class_ids[rows], truncations[rows]))
            task.advance(len(part))
    return LabelQuality(dataset.keys(), class_ids, iou)


def reference_of(generator: Generator) -> Reference:
    """Return the exact masks of a procedural world, or else those of the segmenter of the generator's domain.

    Raises:
        UsageError: If there is neither.
    """
    if isinstance(generator, KnowsTruth):
        return Reference("latent", _exact(generator))
    oracle = companion(generator.name, "segmenter")
    if oracle is None:
        raise UsageError(
            f"{generator.name} does not know exact masks, and no segmenter is known for its pictures",
            "the embedded generators have references: --gen tiny-biggan or --gen tiny-vqgan",
        )
    return Reference("image", _by_oracle(load_model(oracle, "segmenter")))


def _exact(generator: KnowsTruth) -> MaskSource:
    def masks(
        records: list[Record], class_ids: NDArray[np.int64], truncations: NDArray[np.float32]
    ) -> NDArray[np.uint8]:
        values = np.stack([record.latent for record in records if record.latent is not None])
        latents = Latents(*map(torch.tensor, (values, class_ids, truncations)))
        truth: NDArray[np.uint8] = generator.truth(latents).cpu().numpy()
        return truth

    return masks


def _by_oracle(segmenter: torch.nn.Module) -> MaskSource:
    @torch.inference_mode()
    def masks(
        records: list[Record], class_ids: NDArray[np.int64], truncations: NDArray[np.float32]
    ) -> NDArray[np.uint8]:
        pictures = np.stack([record.image for record in records if record.image is not None])
        images = torch.from_numpy(pictures).permute(0, 3, 1, 2).float() / 127.5 - 1
        found: NDArray[np.uint8] = (segmenter(images) > 0).to(torch.uint8).numpy()
        return found

    return masks
