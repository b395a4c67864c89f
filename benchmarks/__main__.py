"""The benchmark suite: every comparison, paired in one run, as JSON and as a table.

    python -m benchmarks --json out.json           # all cases, about 45 minutes on 2 cores
    python -m benchmarks sample-64 storage         # some of them
    python -m benchmarks --check                   # the quick ones against benchmarks/baseline.json, under a minute
    python -m benchmarks --check --keep            # write what was measured as the new baseline

A ratio says how many times ours is faster than the straightforward way, or, for a cost, what ours takes by what the
plain side takes. ``--check`` ends with 1 if a ratio is worse than the baseline by more than a factor of 2.5: machines
differ and are busy, so only a real loss shows.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import commands, distribution, export, factory, geometry, storage
from benchmarks.table import as_table

BASELINE = Path(__file__).parent / "baseline.json"
MARGIN = 2.5
Row = dict[str, Any]


def factory_rows(case: str, rounds: int) -> Callable[[], list[Row]]:
    return lambda: [factory.compare(case, rounds)]


def geometry_rows(masks: int, rounds: int) -> list[Row]:
    with tempfile.TemporaryDirectory() as folder:
        dataset = geometry.make_dataset(Path(folder) / "masks", masks, masks // 100)
        return [{**geometry.compare(dataset, rounds, None), "case": f"geometry and SD of {masks:,} masks"}]


def storage_rows() -> list[Row]:
    return [row for size, count in storage.SAMPLES.items() for row in storage.compare(size, count, 5)]


CASES: dict[str, Callable[[], list[Row]]] = {
    **{case: factory_rows(case, 3) for case in factory.UNITS},
    "overhead": lambda: [factory.overhead(1000)],
    "geometry": lambda: geometry_rows(1000, 3),
    "storage": storage_rows,
    "export": lambda: list(export.compare(10_000, 64, ["huggingface", "coco", "folder"])),
    "distribution": lambda: distribution.compare(2, 100),
    "starts": commands.starts,
    "commands": commands.runs,
}
# A fraction of the work, for continuous integration.
QUICK: dict[str, Callable[[], list[Row]]] = {
    "sample-64-small": lambda: [factory.compare("sample-64-small", 1, (60, 1))],
    "train-64": lambda: [factory.compare("train-64", 1, (20, 2))],
    "geometry": lambda: geometry_rows(200, 1),
    # Writing depends on what the system does with dirty pages: its ratio differs tenfold from run to run.
    "storage": lambda: [row for row in storage.compare(64, 500, 3) if "read" in row["case"]],
}


def check(keep: bool) -> int:
    """Compare the quick cases with the baseline; return the exit code."""
    found = {row["case"]: row for run in QUICK.values() for row in run()}
    if keep:
        text = json.dumps({case: round(row["ratio"], 2) for case, row in found.items()}, indent=2)
        BASELINE.write_text(text + "\n", encoding="utf-8")
        return 0
    baseline = json.loads(BASELINE.read_text(encoding="utf-8"))
    worse = 0
    for case, before in baseline.items():
        row = found[case]
        loss = row["ratio"] / before if row.get("is_cost") else before / row["ratio"]
        is_worse = loss > MARGIN
        worse += is_worse
        print(f"{'WORSE' if is_worse else 'ok':5}  {case}: ratio {row['ratio']:.3g}, baseline {before:.3g}", flush=True)
    return 1 if worse else 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("cases", nargs="*", metavar="CASE", help=f"any of {', '.join(CASES)}; by default all")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    if unknown := sorted({*options.cases} - {*CASES}):
        parser.error(f"expected cases of {', '.join(CASES)}, got {', '.join(unknown)}")
    if options.check:
        return check(options.keep)
    rows = []
    for case in options.cases or CASES:
        made = CASES[case]()
        rows += made
        print(as_table(made), end="\n\n", flush=True)
        if options.json:  # after every case: a run that is stopped keeps what it has
            options.json.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
