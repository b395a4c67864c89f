"""SIGTERM, as SLURM sends it before it kills, and Ctrl-C: an orderly end within seconds, and the line that goes on."""

from __future__ import annotations

import random
import shlex
import signal

import pytest

from bdgan_cli.atomic import LOCK_FILE
from tests.faults.commands import BY_NAME, Command
from tests.faults.events import Fault
from tests.faults.harness import Outcome
from tests.faults.trees import check_visible, left_by_the_dead, snapshot
from tests.faults.trial import Trials, draw_events

LONG = (
    "sample", "train-head", "benchmark", "benchmark truncation", "benchmark transfer", "pretrain contrastive",
    "pretrain joint", "data import folder", "data import coco", "data export coco", "data export huggingface",
    "data merge", "data materialize", "annotate plan", "annotate collect", "analyze geometry", "analyze report",
    "models add", "demo",
)  # fmt: skip
CODES = {signal.SIGTERM: 143, signal.SIGINT: 130}
POINTS, GRACE_S = 6, 10.0
each_long_command = pytest.mark.parametrize(
    "command", [pytest.param(BY_NAME[name], id=name.replace(" ", "-"), marks=pytest.mark.slow) for name in LONG]
)


def line_that_goes_on(done: Outcome) -> list[str]:
    last = done.stderr.strip().splitlines()[-2:]
    assert last[0] == "interrupted", done.stderr
    assert last[1].startswith("resume with: bdgan "), done.stderr
    return shlex.split(last[1].removeprefix("resume with: bdgan "))


def check_stopped(trials: Trials, command: Command, done: Outcome, number: int, root) -> None:
    """It ended with the code of the signal, left nothing half written, and what it printed finishes the work."""
    assert done.code == CODES[number], done.stderr
    assert "Traceback" not in done.stderr
    reference = trials.reference(command)
    # A signal at the very moment of unlocking may leave the lock's file, which nobody holds; the next run removes it.
    assert [name for name in left_by_the_dead(root) if not name.endswith(LOCK_FILE)] == []
    check_visible(root, reference.tree, reference.before, command)
    again = trials.run(command, line_that_goes_on(done), root)
    assert again.code == 0 or (again.code == 2 and command.done and command.done in again.stderr), again.stderr
    assert snapshot(root, command) == reference.tree


@each_long_command
@pytest.mark.parametrize("number", list(CODES), ids=lambda number: number.name)
def test_a_signal_ends_a_command_in_order(trials: Trials, command: Command, number: int) -> None:
    reference = trials.reference(command)
    stream = random.Random(f"signal {command.name} {number}")
    for event in draw_events(reference, POINTS, stream):
        with trials.folder(command) as (root, words):
            done = trials.run(command, words, root, fault=Fault("signal", event, number))
            check_stopped(trials, command, done, number, root)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("sample", ("--per-class", "4000")),
        ("train-head", ("--steps", "20000")),
        ("benchmark", ("--steps", "20000")),
        ("pretrain contrastive", ("--epochs", "2000")),
    ],
)
def test_the_end_comes_within_seconds(trials: Trials, name: str, more: tuple[str, str]) -> None:
    """Of runs that would take minutes, after two seconds of work."""
    command = BY_NAME[name]
    with trials.folder(command) as (root, words):
        done = trials.run(command, [*words, *more], root, signals=[(4.0, signal.SIGTERM)])
        assert done.code == 143, done.stderr
        assert done.seconds < 4.0 + GRACE_S
        assert left_by_the_dead(root) == []
        line_that_goes_on(done)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sample", "data export coco", "train-head"])
def test_the_line_that_goes_on_throws_nothing_away(trials: Trials, name: str) -> None:
    command = BY_NAME[name]
    with trials.folder(command) as (root, words):
        event = len(trials.reference(command).events) * 2 // 3
        fault = Fault("signal", event, signal.SIGTERM)
        done = trials.run(command, [*words, "--overwrite"], root, fault=fault)
        assert "--overwrite" not in line_that_goes_on(done)
        check_stopped(trials, command, done, signal.SIGTERM, root)
