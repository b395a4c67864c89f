"""Segmenters: shapes, normalisation, and where backbones start from."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torchvision.models import resnet50

from bdgan_cli.backbones import ResNet
from bdgan_cli.backbones import find_architecture as find_backbone
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.evaluation.segmenters import MEAN, SEGMENTERS, STD, Segmenter, build_segmenter, find_architecture
from bdgan_cli.weights.backbones import backbone_tensors

ON_OURS = {"deeplabv3-resnet18": "resnet18", "deeplabv3-tiny": "resnet18-narrow"}


def pictures(size, count=2, seed=0):
    return torch.randint(
        0, 256, (count, 3, size, size), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed)
    )


@pytest.fixture(scope="module")
def weights():
    """A ResNet-50 as torchvision stores it, with the classifier ``fc``."""
    torch.manual_seed(1)
    return resnet50(weights=None).state_dict()


@pytest.fixture(scope="module")
def deeplab(weights):
    """Built once: it is slow."""
    torch.manual_seed(2)
    return build_segmenter("deeplabv3-resnet50", 17, weights)


@pytest.fixture(scope="module")
def tiny():
    torch.manual_seed(3)
    return build_segmenter("lraspp-tiny", 5).eval()


def test_every_segmenter_is_tested_here():
    assert set(SEGMENTERS) == {"deeplabv3-resnet50", *ON_OURS, "lraspp-tiny"}


@torch.inference_mode()
@pytest.mark.parametrize(("name", "arch"), ON_OURS.items())
def test_a_backbone_of_ours_carries_a_segmenter_and_gives_its_weights(name, arch):
    torch.manual_seed(4)
    weights = {key: value + 1 for key, value in backbone_tensors(ResNet(find_backbone(arch))).items()}
    segmenter = build_segmenter(name, 7, weights).eval()
    assert segmenter(pictures(64)).shape == (2, 7, 64, 64)
    assert find_architecture(name).backbone == arch
    taken = segmenter.network.get_submodule("backbone").state_dict()
    assert all(torch.equal(taken[key], value) for key, value in weights.items())


@torch.inference_mode()
def test_deeplab_gives_a_logit_for_each_label_and_pixel(deeplab):
    assert deeplab.eval()(pictures(48)).shape == (2, 17, 48, 48)


@torch.inference_mode()
@pytest.mark.parametrize("size", [32, 33, 64, 96])
def test_tiny_gives_a_logit_for_each_label_and_pixel(tiny, size):
    logits = tiny(pictures(size))
    assert logits.shape == (2, 5, size, size)
    assert torch.isfinite(logits).all()


def test_pictures_are_normalised_as_imagenets(tiny):
    """The network sees (x / 255 - mean) / std; grey of the views is about zero."""

    class Passing(nn.Module):
        def forward(self, images):
            return {"out": images}

    segmenter, images = Segmenter(Passing()), pictures(8)
    expected = torch.stack([(images[:, c] / 255 - MEAN[c]) / STD[c] for c in range(3)], 1)
    torch.testing.assert_close(segmenter(images), expected)
    grey = torch.tensor([124, 116, 104], dtype=torch.uint8).view(1, 3, 1, 1)
    assert segmenter(grey).abs().max() < 0.02
    assert "mean" not in tiny.state_dict()


def test_the_backbone_starts_from_the_weights_given(deeplab, weights):
    backbone = deeplab.network.backbone.state_dict()
    names = [name for name in backbone if not name.endswith("num_batches_tracked")]
    assert set(names) == {name for name in weights if not name.startswith("fc.") and name in names}
    assert {name for name in weights if name not in backbone} == {"fc.weight", "fc.bias"}
    assert len(names) > 200
    for name in names:
        assert torch.equal(backbone[name], weights[name]), name


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda w: w.pop("layer3.5.conv2.weight"), "1 keys missing, 0 of another shape, such as layer3.5.conv2.weight"),
        (lambda w: w.update({"conv1.weight": torch.zeros(64, 1, 7, 7)}), "0 keys missing, 1 of another shape"),
        (lambda w: w.clear(), "265 keys missing"),
        (lambda w: [w.update({f"module.{name}": w.pop(name)}) for name in list(w)], "265 keys missing"),
    ],
    ids=["a key missing", "another shape", "empty", "other names"],
)
def test_weights_of_another_network_are_refused(monkeypatch, deeplab, weights, change, told):
    monkeypatch.setitem(
        SEGMENTERS,
        "deeplabv3-resnet50",
        find_architecture("deeplabv3-resnet50")._replace(build=lambda _: deeplab.network),
    )
    wrong = dict(weights)
    change(wrong)
    before = deeplab.network.backbone.conv1.weight.clone()
    with pytest.raises(DataError, match="the backbone's weights do not fit deeplabv3-resnet50") as caught:
        build_segmenter("deeplabv3-resnet50", 17, wrong)
    assert told in caught.value.message
    assert "--init" in caught.value.hint
    assert torch.equal(before, deeplab.network.backbone.conv1.weight)


def test_initial_weights_are_named_by_torchs_seed():
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(build_segmenter("lraspp-tiny", 3).state_dict())
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    assert any(not torch.equal(states[0][name], states[2][name]) for name in states[0])


def test_tiny_keeps_more_of_small_pictures_than_its_origin(tiny):
    """Its first layer keeps the size: 64 pixels become 8 at the end of the backbone, not 4."""
    features = tiny.network.backbone(torch.zeros(1, 3, 64, 64))
    assert features["high"].shape[-2:] == (8, 8)
    assert features["low"].shape[-2:] == (16, 16)


def test_an_unknown_name_is_told_with_near_ones():
    with pytest.raises(UsageError, match="unknown segmenter 'deeplabv3'") as caught:
        build_segmenter("deeplabv3", 2)
    assert "deeplabv3-resnet50" in caught.value.hint
