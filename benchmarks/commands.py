"""What every command costs: the start alone, and time and memory of a small run on the embedded generator.

    python -m benchmarks.commands                 # all commands, about four minutes on 2 cores
    python -m benchmarks.commands --starts        # 'bdgan COMMAND --help' only, half a minute

The start is that of 'bdgan COMMAND --help' beside that of Python itself, each the least of some runs. A run is the
command in a process of its own, in a workspace that the commands before it have filled: its wall time, its processor
time, and the most memory it held.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from benchmarks.processes import BDGAN, Taken, run

START_GOAL_S = 0.3
_TRAINING = "--segmenter lraspp-tiny --preset tiny --size 64 --steps 20 --batch 8 --seeds 1 --test {world}"
_PRETRAINING = "--preset tiny --arch resnet18 --epochs 1 --batch 8 --norm-group 8 --queue 16 --workers 0"
# In this order: each finds what those before it have made.
RUNS = (
    ("demo", "demo --per-class 5 --members 4 --out demo"),
    ("sample, exact labels", "sample --exact-labels --per-class 5 --seed 1"),
    ("sample, exact labels", "sample --exact-labels --per-class 10 --seed 2 --name world"),
    ("train-head", "train-head --steps 100"),
    ("sample", "sample --per-class 100"),
    ("filter", "filter"),
    ("annotate plan", "annotate plan --per-class 2 --candidates 4"),
    ("annotate collect", "annotate collect annotations/tiny-biggan-by-hand --accept-unchanged"),
    ("analyze centers", "analyze centers {sim}"),
    ("analyze geometry", "analyze geometry {sim}"),
    ("analyze shapes", "analyze shapes {sim}"),
    ("analyze quality", "analyze quality {sim} --reference {world}"),
    ("analyze figures", "analyze figures {sim}"),
    ("analyze report", "analyze report {sim} --out report"),
    ("benchmark", f"benchmark --task shapes-mc --arms sup --annotated {{few}} {_TRAINING}"),
    ("pretrain contrastive", f"pretrain contrastive {{world}} --name first {_PRETRAINING}"),
    ("pretrain joint", f"pretrain joint {{world}} --labelled {{few}} --name second {_PRETRAINING}"),
    ("pretrain export", "pretrain export first --to torchvision --out weights"),
    ("data info", "data info {sim}"),
    ("data verify", "data verify {sim}"),
    ("data show", "data show {sim} --out sheet.png"),
    ("data export folder", "data export {sim} pairs --to folder"),
    ("data export coco", "data export {sim} coco --to coco"),
    ("data import folder", "data import folder pairs --out datasets/back"),
    ("data merge", "data merge {sim} {world} --kind sampled --rename --out merged"),
    ("data split", "data split {sim} --splits train=0.8,val=0.2"),
    ("data materialize", "data materialize {sim}@filtered --out clean"),
    ("data tasks", "data tasks"),
    ("models list", "models list"),
    ("models info", "models info tiny-biggan"),
    ("models verify", "models verify tiny-biggan"),
)
GROUPS = ("annotate", "analyze", "data", "models", "pretrain")
PLACES = {
    "few": "datasets/tiny-biggan-annotated", "world": "datasets/world", "sim": "datasets/tiny-biggan-sim",
}  # fmt: skip


def starts(repeats: int = 5) -> list[dict[str, Any]]:
    """Time 'bdgan COMMAND --help' of every command, and Python alone."""
    python = least([sys.executable, "-c", "pass"], repeats)
    names = dict.fromkeys(map(command_of, RUNS))
    rows = []
    for name in ["", *names]:
        seconds = least([*BDGAN, *name.split(), "--help"], repeats)
        rows.append({"case": f"start of bdgan {name}".strip(), "seconds": seconds, "python_alone_s": python,
                     "goal_s": START_GOAL_S})  # fmt: skip
    return rows


def command_of(entry: tuple[str, str]) -> str:
    """Return the words that name a command, without its arguments."""
    words = entry[1].split()
    if words[0] not in GROUPS:
        return words[0]
    return " ".join(words[:3] if words[:2] == ["data", "import"] else words[:2])


def least(command: list[str], repeats: int) -> float:
    return min(run(command).seconds for _ in range(repeats))


def runs() -> list[dict[str, Any]]:
    """Run every command in one workspace."""
    rows = []
    with tempfile.TemporaryDirectory() as name:
        for case, words in RUNS:
            taken = run([*BDGAN, *words.format(**PLACES).split()], folder=Path(name))
            rows.append(row(case, words.format(**PLACES), taken))
            print(json.dumps(rows[-1]), flush=True, file=sys.stderr)
    return rows


def row(case: str, words: str, taken: Taken) -> dict[str, Any]:
    return {"case": case, "command": f"bdgan {words}", "seconds": taken.seconds, "cpu_seconds": taken.cpu_seconds,
            "peak_memory_gb": taken.peak_gb}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--starts", action="store_true", help="leave the runs out")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    rows = [*starts(), *([] if options.starts else runs())]
    print(json.dumps(rows, indent=2))
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
