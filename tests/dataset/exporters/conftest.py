"""The card's preview takes most of an import's time, and nothing here looks at it."""

from __future__ import annotations

import pytest

from bdgan_cli.dataset import writer


@pytest.fixture(autouse=True)
def _no_cards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(writer, "write_card", lambda root: None)
