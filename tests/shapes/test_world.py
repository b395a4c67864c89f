import math

import pytest
import torch

from bdgan_cli.shapes.world import CLASS_NAMES, LATENT_DIM, LATENT_NAMES, render


def scene_of(label, size=64, **knobs):
    z = torch.zeros(1, LATENT_DIM)
    z[0, LATENT_NAMES.index("contrast_r")] = 1.0
    for name, value in knobs.items():
        z[0, LATENT_NAMES.index(name)] = value
    return render(z, torch.tensor([CLASS_NAMES.index(label)]), size)


def test_there_are_at_least_ten_classes_and_all_show_something():
    labels = torch.arange(len(CLASS_NAMES)).repeat(20)
    scene = render(torch.randn(len(labels), LATENT_DIM, generator=torch.Generator().manual_seed(0)), labels)
    assert len(CLASS_NAMES) >= 10
    share = scene.masks.float().mean((1, 2))
    assert share.min() > 0.02
    assert share.max() < 0.7
    assert scene.images.abs().max() <= 1


@pytest.mark.parametrize(
    ("label", "area"),
    [
        ("disc", math.pi * 0.82**2),
        ("ring", math.pi * (0.92**2 - 0.48**2)),
        ("square", 4 * 0.74**2),
        ("cross", 2 * (2 * 0.31 * 2 * 0.95) - (2 * 0.31) ** 2),
        ("triangle", 3 * math.sqrt(3) * 0.58**2),
        ("star", 5 * 1.08 * 0.5 * math.sin(math.pi / 5)),
    ],
)
def test_masks_have_the_areas_that_geometry_says(label, area):
    size = 256
    scale = (0.62 * size / 2) ** 2
    found = scene_of(label, size).masks.sum().item()
    assert found == pytest.approx(area * scale, rel=0.015)


@pytest.mark.parametrize("label", CLASS_NAMES)
def test_the_mask_is_what_the_picture_shows(label):
    scene = scene_of(label)
    inside = scene.masks[0]
    core, far = inside & (scene.distances[0] < -1), scene.distances[0] > 1
    red = scene.images[0, 0] - scene.images[0, 1]
    assert red[core].min() > red[far].max()


def test_the_centre_follows_its_latent():
    masks = [scene_of("disc", centre_x=value).masks[0] for value in (-1.0, 1.0)]
    left, right = (mask.nonzero()[:, 1].float().mean() for mask in masks)
    assert left < 28 < 36 < right


def test_pictures_do_not_depend_on_the_batch():
    z = torch.randn(6, LATENT_DIM, generator=torch.Generator().manual_seed(1))
    labels = torch.tensor([0, 5, 8, 5, 2, 11])
    together = render(z, labels)
    alone = render(z[3:4], labels[3:4])
    torch.testing.assert_close(together.images[3:4], alone.images, atol=1e-5, rtol=0)
    assert torch.equal(together.masks[3:4], alone.masks)
