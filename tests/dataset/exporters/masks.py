"""Masks that break exporters, and the way out and in again."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from hypothesis import strategies as st
from numpy.typing import NDArray

from bdgan_cli.dataset.exporters.exporter import ExportOptions
from bdgan_cli.dataset.sample import Sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.workflows.data import ChosenDataset
from bdgan_cli.workflows.export import ExportConfig, export
from bdgan_cli.workflows.export_result import ExportResult

Mask = NDArray[Any]
KINDS = ("empty", "full", "pixel", "border", "hole", "corners", "noise", "diagonal", "two holes")


@st.composite
def masks(draw: st.DrawFn, labels: int = 1, ignore: bool = True) -> Mask:
    """A mask of up to 20x20 pixels of one of the kinds, its object spread over the labels, some pixels ignored."""
    height, width = draw(st.integers(3, 20)), draw(st.integers(3, 20))
    shape = draw_shape(draw(st.sampled_from(KINDS)), height, width, draw(st.integers(0, 2**16)))
    stream = np.random.default_rng(draw(st.integers(0, 2**16)))
    spread = stream.integers(1, labels + 1, (height, width)) if draw(st.booleans()) else stream.integers(1, labels + 1)
    mask = np.where(shape, spread, 0).astype(np.uint8)
    if ignore and draw(st.booleans()):
        mask[stream.random((height, width)) < 0.1] = 255
    return mask


def draw_shape(kind: str, height: int, width: int, seed: int) -> NDArray[np.bool_]:
    shape = np.zeros((height, width), np.bool_)
    stream = np.random.default_rng(seed)
    if kind == "full":
        shape[:] = True
    elif kind == "pixel":
        shape[stream.integers(height), stream.integers(width)] = True
    elif kind == "border":
        shape[0], shape[-1], shape[:, 0], shape[:, -1] = True, True, True, True
    elif kind in ("hole", "two holes"):
        shape[:] = True
        shape[1, 1 : width // 2] = False
        if kind == "two holes":
            shape[height - 2, width // 2 :] = False
    elif kind == "corners":
        shape[0, 0] = shape[-1, -1] = shape[0, -1] = True
    elif kind == "noise":
        shape = stream.random((height, width)) < 0.5
    elif kind == "diagonal":
        np.fill_diagonal(shape, True)
    return shape


def dots(count: int = 255) -> Mask:
    """A mask with so many pixels that do not touch."""
    mask = np.zeros((40, 40), np.uint8)
    places = [(y, x) for y in range(0, 40, 2) for x in range(0, 40, 2)][:count]
    mask[tuple(np.array(places).T)] = 1
    return mask


def write_masks(root: Path, masks: Sequence[Mask], labels: Sequence[str] = ("background", "object")) -> Path:
    """A dataset with these masks, of alternating classes, in two splits."""
    classes = (ClassEntry(3, "n00000003", "disc"), ClassEntry(7, "", "star & ring"))
    info = DatasetInfo("odd", "real", classes, None, None, None, {}, "CC-BY-4.0", "Drawn.", tuple(labels))
    stream = np.random.default_rng(0)
    samples = [
        Sample(
            f"s{i:03d}", classes[i % 2].id, classes[i % 2].wnid, ("train", "val")[i % 2],
            stream.integers(0, 256, (*mask.shape, 3), dtype=np.uint8), mask, index=i,
        )
        for i, mask in enumerate(masks)
    ]  # fmt: skip
    open_for_writing(root, info).write_shard("000000", samples)
    return root


def send(dataset: Path, out: Path, to: str, **changes: Any) -> ExportResult:
    """Export with options given by name."""
    known = {name: changes.pop(name) for name in ("polygons", "panoptic", "components") if name in changes}
    config = ExportConfig(
        to, out, ChosenDataset(str(dataset)), options=ExportOptions(**known), part_samples=3, workers=1, **changes
    )
    return export(config)


def by_class(mask: Mask, number: int) -> Mask:
    """What ``--labels classes`` makes of a mask with one label."""
    return np.where(mask == 1, number, mask).astype(np.uint8)
