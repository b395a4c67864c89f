"""The two sides of each comparison, each run in a process of its own by ``benchmarks.factory``.

    python -m benchmarks.sides CASE SIDE UNITS

prints one JSON object: seconds for UNITS units of work after one warm-up unit, and the process's peak memory. The
plain side is the straightforward way: every member is a network of its own, run behind a generator pass of its own,
with torch's default threads and allocator. In the cases of ``--compile`` the plain side is ours without it.
"""

from __future__ import annotations

import argparse
import functools
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from pytorch_pretrained_biggan import BigGANConfig

from bdgan_cli.dataset.sample import encode_sample
from bdgan_cli.filtering.uncertainty import read_votes, score_votes
from bdgan_cli.generators.biggan_deep import BigGANDeep, random_model
from bdgan_cli.heads.bank import FeatureBank
from bdgan_cli.heads.presets import TrainingConfig
from bdgan_cli.heads.registry import build_ensemble
from bdgan_cli.heads.training import HeadTrainer
from bdgan_cli.interfaces import ClassInfo, Generator, Latents, Truncation
from bdgan_cli.runtime import peak_memory_gb, start_runtime
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.labelling import Labeller
from bdgan_cli.workflows.pipeline import overlapped
from bdgan_cli.workflows.sample_plan import SamplePlan

MEMBERS = 16
TRUNCATION = Truncation(0.9)
LAYERS_512 = [
    (False, 16, 16), (True, 16, 16), (False, 16, 16), (True, 16, 8), (False, 8, 8), (True, 8, 8), (False, 8, 8),
    (True, 8, 4), (False, 4, 4), (True, 4, 2), (False, 2, 2), (True, 2, 1), (False, 1, 1), (True, 1, 1),
]  # fmt: skip


def generator_64() -> Generator:
    return load_generator("tiny-biggan")


def generator_512() -> Generator:
    """Build BigGAN-deep-512 with random weights: the published configuration, 151 GFLOP a picture."""
    config = BigGANConfig(output_dim=512, layers=LAYERS_512, attention_layer_position=8)
    classes = tuple(ClassInfo(i, "", str(i)) for i in range(1000))
    return BigGANDeep("biggan-deep-512", "biggan-deep", random_model(config), classes, torch.device("cpu"))


def sample_ours(generator: Generator, batch: int, units: int, compiled: bool = False) -> float:
    """Label ``units`` batches the way ``bdgan sample`` does, encoding included; return the seconds."""
    runtime = start_runtime("cpu")
    ensemble = build_ensemble("multilevel", generator.spec, generator.image_size, 1, MEMBERS, 0).for_inference()
    plan = SamplePlan(
        (0,), batch * (units + 2), TRUNCATION, 0, "ensemble", 0.0, "", batch, batch, "png", compiled=compiled
    )
    work = [piece for shard in plan.shards() for piece in shard.batches]
    labeller = Labeller(generator, ensemble, None, plan)
    if compiled:
        labeller.compile()
    for _ in overlapped(work[:2], labeller.make, encode_sample, runtime.workers):
        pass
    started = time.perf_counter()
    for _ in overlapped(work[2:], labeller.make, encode_sample, runtime.workers):
        pass
    return time.perf_counter() - started


@torch.inference_mode()
def sample_plain(generator: Generator, batch: int, units: int) -> float:
    """Label ``units`` batches with 16 official heads, each behind its own generator pass; return the seconds."""
    heads = [build_ensemble("official", generator.spec, generator.image_size, 1, [m], 0).eval() for m in range(MEMBERS)]

    def label(unit: int) -> None:
        latents = generator.draw([0] * batch, list(range(unit * batch, (unit + 1) * batch)), 0, TRUNCATION)
        logits = [head(generator.synthesize(latents)[1]) for head in heads]
        score_votes(read_votes(torch.cat(logits)))

    return timed(label, units)


def train_ours(generator: Generator, batch: int, units: int) -> float:
    """Make ``units`` training steps of all 16 members; return the seconds."""
    start_runtime("cpu")
    return timed_training(generator, "multilevel", list(range(MEMBERS)), units, cache_bytes=1 << 30)


def train_plain(generator: Generator, batch: int, units: int) -> float:
    """Make ``units`` steps of an official head, features made anew each time; return 16 times the seconds."""
    return MEMBERS * timed_training(generator, "official", [0], units, cache_bytes=0)


def timed_training(generator: Generator, arch: str, members: list[int], units: int, cache_bytes: int) -> float:
    classes = [c for c in range(12) for _ in range(5)]
    latents = generator.draw(classes, list(range(5)) * 12, 0, TRUNCATION)
    masks = torch.randint(0, 2, (60, generator.image_size, generator.image_size), dtype=torch.uint8)
    ensemble = build_ensemble(arch, generator.spec, generator.image_size, 1, members, 0)
    bank = FeatureBank(generator, Latents(*latents), torch.device("cpu"), cache_bytes=cache_bytes)
    config = TrainingConfig(steps=1000, batch=8, learning_rate=1e-3)
    trainer = HeadTrainer(ensemble, bank, masks, latents.class_ids, config=config, seed=0, members=members)
    return timed(lambda _: trainer.advance(), units)


def timed(work: Callable[[int], object], units: int) -> float:
    work(0)
    started = time.perf_counter()
    for unit in range(1, units + 1):
        work(unit)
    return time.perf_counter() - started


CASES = {
    "sample-64": (generator_64, 10),
    "sample-64-small": (generator_64, 2),  # batches of two, for continuous integration
    "sample-512": (generator_512, 1),
    "train-64": (generator_64, 8),
    "compile-64": (generator_64, 10),
    "compile-512": (generator_512, 1),
}
SIDES = {
    ("sample", "ours"): sample_ours,
    ("sample", "plain"): sample_plain,
    ("train", "ours"): train_ours,
    ("train", "plain"): train_plain,
    ("compile", "ours"): functools.partial(sample_ours, compiled=True),
    ("compile", "plain"): sample_ours,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case", choices=CASES)
    parser.add_argument("side", choices=["ours", "plain"])
    parser.add_argument("units", type=int)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    build, batch = CASES[options.case]
    seconds = SIDES[options.case.split("-")[0], options.side](build(), batch, options.units)
    samples = options.units * batch
    result = {"seconds": seconds, "units": options.units, "samples": samples, "peak_memory_gb": peak_memory_gb()}
    options.out.write_text(json.dumps(result), encoding="utf-8")


if __name__ == "__main__":
    main()
