import pytest
import torch
from torch import nn
from torch.nn import functional

from bdgan_cli.backbones import ARCHITECTURES
from bdgan_cli.pretraining.networks import (
    IGNORED,
    PROJECTION_DIM,
    ContrastiveNet,
    OnlineNet,
    SegmentationBranch,
    normalised,
    segmentation_loss,
)
from bdgan_cli.pretraining.norms import GroupedBatchNorm

TINY = ARCHITECTURES["resnet18-narrow"]


def test_projections_are_what_the_names_say():
    net = ContrastiveNet(TINY, 4)
    images = torch.randn(4, 3, 64, 64)
    found = net(images)
    assert found.whole_ND.shape == found.pooled_ND.shape == (4, PROJECTION_DIM)
    assert found.cells_NDS.shape == (4, PROJECTION_DIM, 16)
    assert found.features_NCS.shape == (4, TINY.channels[-1], 16)
    for values in (found.whole_ND, found.cells_NDS, found.pooled_ND):
        torch.testing.assert_close(values.norm(dim=1), torch.ones_like(values[:, 0]))
    features = found.features_NCS
    whole = functional.normalize(net.whole_head(features.mean(2)), dim=1)
    torch.testing.assert_close(found.whole_ND, whole)
    # The cell head is a 1x1 convolution, so a matrix; the pooled key is the mean before, not after, the scaling.
    first, last = (layer.weight.flatten(1) for layer in (net.cell_head[0], net.cell_head[2]))
    raw = torch.einsum("dc,ncs->nds", last, torch.relu(torch.einsum("dc,ncs->nds", first, features)))
    torch.testing.assert_close(found.pooled_ND, functional.normalize(raw.mean(2), dim=1), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.cells_NDS, functional.normalize(raw, dim=1), rtol=1e-4, atol=1e-5)


def test_the_heads_have_no_batch_norm():
    net = OnlineNet(TINY, 4, labels=3)
    for part in (net.contrastive.whole_head, net.contrastive.cell_head, net.branch):
        assert not any(isinstance(module, (GroupedBatchNorm, nn.BatchNorm2d)) for module in part.modules())


def test_all_passes_of_a_step_in_one_call():
    net = OnlineNet(TINY, 2, labels=5)
    projections, logits = net(torch.randn(2, 3, 64, 64), torch.randn(4, 3, 64, 64))
    assert projections.whole_ND.shape == (2, PROJECTION_DIM)
    assert logits.shape == (4, 5, 64, 64)
    assert OnlineNet(TINY, 2)(torch.randn(2, 3, 64, 64))[1] is None


def test_the_branch_reads_all_four_maps():
    branch = SegmentationBranch((2, 3, 4, 5), 3, 6)
    maps = [torch.randn(1, c, s, s, requires_grad=True) for c, s in zip((2, 3, 4, 5), (8, 4, 2, 1), strict=True)]
    branch(maps, (32, 32)).square().sum().backward()
    assert all(m.grad.abs().sum() > 0 for m in maps)


def test_the_segmentation_loss_counts_pictures_alike_and_leaves_ignored_pixels_out():
    logits, masks = torch.randn(3, 4, 5, 5), torch.randint(0, 4, (3, 5, 5))
    masks[1, :4] = IGNORED
    masks[2] = IGNORED
    chances = logits.double().softmax(1)
    each = []
    for n in range(3):
        pixels = [-chances[n, masks[n, y, x], y, x].log() for y in range(5) for x in range(5) if masks[n, y, x] >= 0]
        each.append(sum(pixels) / len(pixels) if pixels else 0.0)
    found = segmentation_loss(logits, masks.to(torch.int16))
    assert found.item() == pytest.approx(float(sum(each) / 3), rel=1e-5)


@pytest.mark.parametrize("group", [2, 3, 6])
def test_grouped_batch_norm_is_batch_norm_of_each_group(group):
    ours, reference = GroupedBatchNorm(4, group), nn.BatchNorm2d(4)
    x = torch.randn(6, 4, 3, 3) * 2 + 1
    parts, means, variances = [], [], []
    for part in x.split(group):
        single = nn.BatchNorm2d(4)
        parts.append(single(part))
        means.append(single.running_mean)
        variances.append(single.running_var)
    torch.testing.assert_close(ours(x), torch.cat(parts))
    torch.testing.assert_close(ours.running_mean, torch.stack(means).mean(0))
    torch.testing.assert_close(ours.running_var, torch.stack(variances).mean(0))
    reference.load_state_dict(ours.state_dict(), strict=False)
    torch.testing.assert_close(ours.eval()(x), reference.eval()(x))


def test_a_batch_that_is_no_multiple_of_the_group():
    with pytest.raises(ValueError, match="batch of 5 is no multiple of the group of 2"):
        GroupedBatchNorm(4, 2)(torch.randn(5, 4, 2, 2))


def test_pictures_are_normalised_as_imagenets():
    from torchvision.transforms.v2 import functional as transforms

    images = torch.randint(0, 256, (2, 4, 5, 3), dtype=torch.uint8)
    scaled = transforms.to_dtype(images.permute(0, 3, 1, 2), torch.float32, scale=True)
    expected = transforms.normalize(scaled, [0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    torch.testing.assert_close(normalised(images), expected, rtol=1e-4, atol=1e-5)
    assert normalised(images).is_contiguous(memory_format=torch.channels_last)
