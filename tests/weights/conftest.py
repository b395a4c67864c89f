"""A cache of its own and a small card for the tests of weights."""

import pytest

from tests.weights import toy


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """Use an empty cache."""
    monkeypatch.setenv("BDGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def cards(tmp_path, monkeypatch):
    """Use an empty cache and the small card beside the built-in ones; returns the folder of cards."""
    return toy.use_cards(tmp_path, monkeypatch)
