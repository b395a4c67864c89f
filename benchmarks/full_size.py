"""The real generators at full size, with random weights: memory, time, and the share of the chip's peak.

    python -m benchmarks.full_size memory          # one labelled sample with 16 heads, a process for each generator
    python -m benchmarks.full_size prior           # VQGAN's transformer: loading, cached against uncached sampling
    python -m benchmarks.full_size throughput --device cuda --batch 16 --compile

Random weights take the time and the memory of trained ones. ``throughput`` runs in bfloat16 autocast; the peak that it
is compared with is what a large matrix product in bfloat16 reaches on the same device in the same run.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from bdgan_cli.generators.biggan import CONFIGS, BigGAN
from bdgan_cli.generators.biggan import random_model as random_biggan
from bdgan_cli.generators.biggan_deep import BigGANDeep, random_model
from bdgan_cli.generators.biggan_deep_public import public_config
from bdgan_cli.generators.vqgan import FIRST_STAGE, PRIOR, RECIPE, VQGAN, TwoStages, load_stages
from bdgan_cli.generators.vqgan_prior import Prior, pick
from bdgan_cli.heads.registry import build_ensemble
from bdgan_cli.interfaces import ClassInfo, Generator, Latents
from bdgan_cli.runtime import peak_memory_gb, start_runtime
from bdgan_cli.workflows.compiling import compiled

MEMBERS = 16
CLASSES = tuple(ClassInfo(i, "", str(i)) for i in range(1000))
GENERATORS = ("biggan-512", "biggan-deep-512", "vqgan")
PRIOR_LENGTHS = (32, 96, 160, 224, 256)


def random_stages() -> TwoStages:
    """Build both stages of VQGAN with random weights, the transformer in bfloat16, without a float32 copy."""
    with torch.device("meta"):
        stages = TwoStages(FIRST_STAGE, PRIOR)
    stages.transformer.to(torch.bfloat16)
    stages.to_empty(device="cpu")
    stream = torch.Generator().manual_seed(0)
    for name, tensor in stages.state_dict().items():
        if tensor.dim() > 1:
            tensor.normal_(0, 0.02, generator=stream)
        else:
            tensor.fill_(1.0 if "ln" in name or "norm" in name else 0.0)
    return stages


def random_generator(name: str, device: torch.device) -> Generator:
    """Build a published generator with random weights."""
    if name == "biggan-512":
        return BigGAN(name, name, random_biggan(CONFIGS[512], 0), CLASSES, device)
    if name == "biggan-deep-512":
        return BigGANDeep(name, name, random_model(public_config(512)), CLASSES, device)
    return VQGAN(name, random_stages(), PRIOR, CLASSES, recipe=RECIPE, device=device)


def random_latents(generator: Generator, count: int) -> Latents:
    """Draw latents; codes are drawn evenly, since the prior's time is measured by itself."""
    classes = torch.arange(count) % len(CLASSES)
    if generator.latent.dtype == torch.int64:
        codes = torch.randint(FIRST_STAGE.vocabulary, (count, *generator.latent.shape))
        return Latents(codes, classes, torch.ones(count))
    return generator.draw(classes.tolist(), list(range(count)), 0, generator.default_rule)


@torch.inference_mode()
def one_sample(name: str) -> dict[str, Any]:
    """Label one sample with 16 heads on the CPU; meant for a process of its own."""
    device = start_runtime("cpu").device
    generator = random_generator(name, device)
    ensemble = build_ensemble("multilevel", generator.spec, generator.image_size, 1, MEMBERS, 0).for_inference()
    latents = random_latents(generator, 1)
    loaded = peak_memory_gb()
    seconds = []
    for _ in range(2):
        started = time.perf_counter()
        _, features = generator.synthesize(latents)
        ensemble(features)
        seconds.append(time.perf_counter() - started)
    return {
        "generator": name, "peak_memory_gb": peak_memory_gb(), "after_loading_gb": loaded, "seconds": min(seconds)
    }  # fmt: skip


def write_random_stages(path: Path) -> dict[str, Any]:
    """Write a file as the converter writes it."""
    stages = random_stages()
    save_file(stages.state_dict(), path)
    return {"file_gb": path.stat().st_size / 1e9}


