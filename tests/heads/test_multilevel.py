import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from bdgan_cli.heads.multilevel import CELL, WIDTH, MultilevelHeads, build
from bdgan_cli.interfaces import FeatureSpec, Tap
from tests.heads.toy import BIGGAN_512, SIZE, SPEC, random_features

MAX_GFLOP_PER_MEMBER = 20
EXPECTED_GFLOP_PER_MEMBER = 1.97


@pytest.mark.parametrize("members", [1, 16])
def test_cost_at_512(members):
    with torch.device("meta"):
        heads = MultilevelHeads(BIGGAN_512, 512, 1, members).eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        logits = heads(random_features(1, spec=BIGGAN_512, device="meta"))
    assert logits.shape == (members, 1, 1, 512, 512)
    gflop = counter.get_total_flops() / members / 1e9
    assert gflop <= MAX_GFLOP_PER_MEMBER
    assert gflop == pytest.approx(EXPECTED_GFLOP_PER_MEMBER, rel=0.01)


def test_batched_members_compute_what_each_would_alone():
    """Every member again, with plain convolutions on its own block of the weights."""
    heads = build(SPEC, SIZE, 2, [1, 2, 3]).eval()
    torch.nn.init.normal_(heads.direct.weight)  # starts at zero
    x, y = random_features(2)
    for member, logits in enumerate(heads(random_features(2))):
        own = {name: p.detach().chunk(3)[member] for name, p in heads.named_parameters()}

        def norm(name, maps, condition, own=own):
            gain, bias = own[f"{name}.gain"], own[f"{name}.bias"]
            if condition is not None:
                gain = gain + condition @ own[f"{name}.gain_of_class"].T
                bias = bias + condition @ own[f"{name}.bias_of_class"].T
            gain, bias = gain.view(-1, WIDTH, 1, 1), bias.view(-1, WIDTH, 1, 1)
            return F.relu(maps / (1 + 1e-4) ** 0.5 * gain + bias)

        def up(maps, size):
            return F.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)

        reduced = [F.conv2d(m, own[f"reduce.{i}.weight"], stride=CELL if i == 4 else 1) for i, m in enumerate(x)]
        h = up(up(reduced[0], 4) + reduced[1] + reduced[2], 8) + reduced[3] + reduced[4]
        inner = F.conv2d(norm("norm_1", h, y), own["conv_1.weight"], padding=1)
        h = h + F.conv2d(norm("norm_2", inner, y), own["conv_2.weight"], own["conv_2.bias"], padding=1)
        cells = F.conv2d(norm("norm_3", h, None), own["classify.weight"], own["classify.bias"], padding=1)
        direct = F.conv2d(x[4], own["direct.weight"])
        torch.testing.assert_close(logits, F.pixel_shuffle(cells, CELL) + direct, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("sizes", "channels"), [((4, 16), 3), ((16, 16), 6), ((4, 8), None), ((4, 32), None), ((16, 32), None)]
)
def test_taps_of_the_images_size_speak_for_each_pixel(sizes, channels):
    spec = FeatureSpec(tuple(Tap(str(i), 3, s, s) for i, s in enumerate(sizes)), 4)
    direct = MultilevelHeads(spec, SIZE, 2, 5).direct
    assert (direct and tuple(direct.weight.shape)) == (channels and (10, channels, 1, 1))


def test_contiguous_and_channels_last_features_give_the_same():
    heads = build(SPEC, SIZE, 1, [0, 1]).for_inference()
    features = random_features(2)
    other = features._replace(maps=[x.contiguous(memory_format=torch.channels_last) for x in features.maps])
    torch.testing.assert_close(heads(features), heads(other), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("sizes", [(16,), (2,), (1, 8), (4, 32)])
def test_any_range_of_resolutions(sizes):
    spec = FeatureSpec(tuple(Tap(str(s), 3, s, s) for s in sizes), 4)
    assert MultilevelHeads(spec, SIZE, 1, 2)(random_features(2, spec=spec)).shape == (2, 2, 1, SIZE, SIZE)


@pytest.mark.parametrize("tap", [Tap("wide", 3, 8, 16), Tap("odd", 3, 12, 12)])
def test_a_tap_that_does_not_fit_is_named(tap):
    with pytest.raises(ValueError, match=rf"tap '{tap.name}' is {tap.height}x{tap.width}; expected"):
        MultilevelHeads(FeatureSpec((tap,), 0), SIZE, 1, 1)
