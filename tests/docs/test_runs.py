"""The commands and examples of the pages are run: every page in a folder of its own, from top to bottom."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from bdgan_cli.workflows.benchmark.world import WorldSizes
from tests.conftest import ROOT, cli_environment
from tests.docs import standins
from tests.docs.pages import PAGES, Step, mentions, steps
from tests.docs.plans import ELSEWHERE, LATER, PAGES_TO_RUN
from tests.docs.running import NOT_RUN, Runner, folder, quiet
from tests.workflows.benchmark.sets import SIZES

# What a page makes a browser load: scripts, pictures, styles, fonts. Links that a reader follows are not among them.
_LOADED = re.compile(r"""<(?:script|img|source|iframe|link)[^>]+(?:src|href)=["']?((?:https?:)?//[^"' >]+)""")


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(host: str, *more: object) -> None:
        raise AssertionError(f"a page asks for {host}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture(autouse=True)
def _small_world(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the embedded benchmark make tens of samples instead of ten thousand."""
    sizes = [getattr(SIZES, field.name) for field in fields(WorldSizes)]
    monkeypatch.setattr(WorldSizes.__init__, "__defaults__", tuple(sizes))


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES_TO_RUN)
def test_a_page_does_what_it_shows(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runner = Runner(PAGES_TO_RUN[page])
    if runner.plan.stand_ins:
        standins.install(monkeypatch)
    with folder(tmp_path):
        with quiet():
            runner.plan.prepare()
        runner.run(steps(page))
    assert not runner.failures, "\n".join(runner.failures)


@pytest.mark.parametrize("page", PAGES_TO_RUN)
def test_every_word_of_a_plan_is_shown(page: str) -> None:
    runner = Runner(PAGES_TO_RUN[page])
    for step in steps(page):
        runner.words(step)
    assert runner.unused == set(), f"{page} does not show these any more"


def test_every_page_with_commands_has_a_plan() -> None:
    def is_run(step: Step) -> bool:
        return step.kind == "python" or step.words[0] not in NOT_RUN

    pages = {page for page in PAGES if any(map(is_run, steps(page)))}
    assert pages - set(PAGES_TO_RUN) == set(ELSEWHERE), "say in tests/docs/plans.py how the page is run"


def test_the_front_page_does_what_it_shows(tmp_path: Path) -> None:
    runner = Runner(PAGES_TO_RUN["README.md"])
    with folder(tmp_path):
        with quiet():
            runner.plan.prepare()
        runner.run([step for step in steps("README.md") if not step.text.startswith(LATER)])
    assert not runner.failures, "\n".join(runner.failures)


def benchmark_commands() -> dict[str, list[Step]]:
    """Return the command lines of ``benchmarks/`` and ``tools/`` that pages show, by program."""
    shown: dict[str, list[Step]] = {}
    for page in PAGES:
        for step in [*steps(page), *mentions(page)]:
            if step.kind != "python" and step.words[0] == "python":
                words = step.words[1:3] if step.words[1] == "-m" else step.words[1:2]
                shown.setdefault(" ".join(words), []).append(step)
    return shown


@pytest.mark.slow
@pytest.mark.parametrize("program", sorted(benchmark_commands()))
def test_benchmarks_know_the_options_that_pages_show(program: str) -> None:
    commands = benchmark_commands()[program]
    subcommands = {step.words[3] for step in commands if len(step.words) > 3 and step.words[3].isidentifier()}
    helps = ""
    for more in [[], *([name] for name in sorted(subcommands))]:
        command = [sys.executable, *program.split(), *more, "--help"]
        done = subprocess.run(command, cwd=ROOT, env=cli_environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        helps += done.stdout
    shown = {word.split("=")[0] for step in commands for word in step.words if word.startswith("--")}
    assert {option for option in shown if option not in helps} == set()


@pytest.mark.slow
def test_the_site_is_built_and_asks_nobody(tmp_path: Path) -> None:
    pytest.importorskip("material", reason="pip install -e '.[docs]'")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(tmp_path / "site")]
    done = subprocess.run(command, cwd=ROOT, env=cli_environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    pages = list((tmp_path / "site").glob("*.html"))
    assert len(pages) > len(list((ROOT / "docs").glob("*.md")))
    asked = {found for page in pages for found in _LOADED.findall(page.read_text(encoding="utf-8"))}
    styles = (tmp_path / "site").rglob("*.css")
    asked |= {
        found for style in styles for found in re.findall(r"url\((https?:[^)]+)", style.read_text(encoding="utf-8"))
    }
    assert asked == set()
