"""The published BigGAN-deep configurations, against the counts that their publisher states."""

import pytest
import torch
from pytorch_pretrained_biggan import BigGAN

from bdgan_cli.errors import UsageError
from bdgan_cli.generators.biggan_deep import feature_spec
from bdgan_cli.generators.biggan_deep_public import public_config


@pytest.mark.parametrize(("resolution", "millions"), [(128, 50.4), (256, 55.9), (512, 56.2)])
def test_sizes_are_the_published_ones(resolution, millions):
    config = public_config(resolution)
    with torch.device("meta"):
        model = BigGAN(config)
    assert sum(p.numel() for p in model.parameters()) / 1e6 == pytest.approx(millions, abs=0.05)
    spec = feature_spec(config)
    assert spec.condition_dim == 128
    assert [tap.height for tap in spec.taps] == sorted(tap.height for tap in spec.taps)
    assert spec.taps[-1][1:] == (128, resolution, resolution)
    attention = next(tap for tap in spec.taps if tap.name == "attention")
    assert attention.height == 64


def test_other_resolutions_were_not_published():
    with pytest.raises(UsageError, match="no BigGAN-deep was published at 1024 pixels"):
        public_config(1024)
