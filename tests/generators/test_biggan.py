import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import save_file
from torch.utils.flop_counter import FlopCounterMode

from bdgan_cli.errors import DataError
from bdgan_cli.generators.biggan import CONFIGS, BigGAN, BigGANConfig, BigGANModel, build, random_model
from bdgan_cli.generators.biggan_blocks import Block
from bdgan_cli.interfaces import ClassInfo, Generator, Latents, Truncation
from bdgan_cli.weights.card import ModelCard
from bdgan_cli.weights.layouts import biggan as layout
from tests.generators import biggan_reference as reference

SMALL = BigGANConfig(64, width=4, chunk=3, shared_dim=8, class_count=5, attention_size=32)
CLASSES = tuple(ClassInfo(i, "", f"class {i}") for i in range(5))
CPU = torch.device("cpu")


def meta_model(config):
    with torch.device("meta"):
        return BigGANModel(config)


def card(resolution):
    return ModelCard("biggan-x", "generator", "biggan-x", "", resolution=resolution)


@pytest.fixture(scope="module")
def generator():
    return BigGAN("small", "small", random_model(SMALL, seed=3), CLASSES, CPU)


@pytest.mark.parametrize(
    "config",
    [
        SMALL,
        BigGANConfig(128, width=4, chunk=2, shared_dim=6, class_count=3, attention_size=64),
        BigGANConfig(256, width=4, chunk=2, shared_dim=6, class_count=3, attention_size=64),
        BigGANConfig(512, width=4, chunk=2, shared_dim=6, class_count=3, attention_size=64),
    ],
    ids=lambda config: str(config.resolution),
)
def test_pictures_and_features_equal_the_plain_formulas(config, tmp_path, monkeypatch):
    original = reference.filled(reference.Generator(config), seed=config.resolution)
    save_file(layout.convert(original.state_dict()), tmp_path / "weights.safetensors")
    monkeypatch.setitem(CONFIGS, config.resolution, config)
    ours = build(card(config.resolution), [tmp_path / "weights.safetensors"], CPU)
    latents = ours.draw([0, 2], [0, 1], 5, Truncation(0.9))
    images, features = ours.synthesize(latents)
    expected, maps, condition = original.double()(latents.values.double(), latents.class_ids)
    assert 0.05 < expected.std() < 0.9  # neither flat nor saturated
    torch.testing.assert_close(images.double(), expected, atol=1e-4, rtol=0)
    torch.testing.assert_close([m.double() for m in features.maps], maps, atol=1e-4, rtol=0)
    assert torch.equal(features.condition.double(), condition)
    assert [tuple(m.shape[1:]) for m in maps] == [tuple(tap[1:]) for tap in ours.spec.taps]


def test_taps_of_the_papers_generator():
    spec = CONFIGS[512].spec()
    assert [(tap.channels, tap.height, tap.width) for tap in spec.taps] == [
        (1536, 8, 8), (768, 16, 16), (768, 32, 32), (384, 64, 64),
        (384, 64, 64), (192, 128, 128), (96, 256, 256), (96, 512, 512),
    ]  # fmt: skip
    assert [tap.name for tap in spec.taps][3:5] == ["block3", "attention"]
    assert spec.condition_dim == 128


@pytest.mark.parametrize(
    ("resolution", "z_dim", "attention", "parameters"),
    [(128, 120, "block3", 70_433_988), (256, 140, "block4", 82_097_604), (512, 128, "block3", 82_296_804)],
)
def test_sizes_of_the_published_generators(resolution, z_dim, attention, parameters):
    config = CONFIGS[resolution]
    names = [tap.name for tap in config.spec().taps]
    assert config.z_dim == z_dim
    assert names[names.index("attention") - 1] == attention
    public = reference.on_meta(reference.Generator, config)
    bookkeeping = ("u0", "sv0", "stored_mean", "stored_var")
    assert sum(t.numel() for key, t in public.items() if not key.endswith(bookkeeping)) == parameters
    assert sum(p.numel() for p in meta_model(config).parameters()) == parameters


