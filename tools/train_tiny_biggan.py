"""Train the embedded generator to draw what the renderer draws, and write its weights.

    python tools/train_tiny_biggan.py --checkpoint /tmp/tiny-biggan.pt
    python tools/train_tiny_biggan.py --checkpoint /tmp/tiny-biggan.pt --resume

About 75 minutes on one CPU core (0.25 s a step). The network is BigGAN-deep without spectral norm; its batch norms
keep statistics measured once at the start, so training and inference compute the same function. Three things make it
fast: auxiliary outputs that read the signed distance field off the inner layers and fade out, a loss that weighs
edges, and a high peak learning rate in two cosine cycles.
"""

from __future__ import annotations

import argparse
import copy
import math
import time
from pathlib import Path

import torch
import torch.nn.functional as F
from embedded_weights import write_weights
from pytorch_pretrained_biggan import BigGAN
from pytorch_pretrained_biggan.model import BigGANBatchNorm, GenBlock
from torch import Tensor, nn

from bdgan_cli.generators.biggan_deep import bake_spectral_norm
from bdgan_cli.generators.tiny import tiny_config
from bdgan_cli.runtime import keep_freed_memory
from bdgan_cli.shapes.world import CLASS_NAMES, LATENT_DIM, Scene, render

BATCH = 32
PEAK_RATE = 5e-3
WARM_UP_STEPS = 300
CYCLES = (900, 16300)
# Layer of the generator -> side of the square of pixels that one of its cells must describe.
AUXILIARY = {"2": 8, "5": 4, "7": 2}
FAR_PX = 12.0


