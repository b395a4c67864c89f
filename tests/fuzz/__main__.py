"""Fuzz readers by hand (``python -m tests.fuzz [READER ...] --inputs N``), or see one seed again (``--seed S``)."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

from tests.fuzz.harness import Pool, describe
from tests.fuzz.reader import make_input
from tests.fuzz.registry import READERS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description="Fuzz the readers of foreign files.")
    parser.add_argument("reader", nargs="*", help=f"any of: {'; '.join(READERS)}")
    parser.add_argument("--inputs", type=int, default=2000, help="broken inputs for each reader")
    parser.add_argument("--first", type=int, default=0, help="first seed")
    parser.add_argument("--seed", type=int, help="the input of this seed alone")
    parser.add_argument("--keep", type=Path, help="write the files of --seed into this folder")
    asked = parser.parse_args()
    names = asked.reader or list(READERS)
    with Pool() as pool:
        if asked.seed is not None:
            return _replay(pool, names[0], asked.seed, asked.keep)
        return _table(pool, names, range(asked.first, asked.first + asked.inputs))


def _replay(pool: Pool, name: str, seed: int, keep: Path | None) -> int:
    if keep is not None:
        reader = READERS[name]
        for path, data in make_input(reader, reader.seeds(), seed).files.items():
            (keep / path).parent.mkdir(parents=True, exist_ok=True)
            (keep / path).write_bytes(data)
    verdict = pool.judge(name, seed)
    sys.stdout.write(f"{verdict.kind}\n{describe(name, seed, verdict)}")
    return verdict.kind == "failed"


def _table(pool: Pool, names: list[str], seeds: range) -> int:
    failed = 0
    sys.stdout.write("| reader | inputs | refused | accepted | seconds |\n| --- | ---: | ---: | ---: | ---: |\n")
    for name in names:
        begun = time.monotonic()
        tally = pool.run(name, seeds)
        counts, seconds = tally.counts, time.monotonic() - begun
        sys.stdout.write(
            f"| {name} | {tally.inputs:,} | {counts['refused']:,} | {counts['accepted']:,} | {seconds:.0f} |\n"
        )
        sys.stdout.flush()
        for failure in tally.failures.values():
            sys.stderr.write(f"\n{failure}\n")
        failed += len(tally.failures)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
