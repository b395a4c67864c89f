"""Whether several processes sample as many times faster: one against two, and two hosts of one, in turn.

    python -m benchmarks.distribution                       # three rounds, about five minutes on two cores
    python -m benchmarks.distribution --rounds 1 --per-class 200

Every process computes with one thread (``--workers 1``) at its own core, so that two have twice the cores of one.
The rate is that of the sampling alone, from the first process's ``seconds`` (shares are equal up to a shard), without
the loading of the models. Ratios are of pairs in one round; the machine's load is told beside them, since two
processes need two free cores. One JSON object on stdout.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from bdgan_cli.workflows.sample import SampleConfig, sample
from bdgan_cli.workflows.train_head import TrainHeadConfig, train_head

TORCHRUN = ("-m", "torch.distributed.run", "--nproc-per-node")


def launchers() -> dict[str, list[tuple[str, ...]]]:
    """Return the commands that start together, for each way of starting."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    host = (
        *TORCHRUN, "1", "--nnodes", "2", "--rdzv-backend", "c10d", "--rdzv-id", str(port), "--rdzv-endpoint",
        f"127.0.0.1:{port}", "--local-addr", "127.0.0.1",
    )  # fmt: skip
    return {"one": [()], "two": [(*TORCHRUN, "2", "--standalone")], "two hosts": [host, host]}


def measure(starts: list[tuple[str, ...]], workspace: Path, per_class: int) -> float:
    """Sample the whole plan anew, and return the samples of all processes in a second."""
    words = ["--per-class", str(per_class), "--workers", "1", "--device", "cpu", "--overwrite", "--json", "--quiet"]
    command = ["-m", "bdgan_cli", "sample", "--shard-size", "20", *words, "--workspace", str(workspace)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    jobs = [
        subprocess.Popen([sys.executable, *start, *command], stdout=subprocess.PIPE, env=environment)
        for start in starts
    ]
    told = "".join(job.communicate()[0].decode() for job in jobs)
    if any(job.returncode for job in jobs):
        raise SystemExit(f"a job failed: {starts}")
    answer: dict[str, Any] = json.loads(told)
    return float(answer["samples"] / answer["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--per-class", type=int, default=300, help="samples of each of the 12 classes")
    options = parser.parse_args()
    rounds, loads = [], []
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        sample(SampleConfig(workspace=workspace, labels="exact", per_class=5, seed=1, device="cpu"))
        train_head(TrainHeadConfig(workspace=workspace, steps=20, device="cpu"))
        for _ in range(options.rounds):
            loads.append(os.getloadavg()[0])
            ways = launchers().items()
            rounds.append({name: measure(starts, workspace, options.per_class) for name, starts in ways})
    result: dict[str, Any] = {"cores": os.cpu_count(), "load_before": loads, "samples": 12 * options.per_class}
    for name in rounds[0]:
        ratios = [found[name] / found["one"] for found in rounds]
        result[name] = {
            "per_second": statistics.median(found[name] for found in rounds),
            "ratio": statistics.median(ratios), "ratio_range": [min(ratios), max(ratios)],
        }  # fmt: skip
    print(json.dumps(result, indent=2))


if __name__ == "__main__":
    main()
