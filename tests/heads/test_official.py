import pytest
import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from bdgan_cli.heads.maps import resolution_groups
from bdgan_cli.heads.official import OfficialHead, freeze_spectral_norms
from bdgan_cli.interfaces import FeatureSpec, Tap
from tests.heads.toy import BIGGAN_512, SIZE, SPEC, random_features


def test_groups_of_biggan_512_are_the_released_ones():
    assert resolution_groups(BIGGAN_512, 32, 128) == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_layers_of_biggan_512_have_the_released_widths():
    with torch.device("meta"):
        head = OfficialHead(BIGGAN_512, 512, 1)
    assert [tuple(conv.weight.shape[:2]) for conv in head.reduce] == [(128, 3072), (64, 960), (32, 192)]
    assert all(conv.bias is None for conv in head.reduce)
    assert [mix.conv_1.in_channels for mix in head.mix] == [192, 224]
    assert (head.classify.in_channels, head.classify.out_channels) == (224, 1)


def test_cost_at_512_is_that_of_the_released_head():
    with torch.device("meta"):
        head = OfficialHead(BIGGAN_512, 512, 1).eval()
        freeze_spectral_norms(head)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        logits = head(random_features(1, spec=BIGGAN_512, device="meta"))
    assert logits.shape == (1, 1, 512, 512)
    assert counter.get_total_flops() == pytest.approx(502.4e9, rel=0.005)


def test_forward_follows_the_description():
    """The whole head, written out again with plain functions on its weights."""
    head = OfficialHead(SPEC, SIZE, 2).eval()
    (x, y) = random_features(2)

    def up(maps, size):
        return F.interpolate(maps, size=(size, size), mode="bilinear", align_corners=False)

    def norm(block, maps):
        gain = 1 + F.linear(y, block.gain.weight, block.gain.bias)
        bias = F.linear(y, block.bias.weight, block.bias.bias)
        return maps / (1 + 1e-4) ** 0.5 * gain[..., None, None] + bias[..., None, None]

    def mix(block, maps):
        h = F.conv2d(F.relu(norm(block.norm_1, maps)), block.conv_1.weight, block.conv_1.bias, padding=1)
        return maps + F.conv2d(F.relu(norm(block.norm_2, h)), block.conv_2.weight, block.conv_2.bias, padding=1)

    low = F.conv2d(x[0], head.reduce[0].weight)
    mid = F.conv2d(torch.cat([x[1], x[2]], 1), head.reduce[1].weight)
    high = F.conv2d(torch.cat([up(x[3], SIZE), x[4]], 1), head.reduce[2].weight)
    h = mix(head.mix[0], torch.cat([up(low, 4), mid], 1))
    h = mix(head.mix[1], torch.cat([up(h, SIZE), high], 1))
    expected = F.conv2d(F.relu(h / (1 + 1e-5) ** 0.5), head.classify.weight, head.classify.bias, padding=1)
    torch.testing.assert_close(head(random_features(2)), expected, rtol=1e-4, atol=1e-4)


def test_convolutions_are_spectrally_normalised():
    head = OfficialHead(SPEC, SIZE, 1)
    for _ in range(20):
        head(random_features(2))
    weight = head.eval().mix[1].conv_1.weight
    assert torch.linalg.matrix_norm(weight.detach().flatten(1), 2).item() == pytest.approx(1, rel=0.05)


@pytest.mark.parametrize("sizes", [(4,), (1, 16), (8, 16), (1, 4), (8,)])
def test_a_group_may_be_empty_and_the_finest_tap_coarse(sizes):
    spec = FeatureSpec(tuple(Tap(str(s), 3, s, s) for s in sizes), 4)
    assert OfficialHead(spec, SIZE, 1)(random_features(2, spec=spec)).shape == (2, 1, SIZE, SIZE)
