"""``bdgan models verify``: are the files whole, do they load, does a generator make a finite picture?"""

from __future__ import annotations

from typing import NamedTuple

import torch

from bdgan_cli.errors import BdganError, DataError
from bdgan_cli.interfaces import Truncation
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.weights.card import ModelCard, all_cards, find_card
from bdgan_cli.weights.registry import load_generator, load_model


class ModelCheck(NamedTuple):
    """A model's name and what is wrong with it, empty if nothing is."""

    name: str
    problem: str


def verify_models(names: list[str], report: Reporter | None = None) -> list[ModelCheck]:
    """Check the named models, or all of them.

    Raises:
        MissingError: If a name is unknown.
    """
    report = report or Silent()
    cards = [find_card(name) for name in names] if names else list(all_cards().values())
    checks = []
    with report.task("verifying", len(cards), "models") as task:
        for card in cards:
            checks.append(ModelCheck(card.name, _problem(card)))
            task.advance()
    return checks


def _problem(card: ModelCard) -> str:
    try:
        if card.kind == "generator":
            _run_once(card.name)
        else:
            load_model(card.name)
    except BdganError as error:
        return error.message
    return ""


def _run_once(name: str) -> None:
    """Make one picture and compare it with what the generator publishes.

    Raises:
        DataError: If the picture is not finite or the features differ from the spec.
    """
    generator = load_generator(name)
    latents = generator.draw([generator.classes[0].id], [0], 0, Truncation(0.5))
    images, features = generator.synthesize(latents)
    if not torch.isfinite(images).all():
        raise DataError(f"{name} makes pictures that are not finite")
    shapes = [tuple(map_.shape[1:]) for map_ in features.maps]
    if shapes != [tap[1:] for tap in generator.spec.taps]:
        raise DataError(f"{name} publishes features {shapes}, which differ from its spec")
