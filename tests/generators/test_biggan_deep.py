import math

import pytest
import torch
from pytorch_pretrained_biggan import BigGAN, BigGANConfig

from bdgan_cli.generators.biggan_deep import BigGANDeep, bake_spectral_norm, random_model, statistics
from bdgan_cli.interfaces import ClassInfo, Truncation

CLASSES = tuple(ClassInfo(i, "", f"class {i}") for i in range(5))


def small_config(**changes):
    layers = [(False, 16, 16), (True, 16, 8), (True, 8, 4), (False, 4, 2), (True, 2, 1)]
    values = {
        "output_dim": 32, "z_dim": 6, "class_embed_dim": 6, "channel_width": 4, "num_classes": 5,
        "layers": layers, "attention_layer_position": 2, "n_stats": 51,
    }  # fmt: skip
    return BigGANConfig(**{**values, **changes})


def small_model():
    model = random_model(small_config(), seed=3)
    torch.manual_seed(0)
    for name, buffer in model.named_buffers():
        if "running_means" in name:
            buffer.normal_(0, 0.2)
        if "running_vars" in name:
            buffer.uniform_(0.5, 2)
    torch.nn.init.normal_(model.generator.layers[2].gamma)
    return model


@pytest.fixture(scope="module")
def generator():
    return BigGANDeep("small", "small", small_model(), CLASSES, torch.device("cpu"))


def test_pictures_equal_those_of_the_package_at_a_step_of_the_statistics(generator):
    latents = generator.draw([0, 1, 4], [0, 1, 2], 0, Truncation(0.4))
    images, _ = generator.synthesize(latents)
    one_hot = torch.nn.functional.one_hot(latents.class_ids, 5).float()
    with torch.no_grad():
        expected = generator.model(latents.values, one_hot, 0.4)
    torch.testing.assert_close(images, expected, atol=1e-5, rtol=0)


def test_spectral_norm_is_baked_without_changing_the_function():
    torch.manual_seed(0)
    model = BigGAN(small_config())
    torch.nn.init.ones_(model.generator.bn.weight)
    torch.nn.init.zeros_(model.generator.bn.bias)
    model.eval()
    z, label = torch.randn(2, 6), torch.eye(5)[:2]
    with torch.no_grad():
        before = model(z, label, 1.0)
        after = bake_spectral_norm(model)(z, label, 1.0)
    torch.testing.assert_close(after, before, atol=1e-4, rtol=0)
    assert not any("weight_orig" in key or "weight_u" in key for key in model.state_dict())


def test_features_match_the_spec(generator):
    _, features = generator.synthesize(generator.draw([2] * 3, [0, 1, 2], 0, Truncation(0.9)))
    assert [tuple(m.shape) for m in features.maps] == [(3, *tap[1:]) for tap in generator.spec.taps]
    assert features.condition.shape == (3, generator.spec.condition_dim)
    assert [tap.name for tap in generator.spec.taps] == ["block0", "block1", "attention", "block2", "block3", "block4"]
    assert not any(m.requires_grad for m in features.maps)


def test_a_batch_equals_its_samples_one_by_one(generator):
    latents = generator.draw([0, 1, 2, 3], [5, 6, 7, 8], 1, Truncation(0.9))
    latents.truncations[2] = 0.31
    together, _ = generator.synthesize(latents)
    alone = torch.cat([generator.synthesize(latents.take(torch.tensor([i])))[0] for i in range(4)])
    torch.testing.assert_close(together, alone, atol=1e-5, rtol=0)


@pytest.mark.parametrize("step", range(1, 51))
def test_every_published_truncation_takes_its_own_statistics(generator, step):
    # The package picks a wrong row at 0.14, 0.28, 0.56, 0.58 and 0.94, where the quotient rounds down.
    norm = generator.model.generator.bn
    mean, var = statistics(norm, torch.tensor([step * 0.02]))
    assert torch.equal(mean[0], norm.running_means[step])
    assert torch.equal(var[0], norm.running_vars[step])


def test_between_two_steps_the_nearer_statistics_weigh_more(generator):
    norm = generator.model.generator.bn
    mean, _ = statistics(norm, torch.tensor([0.405]))
    expected = 0.75 * norm.running_means[20] + 0.25 * norm.running_means[21]
    torch.testing.assert_close(mean[0], expected, atol=1e-4, rtol=1e-3)


def test_truncations_above_one_use_the_statistics_of_one(generator):
    norm = generator.model.generator.bn
    mean, _ = statistics(norm, torch.tensor([1.7]))
    assert torch.equal(mean[0], norm.running_means[50])


def test_image_size_follows_the_layers(generator):
    assert generator.image_size == 32
    assert math.prod(generator.spec.taps[-1][2:]) == 32 * 32
