"""Recipes: the paper's numbers, and what cannot be right."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace

import pytest

from bdgan_cli.errors import UsageError
from bdgan_cli.evaluation.recipe import LOSSES, PRESETS, Recipe, find_preset
from bdgan_cli.evaluation.segmenters import SEGMENTERS


def test_defaults_are_the_papers():
    """Supplement B.2: SGD 0.01, momentum 0.9, decay 1e-4, polynomial 0.9, batch 64, 200 epochs, 0.5 to 2.0, 224."""
    recipe = find_preset("paper")
    assert recipe == Recipe()
    assert recipe.segmenter == "deeplabv3-resnet50"
    assert (recipe.learning_rate, recipe.momentum, recipe.weight_decay, recipe.power) == (0.01, 0.9, 1e-4, 0.9)
    assert (recipe.batch, recipe.epochs, recipe.steps) == (64, 200, None)
    assert (recipe.scale, recipe.size_px) == ((0.5, 2.0), 224)
    assert (recipe.loss, recipe.focal_gamma, recipe.focal_alpha) == ("cross-entropy", 2.0, None)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_be_built_and_told(name):
    recipe = find_preset(name)
    assert recipe.segmenter in SEGMENTERS
    told = json.loads(json.dumps(recipe.to_json()))
    assert Recipe(**{**told, "scale": tuple(told["scale"])}) == recipe
    assert set(told) == {field.name for field in fields(Recipe)}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"loss": "focl"}, "--loss 'focl': expected cross-entropy, focal"),
        ({"precision": "float16"}, "--precision 'float16': expected auto, float32, bfloat16"),
        ({"size_px": 31}, "--size 31: expected at least 32"),
        ({"batch": 1}, "--batch 1: expected at least 2"),
        ({"epochs": 0}, "--epochs and --steps: expected at least 1"),
        ({"steps": 0}, "--epochs and --steps: expected at least 1"),
        ({"steps": -5}, "--epochs and --steps: expected at least 1"),
        ({"learning_rate": 0.0}, "--lr 0.0: expected a positive number"),
        ({"learning_rate": math.nan}, "--lr nan: expected a positive number"),
        ({"focal_gamma": -1.0}, "--focal-gamma -1.0: expected at least 0"),
        ({"focal_gamma": math.nan}, "--focal-gamma nan: expected at least 0"),
        ({"focal_alpha": 0.0}, "--focal-alpha 0.0: expected a number between 0 and 1"),
        ({"focal_alpha": 1.0}, "--focal-alpha 1.0: expected a number between 0 and 1"),
    ],
)
def test_what_cannot_be_right_is_refused(changes, message):
    with pytest.raises(UsageError) as caught:
        replace(Recipe(), **changes)
    assert caught.value.message.startswith(message)


@pytest.mark.parametrize(
    "changes", [{"size_px": 32}, {"batch": 2}, {"epochs": 1}, {"steps": 1}, {"focal_gamma": 0.0}, {"focal_alpha": 0.25}]
)
def test_the_least_that_is_right_is_taken(changes):
    assert replace(Recipe(), **changes)


def test_near_names_are_told():
    with pytest.raises(UsageError, match="unknown preset 'papr'") as caught:
        find_preset("papr")
    assert caught.value.hint == "did you mean paper?"
    with pytest.raises(UsageError) as caught:
        Recipe(loss="focall")
    assert caught.value.hint == "did you mean focal?"
    assert LOSSES == ("cross-entropy", "focal")
