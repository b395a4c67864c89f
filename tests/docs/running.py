"""Runs what a page shows, from top to bottom, in a folder of its own and in this process."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
from collections.abc import Iterator, Sequence
from pathlib import Path

from bdgan_cli.cli.main import main
from tests.docs.pages import Step
from tests.docs.plans import Plan
from tests.docs.words import OTHERS

# What these do is not run here; tests/docs/words.py looks at their words, test_runs.py asks benchmarks for their help.
NOT_RUN = ("make", "pip", "python", *OTHERS)


class Runner:
    """Runs steps under a plan, and remembers which of the plan's words were used.

    Attributes:
        failures: What ended otherwise than it should, a text each.
        used: The entries of the plan that a step has matched.
    """

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.failures: list[str] = []
        self.used: set[str] = set()
        self._names: dict[str, object] = {}  # one reader's session: later examples see what earlier ones defined

    @property
    def unused(self) -> set[str]:
        return {*self.plan.smaller, *self.plan.people, *self.plan.unable} - self.used

    def run(self, steps: Sequence[Step]) -> None:
        """Run steps in the current folder."""
        for step in steps:
            if step.kind == "python":
                with quiet():
                    exec(compile(step.text, step.place, "exec"), self._names)
            else:
                self._command(step)

    def _command(self, step: Step) -> None:
        shown = shlex.join(step.words)
        words = self.words(step)
        if shown in self.plan.people:
            self.plan.people[shown]()
        if words[0] in NOT_RUN:
            return
        if words[0] == "torchrun":  # one process stands for all: tests of ranks hold that they write the same
            words = ["bdgan", *words[words.index("bdgan_cli") + 1 :]]
        unable = self.plan.unable.get(shown)
        with quiet() as told:
            code = main(words[1:])
        expected = unable.code if unable else 0
        if code != expected or (unable and unable.says not in told.getvalue()):
            says = f" and {unable.says!r}" if unable and unable.says else ""
            tail = told.getvalue()[-1500:]
            self.failures.append(
                f"{step.place}: {shlex.join(words)}: expected exit code {expected}{says}, got {code}:\n{tail}"
            )

    def words(self, step: Step) -> list[str]:
        """Return the words that are typed for a command."""
        shown = shlex.join(step.words)
        if shown in self.plan.people:
            self.used.add(shown)
        if unable := self.plan.unable.get(shown):
            self.used.add(shown)
            return shlex.split(unable.typed) or step.words
        if not self.plan.smaller:
            return step.words
        either = "|".join(map(re.escape, self.plan.smaller))
        return shlex.split(re.sub(either, self._smaller, shown))

    def _smaller(self, found: re.Match[str]) -> str:
        self.used.add(found[0])
        return self.plan.smaller[found[0]]


@contextlib.contextmanager
def quiet() -> Iterator[io.StringIO]:
    """Keep what is printed, and yield it."""
    told = io.StringIO()
    with contextlib.redirect_stdout(told), contextlib.redirect_stderr(told):
        yield told


@contextlib.contextmanager
def folder(path: Path) -> Iterator[None]:
    """Be in a folder for a while."""
    before = Path.cwd()
    os.chdir(path)
    try:
        yield
    finally:
        os.chdir(before)
