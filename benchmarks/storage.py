"""Compare the dataset format with a folder of files and with plain WebDataset: writing, random and sequential reading.

    python -m benchmarks.storage                  # 2,000 samples of 64x64 and 400 of 512x512, about a minute
    python -m benchmarks.storage --sizes 64 --rounds 9 --json out.json

All sides hold the same encoded files and are decoded by OpenCV; the files are in the page cache. Ours checks what it
reads: PNG checksums, the archive's header against the index, the mask's values. Writing ours syncs every shard and
indexes it; the others leave the data to the system. Rounds take the sides in turn; each gives a ratio.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import webdataset as wds

from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.sample import EncodedSample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo
from bdgan_cli.dataset.writer import DatasetWriter, open_for_writing
from benchmarks.export import draw, repeated

SHARD = 100
SAMPLES = {64: 2000, 512: 400}
# What is compared: (unit, ours may take at most this times the plain side).
GOALS = {"random read, decoded": 1.5, "random read, bytes": 1.5, "sequential read, decoded": 1.0}
SUFFIXES = {"image": "png", "mask": "mask.png", "latent": "latent.npy", "meta": "json"}


def write_ours(root: Path, samples: list[EncodedSample]) -> DatasetWriter:
    info = DatasetInfo("drawn", "real", (ClassEntry(0, "", "drawn"),), None, None, None)
    writer = open_for_writing(root, info)
    for start in range(0, len(samples), SHARD):
        writer.write_encoded(f"{start // SHARD:06d}", samples[start : start + SHARD])
    return writer


def write_folder(root: Path, samples: list[EncodedSample]) -> None:
    root.mkdir()
    for sample in samples:
        for member, data in sample.members.items():
            (root / f"{sample.key}.{SUFFIXES[member]}").write_bytes(data)


def write_webdataset(root: Path, samples: list[EncodedSample]) -> None:
    root.mkdir()
    with wds.ShardWriter(f"{root}/%06d.tar", maxcount=SHARD, verbose=0) as writer:
        for sample in samples:
            files = {SUFFIXES[member]: data for member, data in sample.members.items()}
            writer.write({"__key__": sample.key, **files})


def read_ours(dataset: Dataset, keys: list[str]) -> None:
    for key in keys:
        dataset.read(key, ("image", "mask"))


def read_folder(root: Path, keys: list[str]) -> None:
    for key in keys:
        cv2.cvtColor(cv2.imread(f"{root}/{key}.png", cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        cv2.imread(f"{root}/{key}.mask.png", cv2.IMREAD_UNCHANGED)


def bytes_of_ours(dataset: Dataset, keys: list[str]) -> None:
    for key in keys:
        dataset.read_files(key, ("image", "mask"))


def bytes_of_folder(root: Path, keys: list[str]) -> None:
    for key in keys:
        (root / f"{key}.png").read_bytes()
        (root / f"{key}.mask.png").read_bytes()


def iterate_ours(dataset: Dataset) -> None:
    for _ in dataset.iterate(("image", "mask")):
        pass


def iterate_webdataset(shards: list[str]) -> None:
    for files in wds.WebDataset(shards, shardshuffle=False, empty_check=False):
        decode(files["png"], cv2.IMREAD_COLOR)
        decode(files["mask.png"], cv2.IMREAD_UNCHANGED)


def decode(data: bytes, flags: int) -> None:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if flags == cv2.IMREAD_COLOR:
        cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)


def in_turn(ours: Callable[[], Any], plain: Callable[[], Any], rounds: int, count: int) -> dict[str, Any]:
    """Time both sides in turn; times are processor time, in microseconds a sample."""
    pairs = [(cpu_seconds(ours), cpu_seconds(plain)) for _ in range(rounds + 1)][1:]
    ratios = [mine / theirs for mine, theirs in pairs]
    mine, theirs = (1e6 * statistics.median(side) / count for side in zip(*pairs, strict=True))
    return {
        "ours": mine, "plain": theirs, "unit": "µs a sample",
        "ratio": statistics.median(ratios), "ratio_range": [min(ratios), max(ratios)],
    }  # fmt: skip


def cpu_seconds(work: Callable[[], Any]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def compare(size: int, count: int, rounds: int) -> list[dict[str, Any]]:
    """Compare at one size of pictures; ratios are cost of ours by cost of the plain side."""
    samples = list(repeated([draw(number, size) for number in range(64)], range(count)))
    rows: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        numbers = iter(range(10**6))

        def write(how: Callable[[Path, list[EncodedSample]], Any]) -> Callable[[], Any]:
            return lambda: how(folder / f"written-{next(numbers)}", samples)

        rows["write, against a folder"] = in_turn(write(write_ours), write(write_folder), rounds, count)
        rows["write, against WebDataset"] = in_turn(write(write_ours), write(write_webdataset), rounds, count)
        write_ours(folder / "ours", samples).finalize()
        write_folder(folder / "files", samples)
        dataset, files = open_dataset(folder / "ours"), folder / "files"
        shards = sorted(map(str, (folder / "ours" / "shards").glob("*.tar")))
        keys = dataset.keys()
        random.Random(0).shuffle(keys)
        rows["random read, decoded"] = in_turn(
            lambda: read_ours(dataset, keys), lambda: read_folder(files, keys), rounds, count
        )
        rows["random read, bytes"] = in_turn(
            lambda: bytes_of_ours(dataset, keys), lambda: bytes_of_folder(files, keys), rounds, count
        )
        rows["sequential read, decoded"] = in_turn(
            lambda: iterate_ours(dataset), lambda: iterate_webdataset(shards), rounds, count
        )
    return [
        {"case": f"{what}, {size} px", **row, "goal": GOALS.get(what), "is_cost": True} for what, row in rows.items()
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sizes", type=int, nargs="*", default=list(SAMPLES), help="edges of the pictures in pixels")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [row for size in options.sizes for row in compare(size, SAMPLES.get(size, 400), options.rounds)]
    for row in rows:
        print(json.dumps(row, ensure_ascii=False), flush=True)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
