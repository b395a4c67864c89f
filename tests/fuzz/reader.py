"""What a fuzzed reader is: valid files to begin with, and a function that reads them and checks what comes out."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

from tests.fuzz.mutators import mutate

Files = Mapping[str, bytes]


class Place(NamedTuple):
    """Where a reader finds its files, and where it may write."""

    source: Path
    out: Path


class Verdict(NamedTuple):
    """How an input ended: ``accepted``, ``refused`` or ``failed``, with the message or the traceback."""

    kind: str
    told: str = ""
    trace: tuple[str, ...] = ()


@dataclass(frozen=True)
class Reader:
    """One reader of foreign files.

    Attributes:
        name: How it is called in the table of results.
        seeds: Makes valid sets of files, each by path; the first call of a process pays for it.
        read: Reads them and checks the documented properties of what comes out by ``assert``. Raises ``BdganError``
            for files that it refuses.
        breaks: Patterns of the files that are broken.
        tokens: Words that mean something in the format.
        mend: Puts checksums right again, so that the damage reaches what lies behind them; used every other time.
        names_file: Whether messages must name a file or the folder.
        most_growth: Bytes of memory that an input may take.
        cpu_seconds: Processor time that an input may take.
    """

    name: str
    seeds: Callable[[], Sequence[Files]]
    read: Callable[[Place], object]
    breaks: Sequence[str] = ("*",)
    tokens: Sequence[bytes] = ()
    mend: Callable[[Files], Files] | None = None
    names_file: bool = True
    most_growth: int = 256 << 20
    cpu_seconds: float = 5.0


class Input(NamedTuple):
    """A set of files of which some are broken, and what was done."""

    files: Files
    trace: list[str]


def make_input(reader: Reader, seeds: Sequence[Files], seed: int) -> Input:
    """Return the input that a seed names; it depends on nothing else."""
    draw = random.Random(f"{reader.name}:{seed}")
    files = dict(draw.choice(seeds))
    names = [name for name in sorted(files) if any(fnmatchcase(name, pattern) for pattern in reader.breaks)]
    trace = []
    for name in draw.sample(names, min(len(names), draw.choice((1, 1, 1, 2)))):
        kin = [other[key] for other in seeds for key in names if key in other and Path(key).suffix == Path(name).suffix]
        broken = mutate(files[name], kin, reader.tokens, draw)
        files[name] = broken.data
        trace += [f"{name}: {step}" for step in broken.trace]
    if reader.mend is not None and draw.random() < 0.5:
        files = dict(reader.mend(files))
        trace.append("checksums mended")
    return Input(files, trace)
