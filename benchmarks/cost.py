"""What ten million labelled samples cost: GPU-hours, cores, storage and files, as the table of docs/scale.md.

    python -m benchmarks.cost                        # about two minutes on one core
    python -m benchmarks.cost --pictures PHOTOS --samples 1000000 --json

Arithmetic is counted (FLOPs of the real layers, on the meta device where nothing is computed). Bytes and encoding rates
are measured here, on photographs brought to 512x512, since pictures of random weights do not compress like pictures.
GPU-hours are computed from the counted FLOPs and the named assumptions, not measured.
"""

from __future__ import annotations

import argparse
import io
import json
import math
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import torch
from torch.utils.flop_counter import FlopCounterMode

from bdgan_cli.dataset import tar
from bdgan_cli.dataset.sample import EncodedSample, Sample, encode_sample
from bdgan_cli.heads.registry import build_ensemble
from bdgan_cli.runtime import keep_freed_memory
from benchmarks.centers import make_part
from benchmarks.full_size import MEMBERS, random_generator, random_latents

SIDE = 512
UNCERTAINTIES = tuple(f"uncertainty{part}" for part in ("", "_mean", "_top10", "_area", "_iou"))
FORMATS = ("png", "webp", "jpg")
GENERATORS = ("biggan-512", "biggan-deep-512")

# Peaks of dense bfloat16 products as the makers publish them, in FLOP per second.
PEAKS = {"A100-class": 312e12, "H100-class": 989e12}
# Assumed shares of the peak that the networks reach, a cautious and a good one. On a CPU generators reached 52 % and
# heads 33 % of a large matrix product (docs/performance.md); few channels and element-wise layers feed a GPU worse.
SHARES_OF_PEAK = (0.10, 0.25)
FILES_BESIDE = 4  # dataset.json, index.parquet, README.md and preview.png
SHARD_SIZES = (100, 1_000, 10_000)
PHOTOS = Path(__file__).parents[2] / "shared" / "data" / "coco"


@dataclass(frozen=True)
class Footprint:
    """Mean bytes of a sample in one format, and how many a core encodes in a second."""

    image: float
    mask: float
    latent: float
    meta: float
    padding: float
    index_row: float
    per_core_second: float

    @property
    def total(self) -> float:
        """Bytes on disk for each sample."""
        return self.image + self.mask + self.latent + self.meta + self.padding + self.index_row


@torch.inference_mode()
def gflop(name: str) -> dict[str, float]:
    """Count the multiplications and additions of one labelled sample, in GFLOP."""
    generator = random_generator(name, torch.device("cpu"))
    latents = random_latents(generator, 1)
    with FlopCounterMode(display=False) as generating:
        _, features = generator.synthesize(latents)
    ensemble = build_ensemble("multilevel", generator.spec, generator.image_size, 1, MEMBERS, 0).for_inference()
    with FlopCounterMode(display=False) as labelling:
        ensemble(features)
    return {"generator": generating.get_total_flops() / 1e9, "heads": labelling.get_total_flops() / 1e9}


def photographs(folder: Path, most: int) -> list[Sample]:
    """Read photographs as samples of 512x512; the mask is what is brightest, more ragged than most objects are."""
    samples = []
    for path in sorted(folder.rglob("*.jpg"))[:most]:
        picture = cv2.imread(str(path))
        if picture is None:
            continue
        side = min(picture.shape[:2])
        top, left = (picture.shape[0] - side) // 2, (picture.shape[1] - side) // 2
        square = picture[top : top + side, left : left + side]
        image = cv2.resize(square, (SIDE, SIDE), interpolation=cv2.INTER_AREA if side > SIDE else cv2.INTER_CUBIC)
        grey = cv2.GaussianBlur(cv2.cvtColor(image, cv2.COLOR_BGR2GRAY), (0, 0), 9)
        mask = (grey > np.median(grey) + 20).astype(np.uint8)
        latent = np.random.default_rng(len(samples)).standard_normal(128).astype(np.float32)
        scores = dict.fromkeys(UNCERTAINTIES, 0.0123456789)
        colours = cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        entry = Sample(
            f"n01440764_0_{len(samples)}", 0, "n01440764", "train", colours, mask, latent,
            index=len(samples), seed=0, truncation=0.9, truncation_mode="scale", scores=scores,
        )  # fmt: skip
        samples.append(entry)
    return samples


def footprint(samples: list[Sample], image_format: str) -> Footprint:
    """Encode on one core, and weigh each member, the archive around it and its row of the index."""
    encode_sample(samples[0], image_format)
    started = time.process_time()
    encoded = [encode_sample(sample, image_format) for sample in samples]
    seconds = time.process_time() - started
    count = len(samples)
    mean = {name: sum(len(item.members[name]) for item in encoded) / count for name in encoded[0].members}
    archived = sum(_archived(encoded)) / count
    return Footprint(
        mean["image"], mean["mask"], mean["latent"], mean["meta"], archived - sum(mean.values()), index_row_bytes(),
        count / seconds,
    )  # fmt: skip


