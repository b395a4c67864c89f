"""The embedded VQGAN's weights: reconstructions and samples, as other networks see them."""

import pytest
import torch

from bdgan_cli.shapes.fidelity import oracle_iou
from bdgan_cli.shapes.world import CLASS_NAMES, LATENT_DIM, render
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.registry import load_generator, load_model


@pytest.fixture(scope="module")
def generator():
    return load_generator("tiny-vqgan")


def test_it_is_small_enough_to_ship():
    assert find_card("tiny-vqgan").files[0].size <= 12_000_000


def test_reconstructions_show_the_shapes_of_fresh_renders(generator):
    labels = torch.arange(60) % len(CLASS_NAMES)
    scene = render(0.9 * torch.randn(60, LATENT_DIM, generator=torch.Generator().manual_seed(4242)), labels)
    again, _ = generator.synthesize(generator.encode(scene.images, labels.tolist()))
    errors = (again - scene.images).square().mean((1, 2, 3)) / 4
    assert float(-10 * torch.log10(errors).mean()) > 31
    assert float(oracle_iou(load_model("tiny-segmenter"), again, scene.masks).mean()) > 0.9


def test_samples_are_taken_for_their_class(generator):
    classes = list(range(len(CLASS_NAMES))) * 5
    latents = generator.draw(classes, [i // 12 for i in range(60)], 777, generator.default_rule)
    images, _ = generator.synthesize(latents)
    with torch.inference_mode():
        found = load_model("tiny-classifier")(images).argmax(1)
    assert (found == torch.tensor(classes)).float().mean() > 0.5
    assert len({tuple(row) for row in latents.values.tolist()}) == 60
