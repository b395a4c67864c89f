"""Memory and time of training heads at 512x512, batch 8, on BigGAN-deep-512 with random weights.

    python -m benchmarks.training_512                       # all cases, some minutes on one core
    python -m benchmarks.training_512 multilevel:16 --steps 1 --json out.json

Each case is ARCHITECTURE:MEMBERS[:SAMPLES], with SAMPLES (8) in a batch, and runs in a process of its own, so that its
peak memory is its own. The same memory is allowed to all: the peak must not grow with the number of members, beyond
their weights. A line of JSON a case: what was estimated before the first step, and what was measured.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch

from bdgan_cli.heads.bank import FeatureBank
from bdgan_cli.heads.estimate import Workload, estimate
from bdgan_cli.heads.memory import held_bytes
from bdgan_cli.heads.presets import TrainingConfig
from bdgan_cli.heads.registry import build_ensemble
from bdgan_cli.heads.training import HeadTrainer
from bdgan_cli.runtime import peak_memory_gb, start_runtime
from benchmarks.sides import TRUNCATION, generator_512

CASES = ["multilevel:1", "multilevel:4", "multilevel:16", "official:1:2"]
ANNOTATED = 64
CPU = torch.device("cpu")


def train(arch: str, members: int, batch: int, steps: int, memory_gb: float) -> dict[str, Any]:
    """Estimate, make some steps, and compare."""
    start_runtime("cpu")
    generator = generator_512()
    latents = generator.draw([i % 8 for i in range(ANNOTATED)], list(range(ANNOTATED)), 0, TRUNCATION)
    masks = torch.randint(0, 2, (ANNOTATED, 512, 512), dtype=torch.uint8)
    config = TrainingConfig(steps=steps, batch=batch, learning_rate=1e-3)

    def build(positions: Any) -> torch.nn.Module:
        return build_ensemble(arch, generator.spec, 512, 1, list(positions), 0)

    loaded = held_bytes(CPU)
    started = time.perf_counter()
    expected = estimate(Workload(generator, latents, build, members, config, CPU), int(memory_gb * 1e9))
    probe = time.perf_counter() - started
    expected_gb = (loaded + expected.memory_bytes) / 1e9
    print(f"{arch} x {members}: expected {expected_gb:.1f} GB, {expected.step_seconds:.0f} s a step", file=sys.stderr)
    bank = FeatureBank(generator, latents, CPU, cache_bytes=1 << 62 if expected.kept else 0)
    trainer = HeadTrainer(
        build(range(members)), bank, masks, latents.class_ids, config=config, seed=0, members=range(members),
        turns=expected.turns, build=build,
    )  # fmt: skip
    started = time.perf_counter()
    for _ in range(steps):
        trainer.advance()
    seconds = (time.perf_counter() - started) / steps
    return {
        "arch": arch, "members": members, "batch": batch, "micro_batch": expected.turns.samples,
        "members_in_turn": expected.turns.members, "features_kept": expected.kept, "probe_s": probe,
        "expected_peak_gb": expected_gb, "peak_gb": peak_memory_gb(),
        "expected_step_s": expected.step_seconds, "step_s": seconds,
        "weights_gb": 20 * sum(p.numel() for p in trainer.ensemble.parameters()) / 1e9,
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", default=CASES, help="ARCHITECTURE:MEMBERS[:SAMPLES]")
    parser.add_argument("--steps", type=int, default=1)
    parser.add_argument("--memory-gb", type=float, default=6.5, help="what is allowed beyond the loaded generator")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--here", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    results = []
    for case in options.cases:
        if options.here:
            arch, members, *samples = case.split(":")
            result = train(arch, int(members), int(samples[0]) if samples else 8, options.steps, options.memory_gb)
        else:
            limits = ["--steps", str(options.steps), "--memory-gb", str(options.memory_gb)]
            command = [sys.executable, "-m", "benchmarks.training_512", case, "--here", *limits]
            result = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
        results.append(result)
        print(json.dumps(result), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