class Student(nn.Module):
    """The generator in training, with its auxiliary outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.model = bake_spectral_norm(BigGAN(tiny_config()))
        self.calibrating = False
        width = {"2": 256, "5": 128, "7": 64}
        outputs = {key: side * side * (1 if key == "2" else 4) for key, side in AUXILIARY.items()}
        self.auxiliary = nn.ModuleDict({key: nn.Conv2d(width[key], outputs[key], 1) for key in AUXILIARY})
        self._initialise()

    def _initialise(self) -> None:
        for module in self.model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.reset_parameters()
                if isinstance(module, nn.Conv2d) and module.bias is not None:
                    nn.init.zeros_(module.bias)
        for block in self.model.generator.layers:
            if isinstance(block, GenBlock):
                for conv in (block.conv_0, block.conv_1, block.conv_2):
                    nn.init.kaiming_normal_(conv.weight, nonlinearity="relu")
                nn.init.normal_(block.conv_3.weight, std=0.5 / block.conv_3.in_channels**0.5)
        nn.init.normal_(self.model.embeddings.weight)
        nn.init.ones_(self.model.generator.bn.weight)
        nn.init.zeros_(self.model.generator.bn.bias)

    def calibrate(self) -> None:
        """Measure every batch norm's statistics on one batch, front to back, and keep them for good."""
        self.calibrating = True
        with torch.no_grad():
            self(torch.randn(256, LATENT_DIM), torch.randint(len(CLASS_NAMES), (256,)))
        self.calibrating = False

    def _norm(self, norm: BigGANBatchNorm, x: Tensor, condition: Tensor) -> Tensor:
        if self.calibrating:
            norm.running_means[:] = x.mean((0, 2, 3))
            norm.running_vars[:] = x.var((0, 2, 3))
        scale = (norm.running_vars[0] + norm.eps).rsqrt()
        if norm.conditional:
            gain, offset = (1 + norm.scale(condition).float()) * scale, norm.offset(condition).float()
        else:
            gain, offset = (norm.weight * scale)[None], norm.bias
        bias = offset - norm.running_means[0] * gain
        return F.relu(x * gain.to(x.dtype)[:, :, None, None] + bias.to(x.dtype)[:, :, None, None])

    def _block(self, block: GenBlock, x: Tensor, condition: Tensor) -> Tensor:
        h = self._norm(block.bn_1, block.conv_0(self._norm(block.bn_0, x, condition)), condition)
        if block.up_sample:
            h = F.interpolate(h, scale_factor=2.0, mode="nearest")
            x = F.interpolate(x, scale_factor=2.0, mode="nearest")
        h = block.conv_2(self._norm(block.bn_2, block.conv_1(h), condition))
        h = block.conv_3(self._norm(block.bn_3, h, condition))
        return x[:, : h.shape[1]] + h

    def forward(self, z: Tensor, labels: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        """Return (N, 3, 64, 64) images in [-1, 1] and the auxiliary outputs."""
        generator = self.model.generator
        condition = torch.cat([z, self.model.embeddings.weight.t()[labels]], dim=1)
        x = (
            generator.gen_z(condition)
            .view(-1, 4, 4, 256)
            .permute(0, 3, 1, 2)
            .contiguous(memory_format=torch.channels_last)
        )
        inner = {}
        for position, layer in enumerate(generator.layers):
            x = self._block(layer, x, condition) if isinstance(layer, GenBlock) else layer(x)
            if str(position) in AUXILIARY:
                inner[str(position)] = self.auxiliary[str(position)](x)
        x = self._norm(generator.bn, x, condition)
        rgb = F.conv2d(x, generator.conv_to_rgb.weight[:3], generator.conv_to_rgb.bias[:3], padding=1)
        return torch.tanh(rgb.float()), inner


def losses(student: Student, z: Tensor, labels: Tensor, scene: Scene) -> tuple[Tensor, Tensor]:
    """Return the picture's loss, weighted towards edges and object, and the auxiliary loss."""
    with torch.autocast("cpu", torch.bfloat16):
        images, inner = student(z, labels)
    weight = (1 + 0.7 * scene.masks.float() + 3 * torch.exp(-(scene.distances / 2).square())).unsqueeze(1)
    error = images - scene.images
    field = scene.distances.clamp(-FAR_PX, FAR_PX).unsqueeze(1) / FAR_PX
    extra = torch.zeros(())
    for key, side in AUXILIARY.items():
        target = F.pixel_unshuffle(field if key == "2" else torch.cat([field, scene.images], 1), side)
        extra = extra + (inner[key].float() - target).abs().mean()
    return (weight * (error.abs() + 2 * error.square())).mean(), extra


def draw(stream: torch.Generator) -> tuple[Tensor, Tensor, Scene]:
    spread = 0.7 + 0.35 * torch.rand(BATCH, 1, generator=stream)
    z = torch.randn(BATCH, LATENT_DIM, generator=stream) * spread
    labels = torch.randint(len(CLASS_NAMES), (BATCH,), generator=stream)
    return z, labels, render(z, labels)


def rate_and_progress(step: int) -> tuple[float, float]:
    """Return the learning rate and the share of the current cosine cycle that is done."""
    start = 0
    for length in CYCLES:
        if step < start + length:
            done = (step - start) / length
            warm = min(1.0, (step - start + 1) / WARM_UP_STEPS)
            return PEAK_RATE * warm * (0.5 * (1 + math.cos(math.pi * done)) * 0.995 + 0.005), done
        start += length
    return PEAK_RATE * 0.005, 1.0


@torch.no_grad()
def psnr_db(student: Student) -> float:
    stream = torch.Generator().manual_seed(7)
    z, labels = torch.randn(240, LATENT_DIM, generator=stream) * 0.9, torch.arange(240) % len(CLASS_NAMES)
    error = (student(z, labels)[0] - render(z, labels).images).square().mean((1, 2, 3)) / 4
    return float(-10 * torch.log10(error).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--compile", action="store_true", help="fuse with torch.compile (needs a C++ compiler)")
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    student = Student().to(memory_format=torch.channels_last)
    student.calibrate()
    averaged = copy.deepcopy(student)
    optimiser = torch.optim.Adam(student.parameters(), PEAK_RATE, betas=(0.9, 0.99))
    first = 0
    if options.resume:
        state = torch.load(options.checkpoint, weights_only=True)
        student.load_state_dict(state["student"])
        averaged.load_state_dict(state["averaged"])
        optimiser.load_state_dict(state["optimiser"])
        first = state["step"]
    run = torch.compile(losses) if options.compile else losses
    started = time.perf_counter()
    for step in range(first, sum(CYCLES)):
        rate, done = rate_and_progress(step)
        optimiser.param_groups[0]["lr"] = rate
        # The stream of a step depends on its number alone, so a resumed run sees the same pictures.
        z, labels, scene = draw(torch.Generator().manual_seed(step))
        picture, extra = run(student, z, labels, scene)
        optimiser.zero_grad(set_to_none=True)
        (picture + 0.5 * (1 - done) * extra).backward()
        nn.utils.clip_grad_norm_(student.model.parameters(), 1.0)
        optimiser.step()
        keep = min(0.999, step / (step + 100))
        with torch.no_grad():
            for mean, weight in zip(averaged.parameters(), student.parameters(), strict=True):
                mean.lerp_(weight, 1 - keep)
        if (step + 1) % 500 == 0 or step + 1 == sum(CYCLES):
            seconds = time.perf_counter() - started
            print(
                f"step {step + 1} loss {picture.item():.4f} PSNR {psnr_db(averaged):.2f} dB ({seconds:.0f} s)",
                flush=True,
            )
            parts = {"student": student, "averaged": averaged, "optimiser": optimiser}
            torch.save(
                {name: part.state_dict() for name, part in parts.items()} | {"step": step + 1}, options.checkpoint
            )
    write_weights("tiny-biggan", averaged.model.to(memory_format=torch.contiguous_format), {})
    print("now run tools/check_tiny_biggan.py")


if __name__ == "__main__":
    main()
