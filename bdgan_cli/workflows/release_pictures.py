"""Pictures of the released annotations, made again from their latents."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from bdgan_cli.dataset.importers.bigdatasetgan import LATENT_DIM, ReleaseSurvey
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.interfaces import Generator, Latents, images_to_uint8
from bdgan_cli.progress import Reporter
from bdgan_cli.runtime import Runtime
from bdgan_cli.weights.card import ModelCard, find_card, resolve_name
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.models import introduce

RELEASE_GENERATOR = "biggan-512"


@torch.inference_mode()
def make_again(generator: Generator, values: NDArray[np.float32], wnids: list[str]) -> NDArray[np.uint8]:
    """Make the pictures of released latents, which are scaled already: with the statistics of truncation 1.

    Args:
        generator: The generator that made them.
        values: (N, 128) float32.
        wnids: N classes.

    Returns:
        (N, H, W, 3) uint8 RGB.

    Raises:
        DataError: If a picture is not finite.
    """
    positions = {info.wnid: position for position, info in enumerate(generator.classes)}
    class_ids = torch.tensor([positions[wnid] for wnid in wnids], dtype=torch.int64)
    images, _ = generator.synthesize(Latents(torch.from_numpy(values), class_ids, torch.ones(len(wnids))))
    if not torch.isfinite(images).all():
        raise DataError(
            f"{generator.name} made a picture that is not finite", f"verify it: bdgan models verify {generator.name}"
        )
    pictures: NDArray[np.uint8] = images_to_uint8(images).cpu().numpy()
    return pictures


def load_for_release(card: ModelCard, survey: ReleaseSurvey, runtime: Runtime, report: Reporter) -> Generator | None:
    """Load the generator if a picture must be made.

    Raises:
        MissingError: If its weights are not installed.
        UsageError: If it cannot have made the release.
    """
    name = card.name
    if not survey.pictures_missing:
        if not card.is_installed:
            report.note(f"the weights of {name} are not installed: pictures are taken as they are, unchecked")
        return None
    if card.is_installed:
        introduce(name, report)
    try:
        generator = load_generator(name, runtime.device)
    except MissingError as error:
        count = f"{survey.pictures_missing} of {len(survey.items)} pictures"
        raise MissingError(f"{count} must be made again by {name}: {error.message}", error.hint) from error
    if generator.latent.shape != (LATENT_DIM,):
        raise UsageError(
            f"{name} takes latents of shape {generator.latent.shape}, the release has ({LATENT_DIM},)",
            f"--generator {RELEASE_GENERATOR}",
        )
    known = {info.wnid for info in generator.classes}
    foreign = [entry for entry in survey.classes if entry.wnid not in known]
    if foreign:
        raise UsageError(
            f"{name} has no class {foreign[0].wnid} ({foreign[0].name})", f"--generator {RELEASE_GENERATOR}"
        )
    report.note(f"making {survey.pictures_missing} of {len(survey.items)} pictures again with {name}")
    return generator


def find_release_card(name: str) -> ModelCard:
    """Look up the generator of a release; the family ``biggan`` means the one that made it.

    Raises:
        MissingError: If no generator has that name.
        UsageError: If it is one of ours that makes other pictures of the same latents.
    """
    card = find_card(resolve_name(name, RELEASE_GENERATOR), "generator")
    if card.source == "built-in" and card.family != RELEASE_GENERATOR:
        raise UsageError(
            f"{card.name} makes other pictures of the released latents: they are of the family {RELEASE_GENERATOR}",
            f"--generator {RELEASE_GENERATOR}",
        )
    return card


def weights_sha256(card: ModelCard) -> str:
    """Return what identifies a card's weights; empty if they are not installed."""
    return card.sha256 if card.is_installed else ""
