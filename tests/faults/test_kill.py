"""SIGKILL at any moment of any command that writes: what lies there is sound, and the same command finishes it."""

from __future__ import annotations

import random
import signal

from tests.faults.commands import Command
from tests.faults.conftest import each_command
from tests.faults.events import Fault
from tests.faults.trial import Trials, draw_events

POINTS, AT_EVENTS = 50, 34


@each_command
def test_killed_at_many_points(trials: Trials, command: Command) -> None:
    reference = trials.reference(command)
    stream = random.Random(f"kill {command.name}")
    numbers = draw_events(reference, AT_EVENTS, stream)
    for number in numbers:
        with trials.folder(command) as (root, words):
            done = trials.run(command, words, root, fault=Fault("kill", number))
            assert done.killed, f"event {number}: {done.stderr}"
            trials.check_recovers(command, words, root)
    kills = 0
    while kills < POINTS - len(numbers):
        seconds = stream.uniform(0.0, reference.seconds)
        with trials.folder(command) as (root, words):
            # A run that was faster than its killer is checked, too, but not counted.
            kills += trials.run(command, words, root, signals=[(seconds, signal.SIGKILL)]).killed
            trials.check_recovers(command, words, root)


@each_command
def test_killed_twice(trials: Trials, command: Command) -> None:
    """The run that goes on is killed, too."""
    reference = trials.reference(command)
    stream = random.Random(f"kill twice {command.name}")
    for first, second in zip(*(draw_events(reference, 4, stream) for _ in range(2)), strict=True):
        with trials.folder(command) as (root, words):
            assert trials.run(command, words, root, fault=Fault("kill", first)).killed
            trials.run(command, [*words, *command.again], root, fault=Fault("kill", second))
            trials.check_recovers(command, words, root)
