"""Does pre-training help, on the embedded world; and what a step costs.

    python -m benchmarks.pretraining helps --out /tmp/pretraining    # goes on when started again
    python -m benchmarks.pretraining why --out /tmp/pretraining      # what the backbones of 'helps' look at
    python -m benchmarks.pretraining step                            # throughput, waiting, the queues

``helps`` pre-trains on unlabelled rendered pictures (the real domain) and, in the joint stage, on samples of
tiny-biggan (the synthetic one) with masks of the foreground, or of 13 labels: 12 classes, as a sample's class is known,
and background. It then measures on other rendered pictures: a linear probe of the class on frozen pooled features, and
the mIoU of a segmentation of the same 13 labels fine-tuned on ten pictures a class.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from copy import deepcopy
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from bdgan_cli.backbones import ARCHITECTURES, ResNet
from bdgan_cli.pretraining.losses import info_nce
from bdgan_cli.pretraining.negatives import Negatives
from bdgan_cli.pretraining.networks import SegmentationBranch, normalised, segmentation_loss
from bdgan_cli.runtime import keep_freed_memory
from bdgan_cli.shapes.world import CLASS_NAMES, LATENT_DIM, render
from bdgan_cli.weights.backbones import load_backbone
from bdgan_cli.workflows.pretrain import PretrainConfig, pretrain
from bdgan_cli.workflows.sample import SampleConfig, sample

ARCH = "resnet18-narrow"
POOL, SYNTHETIC_PER_CLASS = 4000, 300
EPOCHS, FURTHER_EPOCHS = 2, 3
PROBE_PER_CLASS, FEW_PER_CLASS, TEST_PER_CLASS = 50, 10, 50
FEW_STEPS, FEW_BATCH = 300, 16
FEW_RATES = (4e-3, 2e-3)  # the first is where a random start ends best
# The name of the second stage's backbone, whether it is joint, and whose labels the masks get there.
STAGES = {
    "contrastive": ("further", False, None),
    "contrastive + foreground": ("foreground", True, None),
    "contrastive + segmentation": ("joint", True, "shapes-mc"),
}
ROWS = ("random", *STAGES)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for name, run in (("helps", helps), ("why", why)):
        command = commands.add_parser(name)
        command.add_argument("--out", type=Path, required=True)
        command.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
        command.set_defaults(run=run)
    command = commands.add_parser("step")
    command.add_argument("--preset", default="tiny")
    command.add_argument("--batch", type=int, default=64)
    command.add_argument("--norm-group", type=int, default=16)
    command.add_argument("--queue", type=int, default=2048)
    command.add_argument("--steps", type=int, default=40)
    command.add_argument("--workers", type=int, default=1)
    command.add_argument("--device", default="auto")
    command.add_argument("--precision", default="float32")
    command.set_defaults(run=step)
    options = parser.parse_args()
    keep_freed_memory()
    torch.set_num_threads(1)
    options.run(options)


def helps(options: argparse.Namespace) -> None:
    out: Path = options.out
    pool = write_pool(out / "pool", POOL)
    labelled = sample(
        SampleConfig("tiny-biggan", out, "synthetic", per_class=SYNTHETIC_PER_CLASS, labels="exact", classifier="none")
    ).folder
    results = out / "results.json"
    found: dict[str, dict[str, float]] = json.loads(results.read_text()) if results.is_file() else {}
    for seed in options.seeds:
        for row in ROWS:
            key = f"{row}, seed {seed}"
            if key not in found:
                started = time.perf_counter()
                backbone = pretrained(row, pool, labelled, out, seed)
                figures = {"probe": linear_probe(backbone, seed)}
                figures |= {f"few_shot {rate}": few_shot(backbone, seed, rate) for rate in FEW_RATES}
                found[key] = {**figures, "seconds": time.perf_counter() - started}
                results.write_text(json.dumps(found, indent=2))
            print(f"{key}: {found[key]}", flush=True)
    print_table(found, options.seeds)


def print_table(found: dict[str, dict[str, float]], seeds: list[int]) -> None:
    titles = ["linear probe, accuracy", *(f"few-shot segmentation at rate {rate}, mIoU" for rate in FEW_RATES)]
    print(f"| begins with | {' | '.join(titles)} |\n|{' --- |' * (1 + len(titles))}")
    for row in ROWS:
        cells = []
        for figure in ("probe", *(f"few_shot {rate}" for rate in FEW_RATES)):
            values = [found[f"{row}, seed {seed}"][figure] for seed in seeds]
            spread = statistics.stdev(values) if len(values) > 1 else 0.0
            cells.append(f"{statistics.mean(values):.3f} ± {spread:.3f}")
        print(f"| {row} | {' | '.join(cells)} |")


def write_pool(folder: Path, count: int) -> Path:
    """Render unlabelled pictures into a folder."""
    if not (folder / f"{count - 1:05d}.png").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        images, _, _ = scenes(count, 1000)
        for number, image in enumerate(images.numpy()):
            cv2.imwrite(str(folder / f"{number:05d}.png"), image[:, :, ::-1])
    return folder


def scenes(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """Render (N, H, W, 3) uint8 pictures, evenly over the classes, with class masks (0 background) and classes."""
    latents = torch.randn(count, LATENT_DIM, generator=torch.Generator().manual_seed(seed))
    classes = torch.arange(count) % len(CLASS_NAMES)
    scene = render(latents, classes)
    images = (scene.images + 1).mul(127.5).round().to(torch.uint8).permute(0, 2, 3, 1).contiguous()
    return images, scene.masks.long() * (classes[:, None, None] + 1), classes


def pretrained(row: str, pool: Path, labelled: Path, out: Path, seed: int) -> ResNet:
    """Return the backbone of a row; the pre-trained ones see the same unlabelled pictures for as many steps."""
    torch.manual_seed(seed)
    backbone = ResNet(ARCHITECTURES[ARCH])
    if row == "random":
        return backbone
    base: dict[str, Any] = {"workspace": out, "preset": "tiny", "seed": seed, "workers": 0, "resume": True}
    first = f"stage1-{seed}"
    pretrain(PretrainConfig((str(pool),), name=first, changes={"epochs": EPOCHS}, **base))
    kind, joint, task = STAGES[row]
    config = PretrainConfig(
        (str(pool),), str(labelled) if joint else None, first, task, name=f"{kind}-{seed}",
        changes={"epochs": FURTHER_EPOCHS}, **base,
    )  # fmt: skip
    _, tensors = load_backbone(pretrain(config).folder)
    backbone.load_state_dict(tensors, strict=False)  # batch norm's counters are not stored
    return backbone


def linear_probe(backbone: ResNet, seed: int) -> float:
    """Return the accuracy of a linear classifier on frozen, pooled, standardised features."""
    backbone = deepcopy(backbone).eval()

    @torch.no_grad()
    def features(per_class: int, stream: int) -> tuple[Tensor, Tensor]:
        images, _, classes = scenes(per_class * len(CLASS_NAMES), stream)
        maps = [backbone(normalised(part))[-1].mean((2, 3)) for part in images.split(100)]
        return torch.cat(maps), classes

    train, train_classes = features(PROBE_PER_CLASS, 2000 + seed)
    test, test_classes = features(TEST_PER_CLASS, 3000)
    mean, std = train.mean(0), train.std(0) + 1e-6
    classifier = nn.Linear(train.shape[1], len(CLASS_NAMES))
    nn.init.zeros_(classifier.weight)
    optimizer = torch.optim.LBFGS(classifier.parameters(), max_iter=200)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(classifier((train - mean) / std), train_classes)
        loss = loss + 1e-3 * classifier.weight.square().sum()
        loss.backward()
        return loss

    optimizer.step(closure)
    return float((classifier((test - mean) / std).argmax(1) == test_classes).float().mean())


def few_shot(backbone: ResNet, seed: int, rate: float) -> float:
    """Return the mIoU over 13 labels after fine-tuning on a few pictures a class."""
    torch.manual_seed(seed)
    backbone = deepcopy(backbone).train()
    branch = SegmentationBranch(ARCHITECTURES[ARCH].channels, len(CLASS_NAMES) + 1, 32)
    images, masks, _ = scenes(FEW_PER_CLASS * len(CLASS_NAMES), 4000 + seed)
    parameters = [*backbone.parameters(), *branch.parameters()]
    optimizer = torch.optim.AdamW(parameters, rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, FEW_STEPS)
    order = np.random.default_rng(seed)
    for _ in range(FEW_STEPS):
        rows = torch.from_numpy(order.choice(len(images), FEW_BATCH, replace=False))
        flips = order.random() < 0.5
        pictures, targets = normalised(images[rows]), masks[rows]
        if flips:
            pictures, targets = pictures.flip(3), targets.flip(2)
        loss = segmentation_loss(branch(backbone(pictures), (64, 64)), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    return mean_iou(backbone.eval(), branch)


@torch.no_grad()
def mean_iou(backbone: ResNet, branch: SegmentationBranch) -> float:
    images, masks, _ = scenes(TEST_PER_CLASS * len(CLASS_NAMES), 3000)
    labels = len(CLASS_NAMES) + 1
    table = torch.zeros(labels * labels, dtype=torch.int64)
    for pictures, targets in zip(images.split(100), masks.split(100), strict=True):
        guesses = branch(backbone(normalised(pictures)), (64, 64)).argmax(1)
        table += torch.bincount((targets * labels + guesses).flatten(), minlength=labels * labels)
    square = table.view(labels, labels).double()
    return float((square.diag() / (square.sum(0) + square.sum(1) - square.diag())).mean())


@torch.no_grad()
def why(options: argparse.Namespace) -> None:
    """Tell in how many directions pooled features vary, and how much of a picture's mean colour they tell linearly."""
    images, _, _ = scenes(TEST_PER_CLASS * len(CLASS_NAMES), 3000)
    colours = images.double().mean((1, 2))
    for kind, _, _ in STAGES.values():
        for seed in options.seeds:
            backbone = ResNet(ARCHITECTURES[ARCH])
            backbone.load_state_dict(load_backbone(options.out / "backbones" / f"{kind}-{seed}")[1], strict=False)
            maps = [backbone.eval()(normalised(part))[-1].mean((2, 3)) for part in images.split(100)]
            features = torch.cat(maps).double()
            features -= features.mean(0)
            shares = torch.linalg.svdvals(features).square()
            shares /= shares.sum()
            rank = (-(shares * (shares + 1e-12).log()).sum()).exp()
            known, asked = slice(0, 400), slice(400, None)
            inputs = torch.cat([features, torch.ones(len(features), 1)], 1)
            weights = torch.linalg.lstsq(inputs[known], colours[known], rcond=1e-8, driver="gelsd").solution
            left = (inputs[asked] @ weights - colours[asked]).square().mean()
            told = 1 - left / colours[asked].var(0, unbiased=False).mean()
            print(f"{kind}-{seed}: effective rank {rank:.1f}, mean colour explained {told:.2f}")


