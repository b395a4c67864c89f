"""What runs the pages finds what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.pages import Step
from tests.docs.plans import Plan, Unable
from tests.docs.running import Runner, folder


def ran(tmp_path: Path, plan: Plan, *commands: str) -> Runner:
    runner = Runner(plan)
    with folder(tmp_path):
        runner.run([Step("page.md", line, "command", text) for line, text in enumerate(commands, start=1)])
    return runner


def test_a_command_that_fails_is_named(tmp_path: Path) -> None:
    runner = ran(tmp_path, Plan(), "bdgan data tasks", "bdgan data info nothing  # not there")
    assert len(runner.failures) == 1
    assert runner.failures[0].startswith("page.md:2: bdgan data info nothing: expected exit code 0, got 4:")


@pytest.mark.parametrize(
    ("unable", "expected"),
    [
        (Unable("", 4, "no dataset at nothing"), ""),
        (Unable("", 4, "something else"), "expected exit code 4 and 'something else', got 4"),
        (Unable("", 3), "expected exit code 3, got 4"),
        (Unable("", typed="bdgan data tasks mc16"), ""),
        (Unable("", 4, typed="bdgan data tasks mc16"), "bdgan data tasks mc16: expected exit code 4, got 0"),
    ],
)
def test_a_command_that_cannot_work_ends_as_the_plan_says(tmp_path: Path, unable: Unable, expected: str) -> None:
    runner = ran(tmp_path, Plan(unable={"bdgan data info nothing": unable}), "bdgan data info nothing")
    assert runner.unused == set()
    assert len(runner.failures) == bool(expected)
    assert expected in "".join(runner.failures)


def test_words_are_made_smaller_once_and_those_that_are_not_shown_remain() -> None:
    runner = Runner(Plan(smaller={"--steps 50": "--steps 5", "--steps 5": "--steps 1", "--seeds 3": "--seeds 1"}))
    shown = Step("page.md", 1, "command", "bdgan x --steps 50 --steps 5")
    assert runner.words(shown) == ["bdgan", "x", "--steps", "5", "--steps", "1"]
    assert runner.unused == {"--seeds 3"}


def test_people_do_their_part(tmp_path: Path) -> None:
    done: list[str] = []
    people = {"labelme work": lambda: done.append("drawn"), "bdgan data tasks": lambda: done.append("looked")}
    assert ran(tmp_path, Plan(people=people), "labelme work", "bdgan data tasks").failures == []
    assert done == ["drawn", "looked"]


def test_examples_share_their_names_and_their_errors_are_errors(tmp_path: Path) -> None:
    runner = Runner(Plan())
    with folder(tmp_path), pytest.raises(NameError, match="missing"):
        runner.run([Step("page.md", 1, "python", "there = 1\n"), Step("page.md", 9, "python", "there + missing\n")])
