"""A full disk, a read-only one: an error with a hint, nothing half written, and the same command finishes later."""

from __future__ import annotations

import errno
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.faults.commands import BY_NAME, Command
from tests.faults.conftest import each_command
from tests.faults.events import GROWING, Fault
from tests.faults.harness import Outcome
from tests.faults.trees import left_by_the_dead, snapshot
from tests.faults.trial import Trials, draw_events

POINTS = 10
REAL = ["sample", "train-head", "data import folder", "data export coco", "data merge", "analyze centers", "models add"]


def check_told(done: Outcome, number: int) -> None:
    """The error says what the system refused, where, and what to do; no traceback."""
    where = f"{done.code}: {done.stderr}"
    assert done.code == 1, where
    assert "error: " in done.stderr, where
    assert "\nhint: " in done.stderr, where
    assert os.strerror(number) in done.stderr, where
    assert "Traceback" not in done.stderr, where


@each_command
def test_the_disk_is_full_from_some_point_on(trials: Trials, command: Command) -> None:
    reference = trials.reference(command)
    stream = random.Random(f"full {command.name}")
    for number in draw_events(reference, POINTS, stream, GROWING - {"fsync"}):
        with trials.folder(command) as (root, words):
            done = trials.run(command, words, root, fault=Fault("full", number))
            check_told(done, errno.ENOSPC)
            assert left_by_the_dead(root) == [], f"event {number}: {reference.events[number - 1]}"
            trials.check_recovers(command, words, root)


@each_command
def test_nothing_can_be_changed(trials: Trials, command: Command) -> None:
    with trials.folder(command) as (root, words):
        before = snapshot(root, command)
        done = trials.run(command, words, root, fault=Fault("read-only"))
        check_told(done, errno.EROFS)
        assert snapshot(root, command) == before


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Mount something on a folder, or skip the test where nobody lets us."""
    folder.mkdir(exist_ok=True)
    done = subprocess.run(["mount", *options, folder], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"mount is not allowed here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


def needed_bytes(root: Path) -> int:
    return sum(path.stat().st_size for path in root.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mount") is None, reason="there is no mount here")
@pytest.mark.parametrize("name", REAL)
@pytest.mark.parametrize("share", [0.3, 0.7, 0.9])
def test_a_file_system_that_is_really_full(trials: Trials, name: str, share: float) -> None:
    command = BY_NAME[name]
    reference = trials.reference(command)
    with trials.folder(command) as (root, words), trials.folder(command) as (whole, _):
        trials.run(command, words, whole)
        size = max(4096, int(needed_bytes(whole) * share) // 4096 * 4096)
        with mounted(root, "-t", "tmpfs", "-o", f"size={size}", "none"):
            done = trials.run(command, words, root)
            check_told(done, errno.ENOSPC)
            assert left_by_the_dead(root) == []
            kept = snapshot(root, command)
            subprocess.run(["mount", "-o", "remount,size=64m", root], check=True)
            trials.check_recovers(command, words, root)
            assert reference.tree == snapshot(root, command)
            assert all(reference.tree.get(n) == v for n, v in kept.items() if n.startswith(f"{command.writes}/shards/"))


@pytest.fixture
def read_only(trials: Trials) -> Iterator[Callable[[Path], None]]:
    """Make a trial's folder one that nobody can write to, the super-user included."""
    undo = []

    def make(root: Path) -> None:
        done = subprocess.run(["mount", "--bind", root, root], capture_output=True, text=True, check=False)
        if done.returncode != 0:
            pytest.skip(f"mount is not allowed here: {done.stderr.strip()}")
        undo.append(root)
        subprocess.run(["mount", "-o", "remount,bind,ro", root], check=True)

    yield make
    for root in undo:
        subprocess.run(["umount", root], check=True)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mount") is None, reason="there is no mount here")
@pytest.mark.parametrize("name", [*REAL, "filter", "data split views", "pretrain contrastive"])
def test_a_folder_that_is_really_read_only(trials: Trials, read_only: Callable[[Path], None], name: str) -> None:
    command = BY_NAME[name]
    root = trials.inputs.root.parent / f"read-only-{command.name.replace(' ', '-')}"
    words = command.prepare(trials.inputs, root)
    before = snapshot(root, command)
    read_only(root)
    check_told(trials.run(command, words, root), errno.EROFS)
    assert snapshot(root, command) == before


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("mount") is None, reason="there is no mount here")
@pytest.mark.parametrize("words", [("info",), ("verify",)])
def test_readers_need_no_permission_to_write(
    trials: Trials, read_only: Callable[[Path], None], words: tuple[str, ...]
) -> None:
    command = BY_NAME["filter"]
    root = trials.inputs.root.parent / f"readers-{words[0]}"
    command.prepare(trials.inputs, root)
    read_only(root)
    done = trials.zygote.run(["data", *words, "datasets/sim@filtered"], root)
    assert done.code == 0, done.stderr
