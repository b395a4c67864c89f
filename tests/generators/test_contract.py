"""What every generator in the registry promises; published ones stand as narrow models of the same architecture."""

import math

import pytest
import torch

from bdgan_cli.generators.biggan import BigGAN, BigGANConfig
from bdgan_cli.generators.biggan import random_model as random_biggan
from bdgan_cli.generators.biggan_deep import BigGANDeep, random_model
from bdgan_cli.generators.biggan_deep_public import public_config
from bdgan_cli.generators.vqgan import VQGAN, TwoStages
from bdgan_cli.generators.vqgan_first_stage import FirstStageConfig
from bdgan_cli.generators.vqgan_prior import PriorConfig
from bdgan_cli.interfaces import ClassInfo, CodeSampling, Encodes, Generator, Truncation
from bdgan_cli.weights.card import all_cards
from bdgan_cli.weights.registry import load_generator

CPU = torch.device("cpu")
CLASSES = tuple(ClassInfo(i, "", f"class {i}") for i in range(12))


def narrow_deep(name):
    config = public_config(int(name.rsplit("-", 1)[1]), channel_width=4, classes=12)
    config.layers = [(False, 16, 16), (True, 16, 8), (True, 8, 4), (False, 4, 2), (True, 2, 1)]  # 32 pixels
    config.attention_layer_position = 2
    return BigGANDeep(name, name, random_model(config), CLASSES, CPU)


def narrow_original(name):
    return BigGAN(name, name, random_biggan(BigGANConfig(64, 4, 3, 6, 12, 16), 0), CLASSES, CPU)


def narrow_vqgan(name):
    stage = FirstStageConfig(16, 32, (1, 2), 1, 8, vocabulary=40, code_width=8)
    prior = PriorConfig(layers=4, heads=2, width=16, vocabulary=40, positions=64, tap_every=2)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        stages = TwoStages(stage, prior)
        for parameter in stages.transformer.parameters():
            parameter.data.add_(torch.randn_like(parameter), alpha=0.2)
        stages.first_stage_model.quantize.embedding.weight.data.normal_()
    return VQGAN(name, stages, prior, CLASSES, recipe=CodeSampling(), device=CPU)


NARROW = {
    "biggan-512": narrow_original,
    "biggan-deep-512": narrow_deep,
    "vqgan": narrow_vqgan,
}
# At other resolutions it is the same class with fewer layers; their configurations are tested by themselves.
NAMES = sorted(
    card.name
    for card in all_cards().values()
    if card.kind == "generator" and card.name not in ("biggan-deep-128", "biggan-deep-256")
)


# The embedded VQGAN is the class of the narrow one, and its prior takes seconds; test_vqgan_path.py runs it by default.
EACH = [pytest.param(name, marks=pytest.mark.slow if name == "tiny-vqgan" else ()) for name in NAMES]


@pytest.fixture(scope="module", params=EACH)
def generator(request):
    return NARROW[request.param](request.param) if request.param in NARROW else load_generator(request.param)


def draw(generator, class_ids=(0, 1, 2, 3, 4, 5, 6, 7), indices=(3, 1, 4, 1, 5, 9, 2, 6), seed=0):
    return generator.draw(list(class_ids), list(indices), seed, generator.default_rule)


def test_it_is_a_generator(generator):
    assert isinstance(generator, Generator)
    rule = CodeSampling if isinstance(generator, Encodes) else Truncation
    assert isinstance(generator.default_rule, rule)


def test_latents_match_their_spec(generator):
    latents = draw(generator)
    assert tuple(latents.values.shape) == (8, *generator.latent.shape)
    assert latents.values.dtype == generator.latent.dtype
    assert latents.class_ids.tolist() == list(range(8))
    assert latents.values.device == CPU


def test_pictures_and_features_match_the_spec(generator):
    images, features = generator.synthesize(draw(generator))
    assert images.shape == (8, 3, generator.image_size, generator.image_size)
    assert images.min() >= -1
    assert images.max() <= 1
    assert [tuple(m.shape[1:]) for m in features.maps] == [tap[1:] for tap in generator.spec.taps]
    assert features.condition.shape == (8, generator.spec.condition_dim)
    assert not images.requires_grad
    assert not any(m.requires_grad for m in [*features.maps, features.condition])
    assert all(torch.isfinite(m).all() for m in features.maps)


def test_the_same_latents_make_the_same_pictures(generator):
    latents = draw(generator)
    first, features = generator.synthesize(latents)
    kept = [m.clone() for m in features.maps]
    second, again = generator.synthesize(latents)
    assert torch.equal(first, second)
    assert all(torch.equal(a, b) for a, b in zip(kept, again.maps, strict=True))


def test_a_batch_of_eight_equals_eight_batches_of_one(generator):
    latents = draw(generator)
    images, features = generator.synthesize(latents)
    for row in range(8):
        image, alone = generator.synthesize(latents.take(torch.tensor([row])))
        torch.testing.assert_close(image[0], images[row], atol=1e-4, rtol=0)
        for one, many in zip(alone.maps, features.maps, strict=True):
            torch.testing.assert_close(one[0], many[row], atol=1e-4, rtol=1e-4)


def test_a_draw_depends_on_seed_class_and_index_alone(generator):
    many = draw(generator)
    for row in (0, 5, 7):
        alone = draw(generator, [many.class_ids[row].item()], [(3, 1, 4, 1, 5, 9, 2, 6)[row]])
        assert torch.equal(alone.values[0], many.values[row])
    torch.manual_seed(123)
    assert torch.equal(draw(generator).values, many.values)


@pytest.mark.parametrize("other", [{"class_ids": [1]}, {"indices": [1]}, {"seed": 1}])
def test_every_part_of_the_name_matters(generator, other):
    base = {"class_ids": [0], "indices": [0], "seed": 0}
    assert not torch.equal(draw(generator, **base).values, draw(generator, **{**base, **other}).values)


def test_no_gradient_reaches_the_generator(generator):
    _, features = generator.synthesize(draw(generator))
    weight = torch.ones((), requires_grad=True)
    sum((m.clone() * weight).mean() for m in features.maps).backward()
    assert math.isfinite(weight.grad.item())
    networks = [part for part in vars(generator).values() if isinstance(part, torch.nn.Module)]
    assert networks
    assert all(p.grad is None and not p.requires_grad for network in networks for p in network.parameters())
