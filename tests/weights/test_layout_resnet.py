"""torchvision's ResNet-50 comes in; relatives with the same names do not."""

import pytest
import torch
import torchvision

from bdgan_cli.backbones import ResNet, find_architecture
from bdgan_cli.errors import DataError
from bdgan_cli.weights.layouts import resnet
from bdgan_cli.weights.layouts.table import LAYOUTS


@pytest.fixture(scope="module")
def public():
    torch.manual_seed(0)
    return torchvision.models.resnet50(weights=None).eval()


def test_the_converted_weights_give_torchvisions_features(public):
    assert [layout.NAME for layout in LAYOUTS if layout.matches(public.state_dict().keys())] == ["resnet50"]
    ours = ResNet(find_architecture("resnet50"))
    ours.load_state_dict(resnet.convert(public.state_dict()), strict=False)
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        x = public.maxpool(public.relu(public.bn1(public.conv1(images))))
        expected = public.layer4(public.layer3(public.layer2(public.layer1(x))))
        torch.testing.assert_close(ours.eval()(images)[-1], expected, atol=1e-5, rtol=1e-5)


def test_no_classifier_and_no_counters_are_kept(public):
    names = resnet.convert(public.state_dict())
    assert not [name for name in names if name.startswith("fc.") or name.endswith("num_batches_tracked")]
    assert len(names) == 265  # 53 convolutions, and four tensors for each of 53 batch norms


@pytest.mark.parametrize("name", ["resnet101", "resnet18"])
def test_other_depths_are_not_taken_for_it(name):
    with torch.device("meta"):
        keys = getattr(torchvision.models, name)(weights=None).state_dict().keys()
    assert not resnet.matches(keys)


@pytest.mark.parametrize("name", ["wide_resnet50_2", "resnext50_32x4d"])
def test_wide_and_grouped_relatives_are_refused(name):
    with torch.device("meta"):
        tensors = getattr(torchvision.models, name)(weights=None).state_dict()
    assert resnet.matches(tensors.keys())
    with pytest.raises(DataError, match="expected"):
        resnet.convert(tensors)
