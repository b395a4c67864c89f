"""The process in which inputs are read: a decoder that crashes takes this one down, and not the tests.

Started as ``python -m tests.fuzz.worker FD``; speaks over a socket. A number that comes in is a seed, files are files.
"""

from __future__ import annotations

import os
import resource
import shutil
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Sequence
from multiprocessing.connection import Connection
from pathlib import Path

from bdgan_cli.errors import BdganError
from tests.fuzz.reader import Files, Place, Reader, Verdict, make_input

ADDRESS_SPACE = 1536 << 20  # beyond what the process has when it begins with a reader


class TooLong(BaseException):
    """The time of an input is over; no handler of the product may take it for its own."""


def main() -> None:
    channel = Connection(int(sys.argv[1]))
    prepare()
    home = Path(tempfile.mkdtemp(prefix="bdgan-fuzz-", dir=sys.argv[2]))
    sets: dict[str, Sequence[Files]] = {}
    while True:
        try:
            name, what = channel.recv()
        except EOFError:
            break
        # What the readers need is loaded without the limit of the last input.
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        reader = find_reader(name)
        if name not in sets:
            sets[name] = make_seeds(reader, home)
        limit_memory()
        if isinstance(what, int):
            channel.send("begun")
            made = make_input(reader, sets[name], what)
            channel.send(judge(reader, made.files, home)._replace(trace=tuple(made.trace)))
        else:
            channel.send("begun")
            channel.send(judge(reader, what if what is not None else sets[name][0], home))


def find_reader(name: str) -> Reader:
    from tests.fuzz.readers_faulty import READERS as FAULTY

    if name == FAULTY[0].name:
        return FAULTY[0]
    from tests.fuzz.registry import READERS  # takes seconds: torch

    return READERS[name]


def prepare() -> None:
    """Do without what only costs time, and take warnings for what they are: words that no user should see."""
    os.fsync = lambda descriptor: None  # type: ignore[assignment]
    signal.signal(signal.SIGPROF, _stop)
    warnings.simplefilter("error")


def make_seeds(reader: Reader, home: Path) -> Sequence[Files]:
    """Make the valid files of a reader, and see that it takes them."""
    made = reader.seeds()
    for number, files in enumerate(made):
        verdict = judge(reader, files, home)
        if verdict.kind != "accepted":
            raise AssertionError(f"{reader.name}: seed {number} is {verdict.kind}: {verdict.told}")
    return made


def limit_memory() -> None:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    size = pages * resource.getpagesize() + ADDRESS_SPACE
    resource.setrlimit(resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))


def judge(reader: Reader, files: Files, home: Path) -> Verdict:
    """Read files, within limits of time and memory."""
    place = Place(home / "source", home / "out")
    lay_out(files, place)
    before = reset_peak()
    signal.setitimer(signal.ITIMER_PROF, reader.cpu_seconds)
    try:
        reader.read(place)
        verdict = Verdict("accepted")
    except BdganError as error:
        verdict = Verdict("refused", f"{type(error).__name__}: {error.message}")
        if reader.names_file and not names_a_file(error.message, files, place):
            verdict = Verdict("failed", f"the message names no file: {error.message}")
    except (Exception, TooLong):
        verdict = Verdict("failed", traceback.format_exc())
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    grown = peak() - before
    if grown > reader.most_growth and verdict.kind != "failed":
        return Verdict("failed", f"took {grown >> 20} MB of memory; was {verdict.kind}: {verdict.told}")
    return verdict


def names_a_file(message: str, files: Files, place: Place) -> bool:
    return any(name in message for name in (*map(str, place), *files, *(Path(file).name for file in files)))


def lay_out(files: Files, place: Place) -> None:
    for folder in place:
        shutil.rmtree(folder, ignore_errors=True)
    place.source.mkdir()
    for name, data in files.items():
        path = place.source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def reset_peak() -> int:
    """Forget the most memory that the process has had, and return what it has now, in bytes."""
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    return peak()


def peak() -> int:
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return int(status.partition("VmHWM:")[2].split()[0]) << 10


def _stop(number: int, frame: object) -> None:
    raise TooLong("took more processor time than an input may")


if __name__ == "__main__":
    main()
