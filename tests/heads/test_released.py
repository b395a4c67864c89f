import pytest
import torch

from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.generators.biggan import BigGAN, BigGANConfig, BigGANModel
from bdgan_cli.heads.files import load_head
from bdgan_cli.heads.released import ReadsFeaturesOf, released_ensemble, save_released_head
from bdgan_cli.interfaces import Features, Truncation
from bdgan_cli.weights.layouts import bigdatasetgan
from tests.generators import biggan_reference as reference

CONFIG = BigGANConfig(128, width=4, chunk=3, shared_dim=8, class_count=5, attention_size=64)
SHA = "ab" * 32


@pytest.fixture(scope="module")
def original():
    return reference.filled(reference.Joint(CONFIG, labels=1), seed=4)


@pytest.fixture(scope="module")
def generator(original):
    model = BigGANModel(CONFIG)
    model.load_state_dict(bigdatasetgan.convert(original.state_dict()))
    return BigGAN("small", "small", model, (), torch.device("cpu"))


def test_the_released_models_pictures_logits_and_masks(original, generator, tmp_path):
    reads = ReadsFeaturesOf("small", SHA, generator.spec, 128)
    card = save_released_head(tmp_path / "h", "h", bigdatasetgan.head_tensors(original.state_dict()), reads)
    assert (card.arch, card.members, card.labels) == ("official", (0,), 1)
    head = load_head(tmp_path / "h", "small", SHA)
    latents = generator.draw([0, 3], [0, 1], 0, Truncation(0.9))
    images, features = generator.synthesize(latents)
    logits = head.ensemble(features)
    expected_images, expected = original(latents.values, latents.class_ids)
    torch.testing.assert_close(images, expected_images, atol=1e-4, rtol=0)
    assert logits.shape == (1, 2, 1, 128, 128)
    assert expected.std() > 0.05
    torch.testing.assert_close(logits[0], expected, atol=1e-4, rtol=0)
    masks = expected.sigmoid() > 0.5
    assert 0.02 < masks.float().mean() < 0.98
    sure = expected.abs() > 1e-4  # a logit of zero but for rounding may fall on either side
    assert sure.float().mean() > 0.999
    assert torch.equal((logits[0].sigmoid() > 0.5)[sure], masks[sure])
    with pytest.raises(UsageError, match="other weights of small"):
        load_head(tmp_path / "h", "small", "cd" * 32)


def test_training_goes_on_from_the_released_vectors(original, generator):
    """Before it is frozen the head has torch's spectral norm, whose next step starts where the released one ended."""
    head = bigdatasetgan.head_tensors(original.state_dict())
    ensemble, labels = released_ensemble(head, generator.spec, 128)
    assert labels == 1
    norm = ensemble.heads[0].mix[0].conv_1.parametrizations.weight[0]
    weight = head["mid_feature_mix_conv.conv1.weight"].flatten(1)
    v = torch.nn.functional.normalize(head["mid_feature_mix_conv.conv1.u0"] @ weight, eps=1e-4)
    torch.testing.assert_close(norm._v, v[0])
    expected = reference.one_step(head["mid_feature_mix_conv.conv1.weight"], head["mid_feature_mix_conv.conv1.u0"])
    torch.testing.assert_close(ensemble.heads[0].mix[0].conv_1.weight, expected)


def test_several_labels_stay_several(generator):
    original = reference.filled(reference.Joint(CONFIG, labels=3), seed=5)
    ensemble, labels = released_ensemble(bigdatasetgan.head_tensors(original.state_dict()), generator.spec, 128)
    assert labels == 3
    features = Features(
        [torch.zeros(1, *tap[1:]) for tap in generator.spec.taps], torch.zeros(1, generator.spec.condition_dim)
    )
    with torch.no_grad():
        assert ensemble.for_inference()(features).shape == (1, 1, 3, 128, 128)


@pytest.mark.parametrize(
    ("change", "spec", "message"),
    [
        (lambda t: t.pop("out_layer.2.u0"), CONFIG.spec(), "tensor 'out_layer.2.u0' is missing"),
        (lambda t: t.pop("mid_feature_mix_conv.bn1.gain.bias"), CONFIG.spec(), "bn1.gain.bias' is missing"),
        (
            lambda t: None,
            BigGANConfig(128, width=8, shared_dim=8, attention_size=64).spec(),
            r"heads.0.reduce.0.weight is \(128, 64, 1, 1\), the features of 128 pixels need \(128, 128, 1, 1\)",
        ),
        (lambda t: None, BigGANConfig(128, width=4, shared_dim=9, attention_size=64).spec(), "gain.* need .192, 9."),
    ],
    ids=["vector", "bias", "width", "condition"],
)
def test_a_head_that_does_not_fit_is_refused_in_one_line(original, tmp_path, change, spec, message):
    tensors = bigdatasetgan.head_tensors(original.state_dict())
    change(tensors)
    with pytest.raises(DataError, match=message) as caught:
        save_released_head(tmp_path / "h", "h", tensors, ReadsFeaturesOf("small", SHA, spec, 128))
    assert "\n" not in caught.value.message
    assert caught.value.hint
    assert not (tmp_path / "h").exists()
