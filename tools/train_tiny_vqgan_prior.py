"""Train the embedded VQGAN's prior on the codes of rendered pictures, and write the weights of both stages.

    python tools/train_tiny_vqgan_prior.py --first-stage /tmp/first-stage.pt --checkpoint /tmp/prior.pt
    python tools/train_tiny_vqgan_prior.py --first-stage /tmp/first-stage.pt --checkpoint /tmp/prior.pt --resume

About an hour on two CPU cores. Every step sees new pictures, so there is nothing to overfit and no dropout.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from embedded_weights import write_weights
from torch import Tensor, nn
from train_tiny_vqgan_first_stage import draw

from bdgan_cli.generators.tiny_vqgan import FIRST_STAGE, PRIOR
from bdgan_cli.generators.vqgan import TwoStages
from bdgan_cli.generators.vqgan_prior import Prior
from bdgan_cli.runtime import keep_freed_memory

BATCH = 48
PEAK_RATE = 2e-3
WARM_UP_STEPS = 150
# Other pictures than those of the first stage's training.
FIRST_PICTURE = 10**7


@torch.no_grad()
def batch_of(stages: TwoStages, step: int, size: int = BATCH) -> tuple[Tensor, Tensor]:
    """Return the classes and codes of a step's pictures."""
    labels, scene = draw(FIRST_PICTURE + step, size)
    images = scene.images.contiguous(memory_format=torch.channels_last)
    with torch.autocast("cpu", torch.bfloat16):
        return labels, stages.first_stage_model.encode(images)


def loss_of(prior: Prior, labels: Tensor, codes: Tensor) -> Tensor:
    """Return the mean negative log-likelihood of a code, in nats."""
    with torch.autocast("cpu", torch.bfloat16):
        logits = prior.logits(labels, codes)
    return F.cross_entropy(logits.float().flatten(0, 1), codes.flatten())


def rate_at(step: int, steps: int) -> float:
    rise = min(1.0, (step + 1) / WARM_UP_STEPS)
    return PEAK_RATE * rise * (0.5 * (1 + math.cos(math.pi * step / steps)) * 0.99 + 0.01)


def optimiser_of(transformer: nn.Module) -> torch.optim.Optimizer:
    """Decay matrices alone, as is usual for transformers."""
    matrices = [p for p in transformer.parameters() if p.dim() == 2]
    others = [p for p in transformer.parameters() if p.dim() != 2]
    groups = [{"params": matrices, "weight_decay": 0.02}, {"params": others, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, PEAK_RATE, betas=(0.9, 0.95))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--first-stage", type=Path, required=True)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--steps", type=int, default=5100)
    parser.add_argument("--threads", type=int, default=2)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(options.threads)
    torch.manual_seed(0)
    stages = TwoStages(FIRST_STAGE, PRIOR)
    stages.first_stage_model.load_state_dict(torch.load(options.first_stage, weights_only=True)["model"])
    stages.first_stage_model.eval().requires_grad_(False).to(memory_format=torch.channels_last)
    prior = Prior(PRIOR, stages.transformer)
    optimiser = optimiser_of(stages.transformer)
    first = 0
    if options.resume:
        state = torch.load(options.checkpoint, weights_only=True)
        stages.transformer.load_state_dict(state["transformer"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    fresh = [batch_of(stages, 10**6 + i, 100) for i in range(4)]
    started = time.perf_counter()
    for step in range(first, options.steps):
        for group in optimiser.param_groups:
            group["lr"] = rate_at(step, options.steps)
        loss = loss_of(prior, *batch_of(stages, step))
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(stages.transformer.parameters(), 1.0)
        optimiser.step()
        if (step + 1) % 200 == 0 or step + 1 == options.steps:
            with torch.no_grad():
                held_out = torch.stack([loss_of(prior, *part) for part in fresh]).mean()
            seconds = time.perf_counter() - started
            print(f"step {step + 1} loss {loss.item():.4f} fresh {held_out.item():.4f} ({seconds:.0f} s)", flush=True)
            state = {"transformer": stages.transformer.state_dict(), "optimiser": optimiser.state_dict()}
            torch.save(state | {"step": step + 1}, options.checkpoint)
    write_weights("tiny-vqgan", stages.half().to(memory_format=torch.contiguous_format), {})


if __name__ == "__main__":
    main()
