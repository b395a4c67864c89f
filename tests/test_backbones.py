import pytest
import torch
import torchvision

from bdgan_cli.backbones import ARCHITECTURES, ResNet, find_architecture
from bdgan_cli.errors import UsageError


@pytest.mark.parametrize("name", ["resnet18", "resnet50"])
def test_it_is_torchvisions_network(name):
    torch.manual_seed(0)
    theirs = getattr(torchvision.models, name)()
    for buffer in theirs.buffers():
        if buffer.is_floating_point():
            buffer.uniform_(0.5, 1.5)
    ours = ResNet(ARCHITECTURES[name])
    missing, unexpected = ours.load_state_dict(theirs.state_dict(), strict=False)
    assert (missing, unexpected) == ([], ["fc.weight", "fc.bias"])
    images = torch.randn(2, 3, 64, 96)
    with torch.no_grad():
        maps = ours.eval()(images)
        x = theirs.eval().maxpool(theirs.relu(theirs.bn1(theirs.conv1(images))))
        for stage, found in zip((theirs.layer1, theirs.layer2, theirs.layer3, theirs.layer4), maps, strict=True):
            x = stage(x)
            torch.testing.assert_close(found, x, rtol=1e-5, atol=1e-5)
    assert [m.shape[1] for m in maps] == list(ARCHITECTURES[name].channels)


def test_initial_weights_have_the_variance_that_relu_needs():
    weight = ResNet(ARCHITECTURES["resnet18"]).layer4[1].conv2.weight
    assert weight.std().item() == pytest.approx((2 / (512 * 9)) ** 0.5, rel=0.02)


def test_the_narrow_one_keeps_cells_of_16_pixels():
    maps = ResNet(ARCHITECTURES["resnet18-narrow"])(torch.randn(2, 3, 64, 64))
    assert [tuple(m.shape[1:]) for m in maps] == [(16, 16, 16), (32, 8, 8), (64, 4, 4), (128, 4, 4)]


def test_unknown_architecture():
    with pytest.raises(UsageError, match="unknown backbone architecture 'resnet5'") as caught:
        find_architecture("resnet5")
    assert "resnet50" in caught.value.hint