def test_a_picture_costs_two_thirds_of_the_plain_way():
    latents = Latents(torch.zeros(1, 128, device="meta"), torch.zeros(1, dtype=torch.long), torch.ones(1))
    meta = BigGAN("b", "b", meta_model(CONFIGS[512]), (), torch.device("meta"))
    with FlopCounterMode(display=False) as ours:
        image, features = meta.synthesize(latents)
    with FlopCounterMode(display=False) as plain, torch.device("meta"):
        reference.Generator(CONFIGS[512])(latents.values, latents.class_ids.to("meta"))
    assert image.shape == (1, 3, 512, 512)
    assert [tuple(m.shape[1:]) for m in features.maps] == [tuple(tap[1:]) for tap in meta.spec.taps]
    assert plain.get_total_flops() == pytest.approx(239.8e9, rel=0.01)
    assert ours.get_total_flops() < 0.67 * plain.get_total_flops()


def test_enlargement_is_merged_without_changing_the_function():
    torch.manual_seed(0)
    block, x = Block(6, 4, 2), torch.randn(2, 6, 5, 5)
    with torch.no_grad():
        expected = block.conv1(F.interpolate(x, scale_factor=2.0, mode="nearest"))
        torch.testing.assert_close(block.enlarged(x), expected)
        for _ in range(2):  # once more changes nothing
            block.merge_enlargement()
            torch.testing.assert_close(block.enlarged(x), expected, atol=1e-5, rtol=0)


def test_contract(generator):
    assert isinstance(generator, Generator)
    images, features = generator.synthesize(generator.draw([0, 4], [0, 0], 0, Truncation(0.9)))
    assert images.shape == (2, 3, 64, 64)
    assert images.abs().max() <= 1
    assert not any(t.requires_grad for t in (images, *features.maps, features.condition, *generator.model.parameters()))
    assert features.condition.shape == (2, generator.spec.condition_dim)


def test_truncation_is_the_latents_scale_and_nothing_else(generator):
    narrow, wide = (generator.draw([1], [0], 0, Truncation(value)) for value in (0.5, 1.0))
    torch.testing.assert_close(narrow.values * 2, wide.values)
    same = wide._replace(truncations=torch.tensor([0.1]))
    assert torch.equal(generator.synthesize(wide)[0], generator.synthesize(same)[0])


def test_under_autocast_only_the_convolutions_are_rounded(generator):
    latents = generator.draw([0, 1], [0, 1], 0, Truncation(0.9))
    exact, _ = generator.synthesize(latents)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        images, features = generator.synthesize(latents)
    assert {m.dtype for m in features.maps} == {torch.bfloat16}
    assert features.condition.dtype == torch.float32
    assert (images.float() - exact).abs().mean() < 0.05


def test_classes_are_those_of_imagenet(tmp_path, monkeypatch):
    monkeypatch.setitem(CONFIGS, 128, BigGANConfig(128, width=4, chunk=1, shared_dim=2))
    save_file(random_model(CONFIGS[128]).state_dict(), tmp_path / "w.safetensors")
    classes = build(card(128), [tmp_path / "w.safetensors"], CPU).classes
    assert len(classes) == 1000
    assert classes[207] == ClassInfo(207, "n02099601", classes[207].name)


@pytest.mark.parametrize(
    ("resolution", "change", "message"),
    [
        (512, lambda t: None, "expected the weights of BigGAN-512: .* keys missing"),
        (256, lambda t: t.pop("linear.bias"), "BigGAN-256: .* 1 keys missing .'linear.bias'."),
        (256, lambda t: t.update(odd=torch.zeros(1)), "1 unknown .'odd'."),
        (256, lambda t: t.update({"linear.bias": torch.zeros(3)}), "linear.bias has shape .3,., expected .1024,."),
        (300, lambda t: None, "resolution 300, expected one of 128, 256, 512"),
    ],
    ids=["256 under 512", "missing", "extra", "shape", "resolution"],
)
def test_other_weights_are_refused_in_one_line(tmp_path, monkeypatch, resolution, change, message):
    for size, attention in ((256, 128), (512, 64)):
        monkeypatch.setitem(CONFIGS, size, BigGANConfig(size, 4, 2, 6, 3, attention))
    tensors = random_model(CONFIGS[256]).state_dict()
    change(tensors)
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match=message) as caught:
        build(card(resolution), [tmp_path / "w.safetensors"], CPU)
    assert "\n" not in caught.value.message
