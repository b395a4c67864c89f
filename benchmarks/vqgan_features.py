"""Which of VQGAN's features serve a head, and which position of the prior should feed a cell (supplement A.2).

    python -m benchmarks.vqgan_features --seeds 0 1 2

On tiny-vqgan: heads learn from five encoded renders per class and label fresh encoded renders, whose exact masks are
known. Position i has read the codes before cell i, position i + 1 that of cell i as well; the last cell keeps its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from bdgan_cli.heads.bank import FeatureBank
from bdgan_cli.heads.presets import find_preset
from bdgan_cli.heads.registry import build_ensemble
from bdgan_cli.heads.training import HeadTrainer
from bdgan_cli.interfaces import Encodes, Features, FeatureSpec, Generator, Latents
from bdgan_cli.runtime import start_runtime
from bdgan_cli.shapes.world import CLASS_NAMES, LATENT_DIM, render
from bdgan_cli.weights.registry import load_generator

MEMBERS = 4
PICTURES_AT_ONCE = 60


class Chosen:
    """A generator whose features are chosen and changed."""

    def __init__(self, generator: Generator, taps: Sequence[int], change: Callable[[str, Tensor], Tensor]) -> None:
        self._generator, self._taps, self._change = generator, taps, change
        self.spec = FeatureSpec(tuple(generator.spec.taps[i] for i in taps), generator.spec.condition_dim)
        self.image_size = generator.image_size

    def synthesize(self, latents: Latents) -> tuple[Tensor, Features]:
        """Make the pictures and the chosen features."""
        images, features = self._generator.synthesize(latents)
        maps = [self._change(self._generator.spec.taps[i].name, features.maps[i]) for i in self._taps]
        return images, Features(maps, features.condition)


def as_it_is(name: str, map_NCHW: Tensor) -> Tensor:
    """Cell i is fed by position i."""
    return map_NCHW


def one_later(name: str, map_NCHW: Tensor) -> Tensor:
    """Cell i is fed by position i + 1, the last one by its own."""
    if not name.startswith("prior"):
        return map_NCHW
    cells = map_NCHW.flatten(2)
    return torch.cat([cells[:, :, 1:], cells[:, :, -1:]], 2).view(map_NCHW.shape)


def encoded(generator: Encodes, per_class: int, seed: int) -> tuple[Latents, Tensor]:
    """Render, encode, and return the codes with the exact masks, (N, H, W) uint8."""
    stream = torch.Generator().manual_seed(seed)
    labels = torch.arange(len(CLASS_NAMES)).repeat_interleave(per_class)
    scene = render(0.9 * torch.randn(len(labels), LATENT_DIM, generator=stream), labels)
    parts = [
        generator.encode(images, classes.tolist())
        for images, classes in zip(
            scene.images.split(PICTURES_AT_ONCE), labels.split(PICTURES_AT_ONCE), strict=True
        )
    ]  # fmt: skip
    latents = Latents(*(torch.cat(values) for values in zip(*parts, strict=True)))
    return latents, scene.masks.to(torch.uint8)


@torch.no_grad()
def iou_of(trainer: HeadTrainer, generator: Chosen, latents: Latents, masks: Tensor) -> float:
    """Return the mean IoU of the majority's labels."""
    trainer.set_training(False)
    found = []
    for rows in torch.arange(len(masks)).split(PICTURES_AT_ONCE):
        features = generator.synthesize(latents.take(rows))[1]
        votes = (trainer.ensemble(features)[:, :, 0] > 0).sum(0)
        found.append(votes > MEMBERS / 2)
    labels, truth = torch.cat(found), masks > 0
    return float(((labels & truth).sum((1, 2)) / (labels | truth).sum((1, 2)).clamp_min(1)).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--arch", default="multilevel")
    options = parser.parse_args()
    start_runtime("cpu")
    generator = load_generator("tiny-vqgan")
    assert isinstance(generator, Encodes)
    prior = [i for i, tap in enumerate(generator.spec.taps) if tap.name.startswith("prior")]
    decoder = [i for i in range(len(generator.spec.taps)) if i not in prior]
    both = [*prior, *decoder]
    cases = {
        "prior i": (prior, as_it_is), "prior i + 1": (prior, one_later), "decoder": (decoder, as_it_is),
        "decoder and prior i": (both, as_it_is), "decoder and prior i + 1": (both, one_later),
    }  # fmt: skip
    _, preset = find_preset(None, generator.image_size)
    for name, (taps, change) in cases.items():
        values = []
        for seed in options.seeds:
            chosen = Chosen(generator, taps, change)
            latents, masks = encoded(generator, 5, 1000 + seed)
            ensemble = build_ensemble(options.arch, chosen.spec, chosen.image_size, 1, MEMBERS, seed)
            bank = FeatureBank(chosen, latents, torch.device("cpu"))  # type: ignore[arg-type]
            members = list(range(MEMBERS))
            trainer = HeadTrainer(
                ensemble, bank, masks, latents.class_ids, config=preset, seed=seed, members=members
            )  # fmt: skip
            for _ in range(preset.steps):
                trainer.advance()
            values.append(iou_of(trainer, chosen, *encoded(generator, 30, 5000 + seed)))
        print(f"{name:24s} IoU {np.mean(values):.4f} ({min(values):.4f} to {max(values):.4f})", flush=True)


if __name__ == "__main__":
    main()
