"""The worker that all fuzz tests of a process share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.fuzz.harness import Pool


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    with Pool() as shared:
        yield shared
