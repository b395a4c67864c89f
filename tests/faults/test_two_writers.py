"""Two writers on one folder: the second is refused, the first unharmed; a dead one's lock refuses nobody."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from bdgan_cli.atomic import LOCK_FILE, folder_lock
from tests.faults.commands import BY_NAME, COMMANDS, Command
from tests.faults.events import Fault
from tests.faults.harness import Outcome, Zygote
from tests.faults.trees import check_visible, snapshot
from tests.faults.trial import Trials

LOCKING = [command for command in COMMANDS if command.locks]
each_locking_command = pytest.mark.parametrize(
    "command", [pytest.param(one, id=one.name.replace(" ", "-"), marks=pytest.mark.slow) for one in LOCKING]
)


def check_refused(done: Outcome) -> None:
    assert done.code == 1, done.stderr
    assert "error: another process is writing to" in done.stderr
    assert "hint: wait until it is done, or write to another place" in done.stderr


@each_locking_command
def test_a_second_writer_is_refused(trials: Trials, command: Command) -> None:
    with trials.folder(command) as (root, words):
        locked = root / command.locks
        locked.mkdir(parents=True, exist_ok=True)
        with folder_lock(locked):
            before = snapshot(root, command)
            check_refused(trials.run(command, words, root))
            after = snapshot(root, command)
            # What lies elsewhere has locks of its own: the sets of a sweep over truncations, a note of shown licences.
            assert {n for n in after if n.startswith(f"{command.locks}/") and after[n] != before.get(n)} == set()
        assert trials.run(command, words, root).code == 0


@each_locking_command
def test_the_lock_of_a_dead_writer_refuses_nobody(trials: Trials, command: Command) -> None:
    with trials.folder(command) as (root, words):
        (root / command.locks).mkdir(parents=True, exist_ok=True)
        (root / command.locks / LOCK_FILE).touch()
        assert trials.run(command, words, root).code == 0
        assert snapshot(root, command) == trials.reference(command).tree


@pytest.mark.slow
@pytest.mark.parametrize("name", ["sample", "train-head", "data export coco", "benchmark", "annotate plan"])
def test_the_first_writer_is_unharmed(trials: Trials, tmp_path: Path, name: str) -> None:
    """The first is stopped in the middle of its work, and goes on when the second has been refused."""
    command = BY_NAME[name]
    reference = trials.reference(command)
    first = Zygote(tmp_path)
    with trials.folder(command) as (root, words):
        ended: list[Outcome] = []
        middle = len(reference.events) // 2

        def run() -> None:
            ended.append(first.run(words, root, Fault("stop", middle), signals=[(25.0, signal.SIGCONT)]))

        thread = threading.Thread(target=run)
        thread.start()
        thread.join(8.0)
        assert not ended, "the first writer must be in the middle of its work"
        check_refused(trials.run(command, words, root))
        check_visible(root, reference.tree, reference.before, command)
        thread.join()
        assert ended[0].code == 0, ended[0].stderr
        assert snapshot(root, command) == reference.tree
    first.close()
