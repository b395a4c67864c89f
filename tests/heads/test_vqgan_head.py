"""The head of supplement A.2 against a step-by-step one, and its shape at the published size."""

import pytest
import torch
import torch.nn.functional as F

from bdgan_cli.heads.maps import resolution_groups
from bdgan_cli.heads.vqgan_head import VQGANHead
from bdgan_cli.interfaces import FeatureSpec, Tap
from tests.heads.toy import random_features

PRIOR = [Tap(f"prior{i}", 1536, 16, 16) for i in range(4, 49, 4)]
DECODER = [(512, 16), (512, 16), (512, 16), (256, 32), (256, 64), (128, 128), (128, 256)]
PUBLISHED = FeatureSpec((*PRIOR, *(Tap(f"d{i}", c, s, s) for i, (c, s) in enumerate(DECODER))), 0)
SMALL = FeatureSpec(
    (Tap("a", 6, 2, 2), Tap("b", 5, 2, 2), Tap("c", 4, 4, 4), Tap("d", 4, 8, 8), Tap("e", 3, 16, 16)), 0
)


def test_groups_at_the_published_size_are_the_papers():
    assert resolution_groups(PUBLISHED, 32, 128) == [list(range(16)), [16, 17], [18]]


def test_layers_are_the_papers():
    with torch.device("meta"):
        head = VQGANHead(PUBLISHED, 256, 1)
    assert [tuple(conv.weight.shape) for conv in head.reduce[:1]] == [(128, 1536, 1, 1)]
    assert len(head.reduce) == 19
    assert [tuple(conv.weight.shape) for conv in head.mix] == [(128, 256, 3, 3)] * 2
    kinds = [type(layer).__name__ for layer in head.classify]
    assert kinds == ["Conv2d", "PixelNorm", "ReLU", "Conv2d", "PixelNorm", "ReLU", "Conv2d"]
    assert all(layer.kernel_size == (1, 1) for layer in head.classify if isinstance(layer, torch.nn.Conv2d))


@pytest.mark.parametrize("labels", [1, 3])
def test_logits_equal_a_concatenation_written_out(labels):
    torch.manual_seed(0)
    head = VQGANHead(SMALL, 16, labels)
    features = random_features(2, spec=SMALL)

    # One 1x1 convolution over the concatenation of a group's upsampled features.
    def group(positions, size):
        stacked = torch.cat([up(features.maps[i], size) for i in positions], 1)
        weight = torch.cat([head.reduce[i].weight for i in positions], 1)
        return F.conv2d(stacked, weight, sum(head.reduce[i].bias for i in positions))

    def up(x, size):
        return F.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)

    high, mid, low = group([0, 1], 2), group([2, 3], 8), group([4], 16)
    x = F.relu(head.mix[0](torch.cat([up(high, 8), mid], 1)))
    x = F.relu(head.mix[1](torch.cat([up(x, 16), low], 1)))
    for conv, norm in ((0, 1), (3, 4)):
        x = head.classify[conv](x)
        x = (x - x.mean(1, keepdim=True)) / (x.var(1, unbiased=False, keepdim=True) + 1e-5).sqrt()
        x = F.relu(x * head.classify[norm].weight[:, None, None] + head.classify[norm].bias[:, None, None])
    torch.testing.assert_close(head(features), head.classify[6](x), atol=1e-4, rtol=1e-4)
