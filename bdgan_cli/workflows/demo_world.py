"""What differs between the demo's generators: how good their pictures are, and how to draw hard ones."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.shapes.fidelity import measure_fidelity, oracle_iou
from bdgan_cli.shapes.world import CLASS_NAMES, LATENT_DIM, render
from bdgan_cli.weights.registry import load_model
from bdgan_cli.workflows.demo_truth import read_scenes
from bdgan_cli.workflows.draw_rules import DrawOptions

ANNOTATOR = "tiny-biggan"
_FRESH_RENDERS = 600


@dataclass(frozen=True)
class World:
    """An embedded generator as the demo shows it.

    Attributes:
        generator: Its name.
        ordinary: What its samples are drawn with, in words.
        stress: Options that take samples far from what the generator has learnt.
        stress_words: The same in words.
        reference: What labels are compared with, in words.
    """

    generator: str
    ordinary: str
    stress: DrawOptions
    stress_words: str
    reference: str


WORLDS = {
    world.generator: world
    for world in (
        World("tiny-biggan", "truncation 0.9", DrawOptions(trunc=2.0), "truncation 2", "the exact mask"),
        World(
            "tiny-vqgan", "top-p 0.92", DrawOptions(temperature=1.3, top_p=1.0), "temperature 1.3",
            "the mask of the oracle",
        ),
    )
}  # fmt: skip


def find_world(generator: str) -> World:
    """Return the demo's view of an embedded generator.

    Raises:
        UsageError: If the generator is not embedded.
    """
    if generator not in WORLDS:
        raise UsageError(f"the demo runs on {' or '.join(WORLDS)}, got {generator!r}", "bdgan demo --gen tiny-vqgan")
    return WORLDS[generator]


@dataclass(frozen=True)
class Pictures:
    """How good the pictures are.

    Attributes:
        psnr_db: Against the renderer, where a latent names a scene; None elsewhere.
        oracle_iou: IoU of the oracle's masks on the pictures with the exact ones; None where there are none.
        oracle_iou_renders: The same on fresh renders: how far the oracle can be trusted.
        recognised: Share of the pictures that the classifier takes for their class, in [0, 1].
        oracle_iou_by_class: ``oracle_iou`` of each class; empty where there is none.
    """

    psnr_db: float | None
    oracle_iou: float | None
    oracle_iou_renders: float
    recognised: float
    oracle_iou_by_class: dict[str, float]


def measure_pictures(world: World, dataset: Dataset) -> Pictures:
    """Judge the pictures of a sampled dataset."""
    confidence = np.asarray(dataset.table["classifier_score"].to_numpy(), dtype=np.float64)
    recognised = float((confidence > 0.5).mean())
    segmenter = load_model("tiny-segmenter", "segmenter")
    if world.generator == ANNOTATOR:
        images, scene, labels = read_scenes(dataset)
        found = measure_fidelity(images, scene, labels, segmenter)
        return Pictures(
            found.psnr_db, found.oracle_iou, found.oracle_iou_renders, recognised, found.oracle_iou_by_class
        )
    stream = torch.Generator().manual_seed(99)
    labels = torch.arange(_FRESH_RENDERS) % len(CLASS_NAMES)
    scene = render(0.9 * torch.randn(_FRESH_RENDERS, LATENT_DIM, generator=stream), labels)
    trusted = float(oracle_iou(segmenter, scene.images, scene.masks).mean())
    return Pictures(None, None, trusted, recognised, {})
