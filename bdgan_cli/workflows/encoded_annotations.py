"""Annotated pictures that a generator did not make, as its latents: its encoder finds them (supplement A.2).

So masks drawn on BigGAN's pictures, or on real ones, train the heads of a VQGAN.
Axis legend: N samples, H rows, W columns.
"""

from __future__ import annotations

import hashlib
from typing import Any, NamedTuple, Protocol

import cv2
import numpy as np
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray

from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.errors import DataError
from bdgan_cli.interfaces import ClassInfo, Encodes, Generator, Latents
from bdgan_cli.progress import Reporter
from bdgan_cli.workflows.annotations import Annotations, check_labels, has_object, no_masks, rows_with

_BATCH = 8
_NAMED_CLASSES = 5


class EncodingGenerator(Generator, Encodes, Protocol):
    """A generator that encodes."""


class _Fitted(NamedTuple):
    """A picture and its mask, (S, S, 3) and (S, S) uint8 at the generator's size, and its row of the class table."""

    image: NDArray[np.uint8]
    mask: NDArray[np.uint8]
    position: int


def encode_annotations(dataset: Dataset, generator: EncodingGenerator, report: Reporter) -> Annotations:
    """Fit every annotated picture to the generator, and encode it.

    Pictures are cropped to their central square and resized; classes are matched by WordNet id, or by name where a
    class has none. The hash covers pictures, masks and classes, since codes may differ in rounding between machines.

    Args:
        dataset: Of any origin.
        generator: Encodes the pictures.
        report: Where progress goes.

    Raises:
        DataError: If there is no mask, a mask has a wrong value, or the generator lacks a class.
    """
    positions = class_positions(dataset, generator)
    channels = len(dataset.info.label_names)
    digest = hashlib.sha256()
    latents: list[Latents] = []
    masks: list[NDArray[np.uint8]] = []
    batch: list[_Fitted] = []
    unlabelled = outside = 0
    with report.task("encoding", len(dataset), "samples") as task:
        for row, record in rows_with(dataset, ("image", "mask")):
            task.advance()
            if record.mask is None or record.image is None:
                unlabelled += 1
                continue
            check_labels(record.mask, channels, f"{dataset.reference}: {record.key}")
            fitted = _Fitted(*fit(record.image, record.mask, generator.image_size), positions[row["class_id"]])
            if not has_object(fitted.mask):
                outside += 1
                continue
            digest.update(f"{fitted.position}".encode() + fitted.image.tobytes() + fitted.mask.tobytes())
            masks.append(fitted.mask)
            batch.append(fitted)
            if len(batch) == _BATCH:
                latents.append(_encode(batch, generator))
                batch = []
    if not masks:
        raise no_masks(dataset, generator)
    if batch:
        latents.append(_encode(batch, generator))
    if outside:
        report.note(f"{outside} samples whose object lies outside the central square are left out")
    joined = Latents(*(torch.cat(parts).cpu() for parts in zip(*latents, strict=True)))
    labels = 1 if channels == 2 else channels
    return Annotations(joined, torch.from_numpy(np.stack(masks)), labels, unlabelled, digest.hexdigest())


def class_positions(dataset: Dataset, generator: Generator) -> dict[int, int]:
    """Return, for each class id of a dataset's annotated samples, the class's position in the generator's class table.

    Raises:
        DataError: If the generator lacks classes; names them.
    """
    known = {_known_as(info): position for position, info in enumerate(generator.classes)}
    names = {entry.id: _known_as(entry) for entry in dataset.info.classes}
    table = dataset.table.filter(pc.field("mask_offset") >= 0)
    used = {class_id: names.get(class_id, "") for class_id in sorted(set(table["class_id"].to_pylist()))}
    lacking = [f"{class_id} ({name})" for class_id, name in used.items() if name not in known]
    if lacking:
        more = f" and {len(lacking) - _NAMED_CLASSES} more" if len(lacking) > _NAMED_CLASSES else ""
        raise DataError(
            f"{dataset.reference}: {generator.name} lacks the classes {', '.join(lacking[:_NAMED_CLASSES])}{more}",
            f"leave them out in a view of the dataset; see bdgan models info {generator.name}",
        )
    return {class_id: known[name] for class_id, name in used.items()}


def fit(image: NDArray[np.uint8], mask: NDArray[Any], size: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Cut out the central square of a picture and its mask, and bring both to (size, size).

    Args:
        image: (H, W, 3) uint8.
        mask: (H, W) labels.
        size: Pixels.
    """
    side = min(mask.shape)
    top, left = (mask.shape[0] - side) // 2, (mask.shape[1] - side) // 2
    square = np.s_[top : top + side, left : left + side]
    # Area averages are for shrinking alone. Exact nearest takes the cell's centre, where the average is, too.
    how = cv2.INTER_AREA if side > size else cv2.INTER_LINEAR
    small = cv2.resize(np.ascontiguousarray(image[square]), (size, size), interpolation=how)
    labels = cv2.resize(mask[square].astype(np.uint8), (size, size), interpolation=cv2.INTER_NEAREST_EXACT)
    return small.astype(np.uint8, copy=False), labels.astype(np.uint8, copy=False)


def _encode(batch: list[_Fitted], generator: Encodes) -> Latents:
    pixels = torch.from_numpy(np.stack([fitted.image for fitted in batch])).permute(0, 3, 1, 2)
    return generator.encode(pixels.float() / 127.5 - 1, [fitted.position for fitted in batch])


def _known_as(entry: ClassInfo | ClassEntry) -> str:
    return entry.wnid or entry.name
