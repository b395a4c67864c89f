import pytest
import torch

from bdgan_cli.errors import DataError
from bdgan_cli.generators.biggan_deep import bake_spectral_norm
from bdgan_cli.weights.layouts import biggan_deep, vqgan
from bdgan_cli.weights.layouts.table import LAYOUTS
from tests.weights import toy


@pytest.fixture(scope="module")
def tensors():
    return toy.public_tensors()


def test_spectral_norm_is_divided_out_as_torch_does(tensors):
    expected = bake_spectral_norm(toy.package_model()).state_dict()
    native = biggan_deep.convert(tensors)
    assert native.keys() == expected.keys()
    for key, tensor in native.items():
        torch.testing.assert_close(tensor, expected[key], atol=1e-6, rtol=1e-6)


def test_the_converted_weights_make_the_packages_pictures(tensors):
    model = bake_spectral_norm(toy.package_model())
    model.load_state_dict(biggan_deep.convert(tensors))
    z, label = torch.randn(2, 128, generator=torch.Generator().manual_seed(0)), torch.eye(3)[:2]
    with torch.no_grad():
        torch.testing.assert_close(model(z, label, 1.0), toy.package_model()(z, label, 1.0), atol=1e-4, rtol=0)


def test_a_divided_weight_beside_the_others_is_not_taken(tensors):
    stray = {**tensors, "generator.gen_z.weight": torch.zeros_like(tensors["generator.gen_z.weight_orig"])}
    assert biggan_deep.convert(stray)["generator.gen_z.weight"].abs().max() > 0


def test_converted_weights_convert_to_themselves(tensors):
    native = biggan_deep.convert(tensors)
    again = biggan_deep.convert(native)
    assert biggan_deep.matches(native.keys())
    assert all(torch.equal(native[key], again[key]) for key in native)


@pytest.mark.parametrize("resolution", [128, 256, 512])
def test_the_number_of_blocks_tells_the_resolution(resolution):
    names = toy.public_tensors(resolution, width=8)
    assert biggan_deep.resolution(names) == resolution
    assert biggan_deep.resolution(biggan_deep.convert(names)) == resolution


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("generator.layers.0.conv_0.weight_u"), r"missing \['generator.layers.0.conv_0.weight_u'\]"),
        (
            lambda t: t.update({"generator.gen_z.weight_v": torch.ones(7)}),
            r"generator.gen_z.weight_v has shape \(7,\), expected \(256,\)",
        ),
        (lambda t: t.update({"generator.gen_z.weight_orig": torch.ones(7)}), r"has shape \(7,\), expected a matrix"),
        (lambda t: t["generator.gen_z.weight_u"].zero_(), "spectral norm of generator.gen_z.weight is 0"),
    ],
)
def test_a_layer_without_its_vectors_is_refused(change, message):
    tensors = toy.public_tensors()
    change(tensors)
    with pytest.raises(DataError, match=message):
        biggan_deep.convert(tensors)


def test_vqgan_keeps_what_sampling_needs():
    tensors = toy.vqgan_tensors()
    native = vqgan.convert(tensors)
    left_out = {"first_stage_model.loss.discriminator.main.0.weight"}
    left_out |= {f"transformer.blocks.{i}.attn.mask" for i in range(2)}
    assert native.keys() == tensors.keys() - left_out
    assert all(native[key] is tensors[key] for key in native)
    assert vqgan.stored_dtype("transformer.pos_emb") == torch.bfloat16
    assert vqgan.stored_dtype("first_stage_model.quant_conv.weight") == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.pop("transformer.head.weight"), r"1 keys missing \['transformer.head.weight'\]"),
        (lambda t: t.pop("first_stage_model.decoder.conv_out.weight"), "1 keys missing"),
        (lambda t: t.update({"transformer.head.weight": torch.ones(5)}), "expected a matrix"),
        (
            lambda t: t.update({"first_stage_model.quantize.embedding.weight": torch.ones(5, 4)}),
            "as many rows in each vocabulary, got .*embedding.weight 5",
        ),
    ],
)
def test_half_a_vqgan_is_refused(change, message):
    tensors = toy.vqgan_tensors()
    change(tensors)
    with pytest.raises(DataError, match=message):
        vqgan.convert(tensors)


def test_every_layout_says_what_it_is_and_matches_itself_alone(tensors):
    names = [layout.NAME for layout in LAYOUTS]
    assert len(set(names)) == len(names)
    assert all(layout.SUMMARY for layout in LAYOUTS)
    assert [layout.NAME for layout in LAYOUTS if layout.matches(tensors)] == ["biggan-deep"]
    assert [layout.NAME for layout in LAYOUTS if layout.matches(toy.vqgan_tensors())] == ["vqgan"]
    assert [layout.NAME for layout in LAYOUTS if layout.matches(["weight", "bias"])] == []
