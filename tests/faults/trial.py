"""One trial: a fresh folder, a command to which something happens, and what must hold afterwards."""

from __future__ import annotations

import itertools
import random
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.commands import Command
from tests.faults.harness import Outcome, Zygote
from tests.faults.inputs import Inputs
from tests.faults.trees import check_visible, left_by_the_dead, snapshot


@dataclass(frozen=True)
class Reference:
    """A run to which nothing happened.

    Attributes:
        tree: What it left.
        before: What was there before.
        events: What it did to the file system.
        seconds: How long it took.
    """

    tree: dict[str, str]
    before: dict[str, str]
    events: list[str]
    seconds: float


class Trials:
    """Runs commands in folders of their own, beside the inputs.

    Args:
        zygote: Forks the children.
        inputs: What the commands read.
    """

    def __init__(self, zygote: Zygote, inputs: Inputs) -> None:
        self.zygote, self.inputs = zygote, inputs
        self._numbers = itertools.count()
        self._references: dict[str, Reference] = {}

    @contextmanager
    def folder(self, command: Command) -> Iterator[tuple[Path, list[str]]]:
        """Yield a folder with what the command changes, and the command line; gone afterwards unless a test fails."""
        # Names of one length: some results hold the length of a path.
        root = self.inputs.root.parent / f"trial-{next(self._numbers):06d}"
        words = command.prepare(self.inputs, root)
        yield root, words
        shutil.rmtree(root)

    def run(self, command: Command, words: list[str], root: Path, **more: Any) -> Outcome:
        return self.zygote.run(words, root, setup=command.setup, **more)

    def reference(self, command: Command) -> Reference:
        """Run the command once to the end, and remember what it left."""
        if command.name not in self._references:
            with self.folder(command) as (root, words):
                before = snapshot(root, command)
                done = self.run(command, words, root)
                assert done.code == 0, done.stderr
                assert done.events, "a command that writes does something to the file system"
                assert left_by_the_dead(root) == []
                tree = snapshot(root, command)
                assert tree != before
            self._references[command.name] = Reference(tree, before, done.events, done.seconds)
        return self._references[command.name]

    def check_recovers(self, command: Command, words: list[str], root: Path) -> None:
        """Check that what is visible is sound, and that the same command then gives what it always gives."""
        reference = self.reference(command)
        check_visible(root, reference.tree, reference.before, command)
        done = self.run(command, [*words, *command.again], root)
        is_done_already = done.code == 2 and bool(command.done) and command.done in done.stderr
        assert done.code == 0 or is_done_already, done.stderr
        assert left_by_the_dead(root) == []
        found = snapshot(root, command)
        differing = sorted(name for name in {*found, *reference.tree} if found.get(name) != reference.tree.get(name))
        assert differing == []


def draw_events(
    reference: Reference, count: int, stream: random.Random, kinds: frozenset[str] | None = None
) -> list[int]:
    """Draw numbers of events, half of them of other kinds than the many small writes.

    Args:
        reference: Holds the events.
        count: How many; less if there are not as many.
        stream: Seeded.
        kinds: Only events of these kinds; None for all.
    """
    numbered = [(number, name.split()[0]) for number, name in enumerate(reference.events, 1)]
    wanted = [number for number, kind in numbered if kinds is None or kind in kinds]
    rare = [number for number, kind in numbered if kind != "write" and (kinds is None or kind in kinds)]
    drawn = set(stream.sample(rare, min(len(rare), (count + 1) // 2)))
    rest = sorted(set(wanted) - drawn)
    return sorted(drawn | set(stream.sample(rest, min(len(rest), count - len(drawn)))))
