from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest

from bdgan_cli.cli import terminal
from bdgan_cli.cli.bars import BarReporter, LineReporter
from bdgan_cli.progress import Silent


def test_json_starts_with_the_schema_version_and_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.emit_json(
        {
            "iou": float("nan"),
            "risk": [float("inf"), 0.5],
            "path": Path("a") / "b",
            "per_class": {3: np.float32(0.25), "all": np.array([1, 2])},
        }
    )
    text = capsys.readouterr().out
    assert list(json.loads(text)) == ["schema_version", "iou", "risk", "path", "per_class"]
    assert json.loads(text) == {
        "schema_version": 1,
        "iou": None,
        "risk": [None, 0.5],
        "path": "a/b",
        "per_class": {"3": 0.25, "all": [1, 2]},
    }


def test_plain_table_is_aligned_and_never_cut(capsys: pytest.CaptureFixture[str]) -> None:
    long = "x" * 300
    terminal.table("Classes", ["name", "iou"], [["disc", 0.98765], [long, None]])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "Classes"
    assert lines[2] == f"{'disc':<300}  0.9877"
    assert lines[3] == f"{long}       -"


def test_a_table_without_rows_shows_its_headings(capsys: pytest.CaptureFixture[str]) -> None:
    terminal.table("", ["name", "iou"], [])
    assert capsys.readouterr().out == "name  iou\n"


def test_a_terminal_gets_a_drawn_table(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminal, "_draws", lambda stream: True)
    terminal.table("Heads", ["name", "members"], [["[bold]a", 16]])
    text = capsys.readouterr().out
    assert "─" in text
    assert "[bold]a" in text


@pytest.mark.parametrize(
    ("is_terminal", "term", "quiet", "expected"),
    [
        (True, "xterm", False, BarReporter),
        (True, "dumb", False, LineReporter),
        (False, "xterm", False, LineReporter),
        (True, "xterm", True, Silent),
    ],
)
def test_the_reporter_suits_stderr(
    monkeypatch: pytest.MonkeyPatch, is_terminal: bool, term: str, quiet: bool, expected: type
) -> None:
    monkeypatch.setenv("TERM", term)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: is_terminal)
    assert isinstance(terminal.reporter(quiet), expected)
