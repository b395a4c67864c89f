"""Train the embedded classifier and segmenter on the renderer's pictures, and write their weights and cards.

    python tools/train_world_nets.py classifier
    python tools/train_world_nets.py segmenter

Each takes about ten minutes on one CPU core. The generator's pictures are never seen.
"""

from __future__ import annotations

import argparse
import time

import torch
import torch.nn.functional as F
from embedded_weights import write_weights
from torch import Tensor, nn

from bdgan_cli.runtime import keep_freed_memory
from bdgan_cli.shapes.nets import ShapeClassifier, ShapeSegmenter
from bdgan_cli.shapes.world import CLASS_NAMES, LATENT_DIM, Scene, render

BATCH = 64
PEAK_RATE = 4e-3


def classifier_loss(logits: Tensor, scene: Scene, labels: Tensor) -> Tensor:
    return F.cross_entropy(logits, labels, label_smoothing=0.02)


def segmenter_loss(logits: Tensor, scene: Scene, labels: Tensor) -> Tensor:
    truth = scene.masks.float()
    overlap = 1 - (2 * (logits.sigmoid() * truth).sum((1, 2)) + 1) / (
        logits.sigmoid().sum((1, 2)) + truth.sum((1, 2)) + 1
    )
    return F.binary_cross_entropy_with_logits(logits, truth) + 0.3 * overlap.mean()


@torch.inference_mode()
def classifier_accuracy(network: nn.Module, scene: Scene, labels: Tensor) -> float:
    return float((network(scene.images).argmax(1) == labels).float().mean())


@torch.inference_mode()
def segmenter_iou(network: nn.Module, scene: Scene, labels: Tensor) -> float:
    found, truth = network(scene.images) > 0, scene.masks
    return float(((found & truth).sum((1, 2)) / (found | truth).sum((1, 2))).mean())


RECIPES = {
    "classifier": (ShapeClassifier, classifier_loss, classifier_accuracy, "accuracy"),
    "segmenter": (ShapeSegmenter, segmenter_loss, segmenter_iou, "mean IoU"),
}


def draw(count: int, stream: torch.Generator, spread: float | None = None) -> tuple[Scene, Tensor]:
    """Render fresh pictures; without a spread, latents reach beyond those of training the generator."""
    scale = 0.6 + 0.8 * torch.rand(count, 1, generator=stream) if spread is None else spread
    labels = torch.randint(len(CLASS_NAMES), (count,), generator=stream)
    return render(torch.randn(count, LATENT_DIM, generator=stream) * scale, labels), labels


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", choices=RECIPES)
    parser.add_argument("--steps", type=int, default=4000)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    build, loss_of, judge, figure = RECIPES[options.network]
    network = build().to(memory_format=torch.channels_last)
    optimiser = torch.optim.AdamW(network.parameters(), PEAK_RATE, weight_decay=1e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, PEAK_RATE, options.steps, pct_start=0.1)
    stream = torch.Generator().manual_seed(1)
    fresh, fresh_labels = draw(1200, torch.Generator().manual_seed(99), spread=0.9)
    started = time.perf_counter()
    for step in range(1, options.steps + 1):
        scene, labels = draw(BATCH, stream)
        with torch.autocast("cpu", torch.bfloat16):
            logits = network(scene.images.contiguous(memory_format=torch.channels_last))
        loss = loss_of(logits.float(), scene, labels)
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        optimiser.step()
        schedule.step()
        if step % 200 == 0 or step == options.steps:
            network.eval()
            score = judge(network, fresh, fresh_labels)
            network.train()
            seconds = time.perf_counter() - started
            print(
                f"step {step} loss {loss.item():.4f} {figure} on fresh renders {score:.4f} ({seconds:.0f} s)",
                flush=True,
            )
    write_weights(
        f"tiny-{options.network}", network.eval().to(memory_format=torch.contiguous_format), {figure: round(score, 4)}
    )


if __name__ == "__main__":
    main()