def _archived(encoded: list[EncodedSample]) -> Iterator[int]:
    for item in encoded:
        shard = io.BytesIO()
        tar.append_members(shard, item.key, item.members, item.row["image_format"])
        yield shard.tell()


def index_row_bytes(rows: int = 1_000) -> float:
    """Weigh a row of an index part of that many rows, compressed as the writer does; digests do not compress."""
    part = io.BytesIO()
    pq.write_table(make_part(0, 0, rows, np.random.default_rng(0)), part, compression="zstd")
    return part.tell() / rows


def index_memory_bytes(rows: int = 100_000) -> float:
    """Return the memory of a row of the opened index."""
    return make_part(0, 0, rows, np.random.default_rng(0)).nbytes / rows


def computed(flops: dict[str, dict[str, float]], samples: int, rate: float) -> list[dict[str, Any]]:
    """Turn arithmetic into GPU-hours, and say how many cores encode for one GPU."""
    rows = []
    for generator, parts in flops.items():
        for (gpu, peak), share in product(PEAKS.items(), SHARES_OF_PEAK):
            per_second = peak * share / (sum(parts.values()) * 1e9)
            rows.append({
                "generator": generator, "gpu": gpu, "share_of_peak": share, "samples_per_gpu_second": per_second,
                "gpu_hours": samples / per_second / 3600, "cores_per_gpu_png": per_second / rate,
            })  # fmt: skip
    return rows


def measure(folder: Path, pictures: int, samples: int) -> dict[str, Any]:
    """Measure and compute everything."""
    cv2.setNumThreads(1)
    torch.set_num_threads(1)
    keep_freed_memory()
    photos = photographs(folder, pictures)
    feet = {name: footprint(photos, name) for name in FORMATS}
    flops = {name: gflop(name) for name in GENERATORS}
    return {
        "samples": samples, "pictures": len(photos), "gflop": flops,
        "gpus": computed(flops, samples, feet["png"].per_core_second),
        "formats": {
            name: {**vars(foot), "total": foot.total, "terabytes": foot.total * samples / 1e12}
            for name, foot in feet.items()
        },
        "shards": [
            {
                "shard_size": size, "files": 2 * -(-samples // size) + FILES_BESIDE,
                "gigabytes_png": feet["png"].total * size / 1e9,
            }
            for size in SHARD_SIZES
        ],
        "index_gigabytes_in_memory": index_memory_bytes() * samples / 1e9,
        "index_gigabytes_on_disk": index_row_bytes() * samples / 1e9,
    }  # fmt: skip


def table(found: dict[str, Any]) -> str:
    """Write the tables of docs/scale.md."""
    lines = ["| generator | GFLOP: generator + heads | GPU | of peak | samples per GPU-second | GPU-hours | cores |"]
    lines.append("| --- " * 7 + "|")
    for row in found["gpus"]:
        parts = found["gflop"][row["generator"]]
        lines.append(
            f"| `{row['generator']}` | {parts['generator']:.0f} + {parts['heads']:.0f} | {row['gpu']} | "
            f"{row['share_of_peak']:.0%} | "
            f"{row['samples_per_gpu_second']:.0f} | {row['gpu_hours']:,.0f} | {math.ceil(row['cores_per_gpu_png'])} |"
        )
    lines += ["", "| format | image | mask | latent | JSON | tar | index row | sum | all | encoded per core-second |"]
    lines.append("| --- " * 10 + "|")
    for name, foot in found["formats"].items():
        parts = [foot[part] for part in ("image", "mask", "latent", "meta", "padding", "index_row", "total")]
        kilobytes = " | ".join(f"{value / 1e3:.1f}" for value in parts)
        lines.append(f"| `{name}` | {kilobytes} kB | {foot['terabytes']:.2f} TB | {foot['per_core_second']:.0f} |")
    lines += ["", "| `--shard-size` | files | size of a shard, PNG |", "| --- | --- | --- |"]
    lines += [f"| {row['shard_size']} | {row['files']:,} | {row['gigabytes_png']:.2f} GB |" for row in found["shards"]]
    lines += [
        "",
        f"Index of all: {found['index_gigabytes_in_memory']:.1f} GB in memory, "
        f"{found['index_gigabytes_on_disk']:.1f} GB on disk.",
    ]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=Path, default=PHOTOS, help="folder of JPEG photographs")
    parser.add_argument("--most", type=int, default=60, help="photographs to take")
    parser.add_argument("--samples", type=int, default=10_000_000)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not any(options.pictures.rglob("*.jpg")):
        sys.exit(f"expected JPEG photographs under {options.pictures}: name a folder with --pictures")
    found = measure(options.pictures, options.most, options.samples)
    print(json.dumps(found, indent=2) if options.json else table(found))


if __name__ == "__main__":
    main()
