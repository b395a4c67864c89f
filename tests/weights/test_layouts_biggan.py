import pytest
import torch

from bdgan_cli.errors import DataError
from bdgan_cli.generators.biggan import CONFIGS, BigGAN, BigGANConfig, BigGANModel
from bdgan_cli.weights.layouts import bigdatasetgan, biggan, biggan_v1
from bdgan_cli.weights.layouts.spectral import bake, power_step
from tests.generators import biggan_reference as reference

SMALL = BigGANConfig(128, width=4, chunk=3, shared_dim=8, class_count=5, attention_size=64)
LAYOUTS = {
    "biggan": (biggan, reference.Generator),
    "biggan-v1": (biggan_v1, reference.GeneratorV1),
    "bigdatasetgan": (bigdatasetgan, reference.Joint),
}
each_layout = pytest.mark.parametrize(("layout", "kind"), LAYOUTS.values(), ids=LAYOUTS)


def small_file(kind, seed=1):
    return dict(reference.filled(kind(SMALL), seed).state_dict())


def native_shapes(config):
    with torch.device("meta"):
        return {key: t.shape for key, t in BigGANModel(config).state_dict().items()}


def pictures(native, z, class_ids):
    model = BigGANModel(SMALL)
    model.load_state_dict(native)
    ours = BigGAN("x", "x", model, (), torch.device("cpu"))
    latents = ours.draw([0], [0], 0, ours.default_rule)._replace(values=z, class_ids=class_ids)
    return ours.synthesize(latents)[0]


@pytest.mark.parametrize(
    ("name", "resolution"),
    [*((name, size) for name in ("biggan", "biggan-v1") for size in CONFIGS), ("bigdatasetgan", 512)],
)
def test_a_public_file_of_full_size_becomes_what_the_builder_loads(name, resolution):
    layout, kind = LAYOUTS[name]
    public = reference.on_meta(kind, CONFIGS[resolution])
    assert [name for name, (other, _) in LAYOUTS.items() if other.matches(public.keys())] == [layout.NAME]
    native = layout.convert(public)
    assert {key: t.shape for key, t in native.items()} == native_shapes(CONFIGS[resolution])
    assert not layout.matches(native.keys())


@pytest.mark.parametrize(
    ("kind", "entries", "some"),
    [
        (
            reference.Generator,
            222,
            {
                "shared.weight": (1000, 128), "linear.weight": (24576, 16), "linear.u0": (1, 24576),
                "blocks.0.0.conv1.weight": (1536, 1536, 3, 3), "blocks.6.0.bn2.gain.weight": (96, 144),
                "blocks.3.1.theta.weight": (48, 384, 1, 1), "blocks.3.1.gamma": (), "output_layer.2.bias": (3,),
                "blocks.1.0.conv_sc.sv0": (1,), "output_layer.0.stored_mean": (96,),
            },
        ),
        (
            reference.GeneratorV1,
            237,
            {
                "linear.weight": (128, 1000), "G_linear.module.weight_bar": (24576, 16), "attention.gamma": (1,),
                "G_linear.module.weight_u": (24576,), "GBlock.6.HyperBN_1.gamma_embed.module.weight_bar": (96, 144),
                "GBlock.0.HyperBN.bn.running_mean": (1536,), "attention.o_conv.module.weight_bar": (384, 192, 1, 1),
                "colorize.module.weight_bar": (3, 96, 3, 3), "ScaledCrossReplicaBN.weight": (96,),
            },
        ),
        (
            reference.Joint,
            289,
            {
                "low_feature_conv.0.weight": (128, 3072, 1, 1), "mid_feature_conv.0.weight": (64, 960, 1, 1),
                "high_feature_conv.0.weight": (32, 192, 1, 1), "mid_feature_mix_conv.bn1.gain.bias": (192,),
                "high_feature_mix_conv.conv2.u0": (1, 224), "out_layer.2.weight": (1, 224, 3, 3),
                "biggan_model.blocks.3.1.o.weight": (384, 192, 1, 1), "out_layer.0.stored_var": (224,),
            },
        ),
    ],
    ids=LAYOUTS,
)  # fmt: skip
def test_the_files_made_here_are_those_of_the_public(kind, entries, some):
    public = reference.on_meta(kind, CONFIGS[512])
    assert len(public) == entries
    assert {key: tuple(public[key].shape) for key in some} == some


