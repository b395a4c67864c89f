from collections.abc import Iterator

import pytest

from tests.distribution.jobs import end_all


@pytest.fixture(autouse=True)
def _nothing_outlives_its_test() -> Iterator[None]:
    """An agent that is left alone starts its processes again and again."""
    yield
    end_all()
