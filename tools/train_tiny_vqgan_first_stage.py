"""Train the embedded VQGAN's first stage on the renderer's pictures: pictures to 8x8 codes and back.

    python tools/train_tiny_vqgan_first_stage.py --checkpoint /tmp/first-stage.pt
    python tools/train_tiny_vqgan_first_stage.py --checkpoint /tmp/first-stage.pt --resume

About 35 minutes on one CPU core (0.35 s a step). No adversary and no perceptual loss: an absolute and squared error
that weighs edges and object. The codebook is filled with encoder outputs after a warm-up without quantisation, and
codes that nobody uses are replaced by vectors that somebody needs.
"""

from __future__ import annotations

import argparse
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from bdgan_cli.generators.tiny_vqgan import FIRST_STAGE
from bdgan_cli.generators.vqgan_first_stage import FirstStage, decoder_taps
from bdgan_cli.runtime import keep_freed_memory
from bdgan_cli.shapes.world import CLASS_NAMES, LATENT_DIM, Scene, render

BATCH = 16
PEAK_RATE = 2e-3
WARM_UP_STEPS = 200
FILL_STEP = 1000  # until then the decoder sees the encoder's vectors as they are
REVIVE_EVERY = 100
COMMITMENT = 0.25
FAR_PX = 12.0
# Map of the decoder -> side of the square of pixels that one of its cells must describe.
AUXILIARY = {"1": 8, "3": 4, "4": 2}


def auxiliary_layers() -> nn.ModuleDict:
    """Return the layers that read distance and colours off the decoder's inner maps; they are dropped at the end."""
    taps = decoder_taps(FIRST_STAGE)
    return nn.ModuleDict({key: nn.Conv2d(taps[int(key)].channels, 4 * side**2, 1) for key, side in AUXILIARY.items()})


def draw(step: int, batch: int = BATCH) -> tuple[Tensor, Scene]:
    """Return the labels and pictures of a step; its stream depends on the step's number alone."""
    stream = torch.Generator().manual_seed(step)
    spread = 0.6 + 0.5 * torch.rand(batch, 1, generator=stream)
    labels = torch.randint(len(CLASS_NAMES), (batch,), generator=stream)
    return labels, render(torch.randn(batch, LATENT_DIM, generator=stream) * spread, labels)


def inner_vectors(model: FirstStage, images: Tensor) -> Tensor:
    """Return the (N, side, side, code_width) vectors before quantisation."""
    with torch.autocast("cpu", torch.bfloat16):
        inner = model.quant_conv(model.encoder(images.contiguous(memory_format=torch.channels_last)))
    return inner.float().permute(0, 2, 3, 1)


def losses(
    model: FirstStage, auxiliary: nn.ModuleDict, scene: Scene, quantised: bool
) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
    """Return the losses of picture, codebook and auxiliary layers, the vectors before quantisation, and the codes."""
    vectors = inner_vectors(model, scene.images)
    codes = model.quantize.nearest(vectors.detach())
    # Without this the vectors collapse to a line, and the codes with them.
    flat = vectors.reshape(-1, vectors.shape[-1])
    centred = flat - flat.mean(0)
    book = (centred.t() @ centred / len(flat) - torch.eye(flat.shape[1])).square().sum() * 0.05 + 0.05 * flat.mean(
        0
    ).square().sum()
    passed = vectors
    if quantised:
        nearest = model.quantize(codes)
        book = book + F.mse_loss(nearest, vectors.detach()) + COMMITMENT * F.mse_loss(vectors, nearest.detach())
        passed = vectors + (nearest - vectors).detach()
    with torch.autocast("cpu", torch.bfloat16):
        images, maps = model.decode_vectors(passed.permute(0, 3, 1, 2))
        guesses = {key: auxiliary[key](maps[int(key)]) for key in AUXILIARY}
    weight = (1 + 0.7 * scene.masks.float() + 3 * torch.exp(-(scene.distances / 2).square())).unsqueeze(1)
    error = images.float() - scene.images
    wanted = torch.cat([scene.distances.clamp(-FAR_PX, FAR_PX).unsqueeze(1) / FAR_PX, scene.images], 1)
    extra = torch.zeros(())
    for key, side in AUXILIARY.items():
        extra = extra + (guesses[key].float() - F.pixel_unshuffle(wanted, side)).abs().mean()
    picture = (weight * (error.abs() + 2 * error.square())).mean()
    return picture, book, extra, vectors.detach(), codes


