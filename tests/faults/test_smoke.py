"""A few of the trials of this folder for every run of the tests; ``pytest -m slow tests/faults`` makes them all."""

from __future__ import annotations

import errno
import random
import signal

import pytest

from tests.faults.commands import COMMANDS, Command
from tests.faults.events import GROWING, Fault
from tests.faults.test_full_disk import check_told
from tests.faults.test_signals import check_stopped
from tests.faults.test_two_writers import check_refused
from tests.faults.trees import snapshot
from tests.faults.trial import Trials, draw_events

each_tried_command = pytest.mark.parametrize(
    "command", [pytest.param(one, id=one.name.replace(" ", "-")) for one in COMMANDS if one.in_default]
)


def test_children_are_forked_from_one_thread(trials: Trials) -> None:
    assert trials.zygote.threads == 1


@each_tried_command
def test_killed_refused_by_a_full_disk_and_run_again(trials: Trials, command: Command) -> None:
    reference = trials.reference(command)
    stream = random.Random(f"smoke {command.name}")
    (kill,) = draw_events(reference, 1, stream)
    (full,) = draw_events(reference, 1, stream, GROWING - {"fsync"})
    with trials.folder(command) as (root, words):
        assert trials.run(command, words, root, fault=Fault("kill", kill)).killed
        check_told(trials.run(command, [*words, *command.again], root, fault=Fault("full", 1)), errno.ENOSPC)
        trials.check_recovers(command, words, root)
    with trials.folder(command) as (root, words):
        done = trials.run(command, words, root, fault=Fault("full", full))
        check_told(done, errno.ENOSPC)
        trials.check_recovers(command, words, root)


def test_terminated_and_resumed(trials: Trials) -> None:
    command = next(one for one in COMMANDS if one.name == "train-head")
    event = len(trials.reference(command).events) // 2
    with trials.folder(command) as (root, words):
        done = trials.run(command, words, root, fault=Fault("signal", event, signal.SIGTERM))
        check_stopped(trials, command, done, signal.SIGTERM, root)


def test_a_second_writer_and_a_read_only_disk(trials: Trials) -> None:
    from bdgan_cli.atomic import folder_lock

    command = next(one for one in COMMANDS if one.name == "train-head")
    with trials.folder(command) as (root, words):
        check_told(trials.run(command, words, root, fault=Fault("read-only")), errno.EROFS)
        assert snapshot(root, command) == {}
        (root / command.locks).mkdir(parents=True)
        with folder_lock(root / command.locks):
            check_refused(trials.run(command, words, root))
