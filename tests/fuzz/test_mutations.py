"""Every reader, on copies of valid files that were broken byte by byte."""

from __future__ import annotations

import pytest

from tests.fuzz.harness import Pool
from tests.fuzz.registry import READERS

FEW, MANY = 4, 2000


@pytest.mark.parametrize("inputs", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", READERS)
def test_broken_files_end_in_an_error_of_ours_or_in_sound_data(pool: Pool, name: str, inputs: int) -> None:
    tally = pool.run(name, range(inputs))
    assert not tally.failures, "\n\n".join(tally.failures.values())
    assert tally.inputs == inputs
