"""Reads an annotated dataset into what training needs, and refuses what a head could not learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from bdgan_cli.dataset.reader import Dataset, Record
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.interfaces import Generator, Latents, LatentSpec

_OWN_LATENT = "take the sample's own latent"


@dataclass(frozen=True)
class Annotations:
    """Annotated samples of one generator.

    Attributes:
        latents: Make the pictures again.
        masks_NHW: uint8 labels, 255 is ignored.
        labels: Output channels K that they ask for; 1 is foreground against background.
        skipped: Samples of the dataset that carry no mask.
        sha256: Hash of latents, classes and masks.
    """

    latents: Latents
    masks_NHW: Tensor
    labels: int
    skipped: int
    sha256: str


def check_origin(dataset: Dataset, generator: str, sha256: str) -> None:
    """Check that a dataset was made by the generator and weights whose features a head will read.

    Raises:
        UsageError: If it was not.
    """
    made_by = dataset.info.generator
    if made_by is None or made_by.name != generator:
        origin = f"{made_by.name}'s" if made_by else "no generator's"
        hint = f"train with --gen {made_by.name}" if made_by else "a head learns from samples: bdgan sample --help"
        raise UsageError(f"{dataset.reference} holds {origin} samples, expected those of {generator}", hint)
    if made_by.sha256 and made_by.sha256 != sha256:
        raise UsageError(
            f"{dataset.reference} was made with other weights of {generator}: "
            f"sha256 {made_by.sha256[:12]}..., here {sha256[:12]}...",
            "its latents make other pictures now; sample and annotate again",
        )


def read_annotations(dataset: Dataset, generator: Generator) -> Annotations:
    """Read every annotated sample's latent, class and mask.

    Raises:
        DataError: If there is no mask or no latent, or one has another size, type or value than expected.
    """
    channels = len(dataset.info.label_names)
    positions = {info.id: position for position, info in enumerate(generator.classes)}
    values, masks, classes, truncations = [], [], [], []
    for row, record in rows_with(dataset, ("mask", "latent")):
        if record.mask is None:
            continue
        values.append(_latent(dataset, record, generator.latent))
        masks.append(_mask(dataset, record, generator.image_size, channels))
        if row["class_id"] not in positions:
            raise DataError(
                f"{dataset.reference}: {record.key}: {generator.name} has no class {row['class_id']}",
                f"see its classes: bdgan models info {generator.name}",
            )
        classes.append(positions[row["class_id"]])
        truncations.append(_truncation(row.get("truncation")))
    if not masks:
        raise no_masks(dataset, generator)
    arrays = np.stack(values), np.array(classes, np.int64), np.array(truncations, np.float32), np.stack(masks)
    return Annotations(
        Latents(*map(torch.from_numpy, arrays[:3])),
        torch.from_numpy(arrays[3]),
        1 if channels == 2 else channels,
        len(dataset) - len(masks),
        _digest(*arrays),
    )


def rows_with(dataset: Dataset, members: Collection[str]) -> Iterator[tuple[dict[str, Any], Record]]:
    """Yield each sample's class and truncation, beside its record with some members."""
    columns = [name for name in ("class_id", "truncation") if name in dataset.table.column_names]
    return zip(dataset.table.select(columns).to_pylist(), dataset.iterate(members), strict=True)


def no_masks(dataset: Dataset, generator: Generator) -> DataError:
    """Return the error of a dataset in which nothing is annotated."""
    return DataError(
        f"{dataset.reference}: none of its {len(dataset)} samples carries a mask",
        "annotate them, or for a generator with exact masks: bdgan sample --gen tiny-biggan --exact-labels",
    )


def check_labels(mask: NDArray[Any], channels: int, where: str) -> None:
    """Refuse a mask whose values are no labels, or in which nothing is labelled.

    Raises:
        DataError: If so.
    """
    odd = np.setdiff1d(mask, [*range(channels), 255])
    if odd.size:
        raise DataError(
            f"{where}: mask value {odd[0]}, expected 0..{channels - 1} or 255 (ignore)",
            "write 0 for background and 1 for the object",
        )
    if not has_object(mask):
        raise DataError(
            f"{where}: the mask has no pixel of an object", "is the object 255 in it? 255 means ignore; write 1"
        )


def has_object(mask: NDArray[Any]) -> bool:
    """Tell whether any pixel is labelled as something else than background."""
    return bool(((mask > 0) & (mask < 255)).any())


def _truncation(value: float | None) -> float:
    """Return a sample's truncation; 1, the untruncated statistics, where the dataset does not say."""
    return 1.0 if value is None or np.isnan(value) else float(value)


def _latent(dataset: Dataset, record: Record, expected: LatentSpec) -> NDArray[Any]:
    """Return a sample's latent, numbers (float) or codes (int), as the generator takes it."""
    where = f"{dataset.reference}: {record.key}"
    latent = record.latent
    if latent is None:
        raise DataError(f"{where}: has a mask but no latent", "a head reads features, which only a latent makes again")
    if latent.shape != expected.shape:
        raise DataError(f"{where}: latent of shape {latent.shape}, expected {tuple(expected.shape)}", _OWN_LATENT)
    is_codes = not expected.dtype.is_floating_point
    if (latent.dtype.kind in "iu") != is_codes:
        kind = "codes (integers)" if is_codes else "floating-point numbers"
        raise DataError(f"{where}: latent of {latent.dtype}, expected {kind}", _OWN_LATENT)
    if is_codes and (latent < 0).any():
        raise DataError(f"{where}: the latent holds the negative code {latent.min()}", _OWN_LATENT)
    if not np.isfinite(latent).all():
        raise DataError(
            f"{where}: the latent holds NaN or infinity", f"find all such: bdgan data verify {dataset.root}"
        )
    return latent.astype(torch.empty(0, dtype=expected.dtype).numpy().dtype)


def _mask(dataset: Dataset, record: Record, size: int, channels: int) -> NDArray[np.uint8]:
    where = f"{dataset.reference}: {record.key}"
    mask = record.mask
    assert mask is not None
    if mask.shape != (size, size):
        raise DataError(
            f"{where}: mask of {mask.shape[1]}x{mask.shape[0]} pixels, expected {size}x{size}",
            "annotate at the generator's own size",
        )
    check_labels(mask, channels, where)
    return mask.astype(np.uint8)


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