@each_layout
def test_pictures_are_those_of_the_public_model(layout, kind):
    original = reference.filled(kind(SMALL), seed=2)
    z, class_ids = torch.randn(2, SMALL.z_dim, generator=torch.Generator().manual_seed(0)), torch.tensor([1, 4])
    generator = original.biggan_model if kind is reference.Joint else original
    images = generator(z, class_ids)
    images = images[0] if isinstance(images, tuple) else images
    assert images.std() > 0.05
    torch.testing.assert_close(pictures(layout.convert(original.state_dict()), z, class_ids), images, atol=1e-4, rtol=0)


def test_both_names_of_the_same_weights_become_the_same():
    """Bring the older names into the newer by hand, for one tensor of each order, and compare all."""
    old = small_file(reference.GeneratorV1)
    new = biggan_v1.to_biggan(old)
    assert new.keys() == {key for key in small_file(reference.Generator) if not key.endswith("sv0")}
    rows = old["G_linear.module.weight_bar"]
    channels, column, row = 64, 2, 3
    assert torch.equal(new["linear.weight"][5 * 16 + row * 4 + column], rows[(row * 4 + column) * channels + 5])
    gain = old["GBlock.1.HyperBN_1.gamma_embed.module.weight_bar"]
    assert torch.equal(new["blocks.1.0.bn2.gain.weight"], torch.cat([gain[:, 3:], gain[:, :3]], dim=1))
    assert torch.equal(new["shared.weight"][2], old["linear.weight"][:, 2])
    baked = biggan_v1.convert(old)
    for key, tensor in biggan.convert(new).items():
        assert torch.equal(baked[key], tensor), key


@each_layout
def test_log_entries_may_be_absent(layout, kind):
    whole = small_file(kind)
    bookkeeping = ("sv0", "weight_v", "num_batches_tracked")
    bare = {key: tensor for key, tensor in whole.items() if not key.endswith(bookkeeping)}
    assert len(bare) < len(whole)
    native = layout.convert(whole)
    for key, tensor in layout.convert(bare).items():
        assert torch.equal(native[key], tensor), key


def test_attentions_factor_may_lie_on_an_axis_as_in_converted_files():
    whole = small_file(reference.Generator)
    whole["blocks.3.1.gamma"] = whole["blocks.3.1.gamma"].reshape(1)
    assert biggan.convert(whole)["blocks.3.1.gamma"].shape == ()


FIRST = {"biggan": "blocks.0.0.conv1.weight", "biggan-v1": "GBlock.0.conv0.module.weight_bar"}
FIRST["bigdatasetgan"] = "biggan_model.blocks.0.0.conv1.weight"


def cut(key):
    def change(tensors):
        tensors[key] = tensors[key][:-1]

    return change


def without(*keys):
    def change(tensors):
        for key in keys:
            del tensors[key]

    return change


def with_extra(key):
    def change(tensors):
        tensors[key] = torch.zeros(1)

    return change