@torch.no_grad()
def fill(model: FirstStage) -> None:
    """Put the codes where the vectors are: k-means from a random start."""
    pool = torch.cat([inner_vectors(model, draw(10**8 + i, 64)[1].images) for i in range(8)])
    pool = pool.reshape(-1, FIRST_STAGE.code_width)
    book = model.quantize.embedding.weight
    book[:] = pool[torch.randperm(len(pool))[: len(book)]]
    for _ in range(10):
        codes = model.quantize.nearest(pool)
        counts = torch.bincount(codes, minlength=len(book)).unsqueeze(1)
        sums = torch.zeros_like(book).index_add_(0, codes, pool)
        book[:] = torch.where(counts > 0, sums / counts.clamp_min(1), book)


def rate_at(step: int, steps: int) -> float:
    rise = min(1.0, (step + 1) / WARM_UP_STEPS)
    return PEAK_RATE * rise * (0.5 * (1 + math.cos(math.pi * step / steps)) * 0.99 + 0.01)


@torch.no_grad()
def revive(model: FirstStage, optimiser: torch.optim.Optimizer, usage: Tensor, vectors: Tensor) -> int:
    """Put encoder outputs into the places of codes that were never used, and forget their momenta."""
    dead = (usage == 0).nonzero().squeeze(1)
    pool = vectors.reshape(-1, vectors.shape[-1])
    book = model.quantize.embedding.weight
    book[dead] = pool[torch.randint(len(pool), (len(dead),))] + 0.01 * pool.std() * torch.randn(
        len(dead), book.shape[1]
    )
    for moment in optimiser.state.get(book, {}).values():
        if moment.shape == book.shape:
            moment[dead] = 0
    return len(dead)


@torch.no_grad()
def psnr_db(model: FirstStage) -> float:
    """Return the mean PSNR of fresh renders through the codes."""
    model.eval()
    _, scene = draw(10**9, 240)
    images = torch.cat([model.decode(model.encode(part))[0] for part in scene.images.split(40)]).clamp(-1, 1)
    model.train()
    return float(-10 * torch.log10((images - scene.images).square().mean((1, 2, 3)) / 4).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--steps", type=int, default=6000)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = FirstStage(FIRST_STAGE).to(memory_format=torch.channels_last)
    auxiliary = auxiliary_layers()
    parameters = [*model.parameters(), *auxiliary.parameters()]
    optimiser = torch.optim.Adam(parameters, PEAK_RATE, betas=(0.9, 0.99))
    first = 0
    if options.resume:
        state = torch.load(options.checkpoint, weights_only=True)
        model.load_state_dict(state["model"])
        auxiliary.load_state_dict(state["auxiliary"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    usage, dead = torch.zeros(FIRST_STAGE.vocabulary), 0
    started = time.perf_counter()
    for step in range(first, options.steps):
        optimiser.param_groups[0]["lr"] = rate_at(step, options.steps)
        _, scene = draw(step)
        if step == FILL_STEP:
            fill(model)
            usage.zero_()
        picture, book, extra, vectors, codes = losses(model, auxiliary, scene, step >= FILL_STEP)
        optimiser.zero_grad(set_to_none=True)
        (picture + book + 0.5 * (1 - step / options.steps) * extra).backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimiser.step()
        usage += torch.bincount(codes.flatten(), minlength=len(usage))
        if (step + 1) % REVIVE_EVERY == 0 and FILL_STEP < step + 1 < 0.7 * options.steps:
            dead = revive(model, optimiser, usage, vectors)
            usage.zero_()
        if (step + 1) % 250 == 0 or step + 1 == options.steps:
            seconds = time.perf_counter() - started
            print(
                f"step {step + 1} loss {picture.item():.4f} book {book.item():.4f} PSNR {psnr_db(model):.2f} dB"
                f" revived {dead} ({seconds:.0f} s)",
                flush=True,
            )
            torch.save(
                {
                    "model": model.state_dict(),
                    "auxiliary": auxiliary.state_dict(),
                    "optimiser": optimiser.state_dict(),
                    "step": step + 1,
                },
                options.checkpoint,
            )


if __name__ == "__main__":
    main()
