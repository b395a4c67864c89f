import pytest

from tests.helpers import save_random_head


@pytest.fixture
def workspace(tmp_path):
    """A workspace with an untrained ensemble for the embedded generator."""
    save_random_head(tmp_path)
    return tmp_path
