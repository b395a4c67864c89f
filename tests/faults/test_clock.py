"""Clocks that are wrong or jump: nothing that is written, chosen or shown depends on the wall clock running well."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from bdgan_cli import runs
from bdgan_cli.cli.bars import Meter
from tests.faults.commands import BY_NAME
from tests.faults.trees import snapshot
from tests.faults.trial import Trials

CLOCKS = ("epoch", "far", "backwards")


def epoch(cwd: str) -> None:
    _set_clock(lambda count: 0.0)


def far(cwd: str) -> None:
    _set_clock(lambda count: 2.0**31 + 86400.0 * count)


def backwards(cwd: str) -> None:
    _set_clock(lambda count: 1.7e9 - 3600.0 * count)


def _set_clock(at) -> None:
    """Let the child's wall clock show what a function of the number of looks at it says."""
    import itertools

    looks = itertools.count()
    time.time = lambda: at(next(looks))
    time.time_ns = lambda: int(at(next(looks)) * 1e9)


@pytest.mark.slow
@pytest.mark.parametrize("clock", CLOCKS)
@pytest.mark.parametrize("name", ["sample", "train-head", "data export coco", "data merge", "benchmark"])
def test_the_same_bytes_at_any_time(trials: Trials, name: str, clock: str) -> None:
    command = BY_NAME[name]
    reference = trials.reference(command)
    with trials.folder(command) as (root, words):
        done = trials.zygote.run(words, root, setup=f"tests.faults.test_clock:{clock}")
        assert done.code == 0, done.stderr
        assert snapshot(root, command) == reference.tree
        again = trials.zygote.run([*words, *command.again], root, setup="tests.faults.test_clock:backwards")
        assert again.code == 0, again.stderr
        assert snapshot(root, command) == reference.tree


@pytest.mark.parametrize("times_ns", [(0, 1), (2**31 * 10**9, 2**32 * 10**9), (-(10**9), 0)])
def test_the_newest_is_the_one_with_the_later_file(tmp_path: Path, times_ns: tuple[int, int]) -> None:
    for name, time_ns in zip(("b", "a"), times_ns, strict=True):
        folder = runs.dataset_folder(tmp_path, name)
        folder.mkdir(parents=True)
        (folder / "dataset.json").write_text('{"kind": "sampled"}')
        os.utime(folder / "dataset.json", ns=(time_ns, time_ns))
    assert runs.newest_dataset(tmp_path, ("sampled",)).name == "a"


@pytest.mark.parametrize("jump", [-1e9, -1.0, 1e12])
def test_rates_and_times_left_do_not_see_the_wall_clock(monkeypatch: pytest.MonkeyPatch, jump: float) -> None:
    start = time.time()
    monkeypatch.setattr(time, "time", lambda: start)
    meter = Meter(10)
    monkeypatch.setattr(time, "time", lambda: start + jump)
    meter.done = 10
    assert 0 <= meter.elapsed_s < 60
    assert meter.rate > 0
    assert meter.time_text() == "took 0:00"