@torch.inference_mode()
def prior_speed(path: Path) -> dict[str, Any]:
    """Load the transformer in bfloat16, then compare cached sampling with a pass over the prefix for every code."""
    stages = load_stages(FIRST_STAGE, PRIOR, path)
    parameters = sum(p.numel() for p in stages.transformer.parameters())
    loaded = peak_memory_gb()
    prior = Prior(PRIOR, stages.eval().transformer)
    classes = torch.tensor([207])
    uniforms = torch.rand(1, PRIOR.positions, dtype=torch.float64)
    prior.sample(classes, uniforms[:, :4], RECIPE)
    cached, codes = timed(lambda: prior.sample(classes, uniforms, RECIPE))
    uncached = {}
    for length in PRIOR_LENGTHS:
        seconds, logits = timed(lambda length=length: prior.logits(classes, codes[:, :length]))
        pick(logits[:, -1], uniforms[:, length - 1], RECIPE)
        uncached[length] = seconds
    mean = sum(uncached[length] for length in PRIOR_LENGTHS[:-1]) / (len(PRIOR_LENGTHS) - 1)
    return {
        "parameters_billion": parameters / 1e9,
        "loading_peak_gb": loaded,
        "peak_gb": peak_memory_gb(),
        "cached_seconds_per_code": cached / PRIOR.positions,
        "uncached_seconds_by_length": uncached,
        "ratio_at_256": uncached[256] / (cached / PRIOR.positions),
        "ratio_mean_over_256": mean / (cached / PRIOR.positions),
    }


def timed(run: Callable[[], Tensor]) -> tuple[float, Tensor]:
    """Return the seconds of a call, and its result."""
    started = time.perf_counter()
    result = run()
    return time.perf_counter() - started, result


def peak_flops(device: torch.device) -> float:
    """Return what a large bfloat16 matrix product reaches, in FLOP per second."""
    side = 8192 if device.type == "cuda" else 4096
    a, b = (torch.randn(side, side, device=device, dtype=torch.bfloat16) for _ in range(2))
    return 2 * side**3 / seconds_of(lambda: a @ b, device)


def seconds_of(run: Callable[[], Any], device: torch.device, repeats: int = 5) -> float:
    """Return the best of some timings of a call, after one to warm up."""
    run()
    best = float("inf")
    for _ in range(repeats):
        _wait(device)
        started = time.perf_counter()
        run()
        _wait(device)
        best = min(best, time.perf_counter() - started)
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


@torch.inference_mode()
def throughput(name: str, device: torch.device, batch: int, compile_too: bool) -> list[dict[str, Any]]:
    """Time the generator alone and 16 heads alone, in samples per second and as a share of the chip's peak."""
    generator = random_generator(name, device)
    ensemble = build_ensemble("multilevel", generator.spec, generator.image_size, 1, MEMBERS, 0)
    heads: Any = ensemble.for_inference().to(device)
    latents = random_latents(generator, batch)
    rows = []
    with torch.autocast(device.type, torch.bfloat16):
        _, features = generator.synthesize(latents)
        runs = {"generator": lambda: generator.synthesize(latents), f"{MEMBERS} heads": lambda: heads(features)}
        if compile_too:
            fast, fast_heads = compiled(generator.synthesize), compiled(heads)
            runs["generator, compiled"] = lambda: fast(latents)
            runs[f"{MEMBERS} heads, compiled"] = lambda: fast_heads(features)
        peak = peak_flops(device)
        for what, run in runs.items():
            with FlopCounterMode(display=False) as counter:
                runs[what.removesuffix(", compiled")]()
            seconds = seconds_of(run, device)
            flops = counter.get_total_flops()
            rows.append({
                "generator": name, "what": what, "samples_per_second": batch / seconds,
                "gflop_per_sample": flops / batch / 1e9, "share_of_peak": flops / seconds,
            })  # fmt: skip
        # Measured on both sides of the work: other load on the machine only ever lowers it.
        peak = max(peak, peak_flops(device))
    return [{**row, "share_of_peak": row["share_of_peak"] / peak} for row in rows]


def in_process(*arguments: str) -> dict[str, Any]:
    """Run one measurement in a process of its own, so that its peak is its own."""
    command = [sys.executable, "-m", "benchmarks.full_size", *arguments, "--json"]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["memory", "prior", "throughput", "one", "write", "read"])
    parser.add_argument("--gen", choices=GENERATORS, action="append")
    parser.add_argument("--path", type=Path)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--json", action="store_true", help="one JSON object, for the measuring process")
    options = parser.parse_args()
    names = options.gen or list(GENERATORS)
    if options.what == "one":
        results: Any = one_sample(names[0])
    elif options.what == "write":
        results = write_random_stages(options.path)
    elif options.what == "read":
        results = prior_speed(options.path)
    elif options.what == "memory":
        results = [in_process("one", "--gen", name) for name in names]
    elif options.what == "prior":
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "vqgan.safetensors")
            results = [in_process("write", "--path", path), in_process("read", "--path", path)]
    else:
        device = torch.device(options.device)
        results = [row for name in names for row in throughput(name, device, options.batch, options.compile)]
    print(json.dumps(results, indent=None if options.json else 2))


if __name__ == "__main__":
    main()