def as_number(key):
    def change(tensors):
        tensors[key] = torch.tensor(1.0)

    return change


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        *((n, cut(FIRST[n]), r"blocks.0.0.conv1.weight has shape \(63, 64, 3, 3\), expected \(64,") for n in FIRST),
        *((n, without(FIRST[n]), r"1 keys missing \['blocks.0.0.conv1.weight'\], 0 unknown") for n in FIRST),
        ("biggan", with_extra("odd"), r"0 keys missing \[\], 1 unknown \['odd'\]"),
        ("biggan-v1", with_extra("GBlock.0.odd.module.bias"), r"1 unknown \['GBlock.0.odd.module.bias'\]"),
        ("bigdatasetgan", with_extra("odd"), r"1 unknown \['odd'\]"),
        ("bigdatasetgan", with_extra("biggan_model.odd"), r"1 unknown \['odd'\]"),
        ("biggan", without("blocks.2.0.conv2.u0"), r"1 keys missing \['blocks.2.0.conv2.u0'\]"),
        ("biggan", without("linear.weight"), r"1 keys missing \['linear.weight'\]"),
        ("biggan", without("blocks.1.0.conv_sc.bias"), r"1 keys missing \['blocks.1.0.conv_sc.bias'\]"),
        ("biggan", as_number("shared.weight"), r"shared.weight has shape \(\), expected at least 2 axes"),
        ("biggan", cut("blocks.2.0.conv_sc.bias"), r"blocks.2.0.conv1.weight has shape .*, expected \(15,"),
        ("biggan-v1", as_number("G_linear.module.bias"), r"linear.bias has shape \(\), expected \(1024,\)"),
        ("biggan-v1", as_number("linear.weight"), r"linear.weight has shape \(\), expected at least 1 axes"),
        ("biggan-v1", without("attention.theta.module.weight_bar"), r"missing \['attention.theta.module.weight_bar'\]"),
        ("biggan-v1", without("GBlock.4.conv_sc.module.bias"), r"missing \['GBlock.4.conv_sc.module.bias'\]"),
        ("biggan-v1", without("GBlock.1.HyperBN.bn.running_var"), r"missing \['blocks.1.0.bn1.stored_var'\]"),
        ("bigdatasetgan", without("out_layer.2.u0"), r"1 keys missing \['out_layer.2.u0'\]"),
        ("bigdatasetgan", without("out_layer.2.weight"), r"1 keys missing \['out_layer.2.weight'\]"),
        ("bigdatasetgan", cut("low_feature_conv.0.weight"), r"low_feature_conv.0.weight has shape \(127,"),
    ],
)
def test_a_file_that_is_not_whole_is_named_in_one_line(name, change, message):
    layout, kind = LAYOUTS[name]
    tensors = small_file(kind)
    change(tensors)
    with pytest.raises(DataError, match=message) as caught:
        layout.convert(tensors)
    assert "\n" not in caught.value.message
    assert caught.value.hint


def test_attention_that_fits_no_block_or_two_is_refused():
    tensors = small_file(reference.GeneratorV1)
    tensors["attention.theta.module.weight_bar"] = torch.zeros(1, 7, 1, 1)
    with pytest.raises(DataError, match=r"attention has 7 channels, .* got those of blocks \[\]"):
        biggan_v1.convert(tensors)


def test_the_head_is_split_off_whole():
    tensors = small_file(reference.Joint)
    head = bigdatasetgan.head_tensors(tensors)
    assert len(head) == 289 - 222
    assert all(torch.equal(head[key], tensors[key]) for key in head)
    assert not any(key.startswith("biggan_model") for key in head)


def test_one_power_step_is_not_the_exact_norm():
    weight = torch.randn(6, 5, generator=torch.Generator().manual_seed(0))
    u0 = torch.ones(1, 6)
    exact = torch.linalg.matrix_norm(weight, 2)
    step = power_step(weight, u0)
    assert 0.5 * exact < step.sigma < 0.999 * exact
    torch.testing.assert_close(step.u @ weight @ step.v, step.sigma)
    baked = bake({"a.weight": weight, "a.u0": u0, "a.sv0": torch.ones(1), "b.weight": weight})
    assert baked.keys() == {"a.weight", "b.weight"}
    torch.testing.assert_close(baked["a.weight"], reference.one_step(weight, u0))
    assert torch.equal(baked["b.weight"], weight)
