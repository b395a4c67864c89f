"""A small generator of random but repeatable features, and the specs that heads are counted on."""

from __future__ import annotations

import torch

from bdgan_cli.interfaces import ClassInfo, Features, FeatureSpec, Latents, LatentSpec, Tap, Truncation

SIZE = 16
SPEC = FeatureSpec((Tap("a", 6, 1, 1), Tap("b", 5, 4, 4), Tap("c", 4, 4, 4), Tap("d", 4, 8, 8), Tap("e", 3, 16, 16)), 7)
UNCONDITIONAL = FeatureSpec(SPEC.taps, 0)
BIGGAN_512 = FeatureSpec(
    tuple(
        Tap(f"block{i}", channels, size, size)
        for i, (channels, size) in enumerate(
            [(1536, 8), (768, 16), (768, 32), (384, 64), (384, 64), (192, 128), (96, 256), (96, 512)]
        )
    ),
    128,
)


def random_features(samples=3, seed=0, spec=SPEC, device="cpu"):
    stream = torch.Generator().manual_seed(seed)
    maps = [torch.randn(samples, t.channels, t.height, t.width, generator=stream).to(device) for t in spec.taps]
    return Features(maps, torch.randn(samples, spec.condition_dim, generator=stream).to(device))


class ToyGenerator:
    """Features are a fixed function of the latent; the object is where the second tap's first channel is positive."""

    name = family = "toy"
    image_size = SIZE
    spec = SPEC
    classes = (ClassInfo(0, "", "zero"), ClassInfo(1, "", "one"))
    latent = LatentSpec((1,), torch.float32)
    default_rule = Truncation(0.9)

    def __init__(self):
        self.calls = 0

    def draw(self, class_ids, indices, seed, truncation):
        values = torch.tensor([[float(100 * c + i)] for c, i in zip(class_ids, indices, strict=True)])
        return Latents(values, torch.tensor(class_ids), torch.full((len(indices),), truncation.value))

    @torch.inference_mode()
    def synthesize(self, latents):
        self.calls += 1
        each = [random_features(1, int(value)) for value in latents.values[:, 0]]
        maps = [torch.cat(parts) for parts in zip(*(f.maps for f in each), strict=True)]
        maps[1][:, 0] *= 6
        condition = torch.nn.functional.one_hot(latents.class_ids, SPEC.condition_dim).float()
        return torch.zeros(len(each), 3, SIZE, SIZE), Features(maps, condition)

    def annotated(self, per_class=6):
        """Latents of some samples and their masks, with an ignored corner."""
        pairs = [(c, i) for c in (0, 1) for i in range(per_class)]
        latents = self.draw([c for c, _ in pairs], [i for _, i in pairs], 0, Truncation(1.0))
        field = self.synthesize(latents)[1].maps[1][:, :1].clone()
        field = torch.nn.functional.interpolate(field, size=(SIZE, SIZE), mode="bilinear")
        masks = (field[:, 0] > 0).to(torch.uint8)
        masks[:, :2, :2] = 255
        return latents, masks
