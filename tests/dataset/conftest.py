"""A prepared dataset, copied for each test that wants one: writing it anew would wait for the disk each time."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from tests.dataset.builders import write_all


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here cuts the power, so nothing has to wait until bytes are on the disk."""
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(os, "sync", lambda: None)


@pytest.fixture(scope="session")
def _toy_made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("made-once") / "toy"
    write_all(root)
    return root


@pytest.fixture
def toy(_toy_made_once: Path, tmp_path: Path) -> Path:
    """A dataset of two classes with six samples each, in shards of four and two."""
    return Path(shutil.copytree(_toy_made_once, tmp_path / "toy"))
