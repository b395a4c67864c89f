"""``bdgan models verify``: are the files whole, do they load, does a generator make a finite picture?

And the words about a licence that come before a model's first use.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from bdgan_cli.errors import BdganError, DataError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.weights.card import ModelCard, all_cards, find_card
from bdgan_cli.weights.files import check, locate
from bdgan_cli.weights.installed import read_record
from bdgan_cli.weights.licences import mark_seen, unseen_terms
from bdgan_cli.weights.registry import load_generator, load_model


class ModelCheck(NamedTuple):
    """What a check of one model found.

    Attributes:
        name: The model.
        problem: What is wrong with it, empty if nothing is.
        is_installed: Whether its weights are here; without them there is nothing to check.
    """

    name: str
    problem: str
    is_installed: bool = True


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
            checks.append(ModelCheck(card.name, _problem(card), card.is_installed))
            task.advance()
    return checks


def introduce(name: str, report: Reporter) -> None:
    """Tell the licence of a model's weights, once in the life of the cache.

    Args:
        name: The model, or a family of models.
        report: Gets the note.

    Raises:
        MissingError: If the name is unknown.
    """
    card = find_card(name)
    terms = unseen_terms(card)
    # What nobody heard was not told.
    if terms is not None and not isinstance(report, Silent):
        report.note(f"{card.name}: {terms}")
        mark_seen(card)


def _problem(card: ModelCard) -> str:
    """Check one model; what is not installed has no problem unless the record of its installation is damaged."""
    try:
        if not card.is_installed:
            read_record(card.name)
            return ""
        for path, expected in zip(locate(card), card.files, strict=True):
            check(path, expected, thorough=True)
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
    latents = generator.draw([generator.classes[0].id], [0], 0, generator.default_rule)
    images, features = generator.synthesize(latents)
    if not torch.isfinite(images).all():
        raise DataError(f"{name} makes pictures that are not finite")
    shapes = [tuple(map_.shape[1:]) for map_ in features.maps]
    if shapes != [tap[1:] for tap in generator.spec.taps]:
        raise DataError(f"{name} publishes features {shapes}, which differ from its spec")
