from __future__ import annotations

import pytest

from bdgan_cli.cli import bars
from bdgan_cli.cli.bars import BarReporter, LineReporter, Meter


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_meter_counts_only_the_work_of_this_run() -> None:
    clock = Clock()
    meter = Meter(total=100, done=40, clock=clock)
    assert (meter.rate, meter.time_text()) == (0.0, "-:-- left")
    clock.now += 10
    meter.done += 20
    assert meter.rate == 2.0
    assert meter.rate_text("steps") == "2 steps/s"
    assert meter.time_text() == "0:20 left"
    clock.now += 3600
    meter.done = 100
    assert meter.time_text() == "took 1:00:10"


@pytest.mark.parametrize(
    ("rate", "text"), [(0.1234, "0.123 images/s"), (123.4, "123 images/s"), (12345, "12,345 images/s")]
)
def test_rates_have_three_digits(rate: float, text: str) -> None:
    clock = Clock()
    meter = Meter(total=10**6, clock=clock)
    clock.now += 100
    meter.done = rate * 100
    assert meter.rate_text("images") == text


def test_lines_come_at_tenths_and_at_the_end(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = Clock()
    monkeypatch.setattr(bars, "Meter", lambda total, done: Meter(total, done, clock))
    with LineReporter().task("training", total=1000, unit="steps") as task:
        for step in range(1000):
            clock.now += 0.1
            task.advance(loss=1 / (step + 1))
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[0] == "training: 100/1000 steps, 10 steps/s, 1:30 left, loss 0.01"
    assert lines[-1] == "training: 1000/1000 steps, 10 steps/s, took 1:40, loss 0.001"


def test_a_quick_task_writes_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    with LineReporter().task("checking", total=5, unit="shards") as task:
        for _ in range(5):
            task.advance()
    assert len(capsys.readouterr().err.splitlines()) == 1


def test_a_figure_told_now_and_then_stays(capsys: pytest.CaptureFixture[str]) -> None:
    with LineReporter().task("training", total=2, unit="steps") as task:
        task.advance(loss=1.0, iou=0.5)
        task.advance(loss=0.25)
    assert capsys.readouterr().err.endswith(", loss 0.25  iou 0.5\n")


def test_notes_go_to_stderr_as_they_are(capsys: pytest.CaptureFixture[str]) -> None:
    for reporter in (LineReporter(), BarReporter()):
        reporter.note("head: [newest] heads/a")
    captured = capsys.readouterr()
    assert captured.err == "head: [newest] heads/a\n" * 2
    assert captured.out == ""


def test_bars_may_be_opened_inside_one_another(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    monkeypatch.setenv("FORCE_COLOR", "1")
    reporter = BarReporter()
    with reporter.task("outer", total=2, unit="classes") as outer:
        with reporter.task("inner", total=4, unit="images", done=2) as inner:
            inner.advance(2, iou=0.9)
        outer.advance()
    text = capsys.readouterr().err
    assert "1/2 classes" in text
    assert "4/4 images" in text
    assert "iou 0.9" in text
    with reporter.task("again", total=1, unit="files") as task:
        task.advance()
    assert "1/1 files" in capsys.readouterr().err
