"""How long ``bdgan analyze centers`` takes for a large index, and how much memory.

    python -m benchmarks.centers --rows 1000000 --per-part 1000

Makes an index of that many samples in 1,000 classes, without pictures, and analyses it in a process of its own: the
figures include starting Python, drawing and writing. An index has one part per shard, so more parts take longer.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from bdgan_cli.dataset.schema import INDEX_SCHEMA, INFO_FILE, ClassEntry, DatasetInfo

CLASSES, SIZE = 1000, 512
CHILD = """
import resource, sys
from bdgan_cli.cli.analyze_centers import centers
centers([sys.argv[1]], out=__import__("pathlib").Path(sys.argv[2]), as_json=True, quiet=True)
used = resource.getrusage(resource.RUSAGE_SELF)
sys.stderr.write(f"{used.ru_maxrss / 1024} {used.ru_utime + used.ru_stime}")
"""


def make_part(class_id: int, first: int, rows: int, stream: np.random.Generator) -> pa.Table:
    """Draw one index part; every column of the format is there, digests as long as real ones."""
    side_wh = stream.integers(10, SIZE, (2, rows))
    corner_xy = (stream.random((2, rows)) * (SIZE - side_wh)).astype(int)
    known = {
        "key": [f"n{class_id:08d}_0_{i}" for i in range(first, first + rows)],
        "class_id": np.full(rows, class_id),
        "height": np.full(rows, SIZE),
        "width": np.full(rows, SIZE),
        "index": np.arange(first, first + rows),
        **{f"bbox_{name}": side for name, side in zip("xywh", (*corner_xy, *side_wh), strict=True)},
    }
    columns = []
    for column in INDEX_SCHEMA:
        if column.name in known:
            values = known[column.name]
        elif column.name.endswith("sha256"):
            values = [stream.bytes(32).hex() for _ in range(rows)]
        elif pa.types.is_string(column.type):
            values = [f"n{class_id:08d}"] * rows
        else:
            values = stream.random(rows) if pa.types.is_floating(column.type) else stream.integers(0, 1 << 20, rows)
        columns.append(pa.array(values, column.type))
    return pa.table(columns, schema=INDEX_SCHEMA)


def make_index(root: Path, rows: int, per_part: int) -> int:
    """Write the dataset's index and return its number of parts."""
    (root / "index").mkdir(parents=True)
    classes = tuple(ClassEntry(i, f"n{i:08d}", f"class {i}") for i in range(CLASSES))
    info = DatasetInfo("synthetic", "sampled", classes, SIZE, None, None)
    (root / INFO_FILE).write_text(json.dumps(info.to_json()))
    stream = np.random.default_rng(0)
    parts = 0
    for class_id in range(CLASSES):
        for first in range(0, rows // CLASSES, per_part):
            table = make_part(class_id, first, min(per_part, rows // CLASSES - first), stream)
            pq.write_table(
                table, root / "index" / f"c{class_id:04d}-b{first // per_part:04d}.parquet", compression="zstd"
            )
            parts += 1
    return parts


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--per-part", type=int, default=1_000, help="rows of an index part, that is, of a shard")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        parts = make_index(Path(folder, "data"), options.rows, options.per_part)
        command = [sys.executable, "-c", CHILD, str(Path(folder, "data")), str(Path(folder, "out"))]
        started = time.perf_counter()
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        seconds = time.perf_counter() - started
    masks = json.loads(done.stdout)["datasets"]["synthetic"]["masks"]
    peak_mb, cpu = map(float, done.stderr.split())
    print(f"{masks:,} masks in {parts:,} parts: {seconds:.1f} s (CPU {cpu:.1f} s), at most {peak_mb:.0f} MB")


if __name__ == "__main__":
    main()