def step(options: argparse.Namespace) -> None:
    """Measure whole steps, loading included, and the queues of 65,536 keys."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        pool = write_pool(folder / "pool", options.batch * options.steps)
        changes = {"epochs": 1, "batch": options.batch, "norm_group": options.norm_group, "queue": options.queue}
        config = PretrainConfig(
            (str(pool),), workspace=folder, preset=options.preset, changes=changes, workers=options.workers,
            device=options.device, precision=options.precision,
        )  # fmt: skip
        started = time.process_time()
        figures = pretrain(config).card.figures
        spent = (time.process_time() - started) / (options.batch * options.steps)
    print(f"{spent * 1e3:.1f} ms of processor time a picture, loading processes not counted")
    print(f"{figures['images_per_second']} pictures/s, waiting for data {figures['waiting_share']:.1%} of the time")
    queue = Negatives(65536, 128, 0)
    print(f"two queues: {2 * queue.keys_QD.numel() * queue.keys_QD.itemsize / 1e6:.1f} MB")
    keys = nn.functional.normalize(torch.randn(256, 128), dim=1)
    place, started = queue.keys_QD.data_ptr(), time.perf_counter()
    for _ in range(1000):
        queue.push(keys)
    spent = (time.perf_counter() - started) / 1000
    assert queue.keys_QD.data_ptr() == place
    print(f"256 keys pushed in {spent * 1e6:.0f} us, in place (a copy of the queue: {copy_us(queue.keys_QD):.0f} us)")
    started = time.perf_counter()
    info_nce(keys.requires_grad_(), keys.detach(), queue.keys_QD, 0.2).backward()
    print(f"256 x 65,536 logits with gradient: {(time.perf_counter() - started) * 1e3:.0f} ms")


def copy_us(values: Tensor) -> float:
    started = time.perf_counter()
    for _ in range(10):
        values.clone()
    return (time.perf_counter() - started) / 10 * 1e6


if __name__ == "__main__":
    main()
