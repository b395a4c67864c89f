"""The commands and examples of the pages are run: every page in a folder of its own, from top to bottom."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.docs.pages import PAGES, steps
from tests.docs.plans import PAGES_TO_RUN
from tests.docs.running import NOT_RUN, Runner, folder, quiet


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(host: str, *more: object) -> None:
        raise AssertionError(f"a page asks for {host}")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES_TO_RUN)
def test_a_page_does_what_it_shows(page: str, tmp_path: Path) -> None:
    runner = Runner(PAGES_TO_RUN[page])
    with folder(tmp_path):
        with quiet():
            runner.plan.prepare()
        runner.run(steps(page))
    assert not runner.failures, "\n".join(runner.failures)
