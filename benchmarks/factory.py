"""Compare the factory with the straightforward way, and with its compiled self, pair by pair in one run.

    python -m benchmarks.factory                  # all cases, about 20 minutes on 2 cores
    python -m benchmarks.factory sample-64 --rounds 5
    python -m benchmarks.factory --json out.json

Each side of a case runs in a process of its own, ours and plain in turn; the ratio of each pair is what counts, since
the speed of a machine drifts. The last case runs the real command and reports the share of time outside the networks.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.processes import bdgan

# Units of work of (ours, plain): enough of each that a round takes some seconds.
UNITS = {"sample-64": (60, 2), "sample-512": (3, 1), "train-64": (60, 6), "compile-64": (60, 60), "compile-512": (6, 6)}
GOALS = {"sample-64": 40.0, "sample-512": 20.0, "train-64": 40.0}
CASES = (*UNITS, "command")


def measure(case: str, side: str, units: int) -> dict[str, Any]:
    """Run one side of a case in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "result.json"
        command = [sys.executable, "-m", "benchmarks.sides", case, side, str(units), "--out", str(out)]
        subprocess.run(command, check=True)
        result: dict[str, Any] = json.loads(out.read_text(encoding="utf-8"))
    return result


def compare(case: str, rounds: int, units: tuple[int, int] | None = None) -> dict[str, Any]:
    """Run both sides in turn and return medians and the median of the pairs' ratios.

    Args:
        case: Its name.
        rounds: Pairs to measure.
        units: Units of work of (ours, plain); by default those of ``UNITS``.
    """
    units_ours, units_plain = units or UNITS[case]
    pairs = [(measure(case, "ours", units_ours), measure(case, "plain", units_plain)) for _ in range(rounds)]
    rates = [[side["units"] / side["seconds"] for side in pair] for pair in pairs]
    per_unit = pairs[0][0]["samples"] / pairs[0][0]["units"]
    ratios = [ours / plain for ours, plain in rates]
    return {
        "case": case,
        "ours_per_second": statistics.median(ours for ours, _ in rates) * per_unit,
        "plain_per_second": statistics.median(plain for _, plain in rates) * per_unit,
        "ratio": statistics.median(ratios),
        "ratio_range": [min(ratios), max(ratios)],
        "goal": GOALS.get(case),
        "peak_memory_gb_ours": max(ours["peak_memory_gb"] for ours, _ in pairs),
        "peak_memory_gb_plain": max(plain["peak_memory_gb"] for _, plain in pairs),
    }


def overhead(per_class: int) -> dict[str, Any]:
    """Train and sample with the real commands and return the share of time outside the networks."""
    with tempfile.TemporaryDirectory() as folder:
        workspace = Path(folder)
        bdgan("sample --exact-labels --per-class 5 --seed 1", workspace)
        bdgan("train-head --steps 20", workspace)
        sampled, _ = bdgan(f"sample --per-class {per_class}", workspace)
    return {
        "case": f"bdgan sample, {sampled['samples']:,} samples",
        "images_per_second": sampled["images_per_second"],
        "share_outside_networks": 1 - sampled["network_share"],
        "goal_share": 0.10,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"any of {', '.join(CASES)}; by default all")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--per-class", type=int, default=1000, help="size of the 'command' case")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if unknown := sorted({*options.cases} - {*CASES}):
        parser.error(f"expected cases of {', '.join(CASES)}, got {', '.join(unknown)}")
    results = []
    for case in options.cases or CASES:
        result = overhead(options.per_class) if case == "command" else compare(case, options.rounds)
        results.append(result)
        print(json.dumps(result), flush=True)
    if options.json:
        options.json.write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
