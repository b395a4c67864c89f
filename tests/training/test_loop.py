"""The loop: figures, checkpoints and stops."""

import errno
import os
import signal
import threading

import pytest
from tensorboard.summary.writer.record_writer import RecordWriter

from bdgan_cli.progress import Silent
from bdgan_cli.training.loop import Course, run_steps


class Counting:
    """A training that counts, and is interrupted before a step's end or between steps."""

    def __init__(self, step=0):
        self.step, self.busy, self.saved, self.judged = step, False, [], []

    def advance(self):
        self.step += 1
        return {"loss": float(self.step)}

    def course(self, folder):
        return Course("counting", folder, self.save, self.judge)

    def save(self):
        self.saved.append(self.step)

    def judge(self):
        self.judged.append(self.step)
        return {"score": 1.0}


def test_figures_are_means_of_the_last_steps(tmp_path):
    trainer = Counting()
    assert run_steps(trainer, 40, trainer.advance, trainer.course(tmp_path), Silent()) == {
        "loss": sum(range(21, 41)) / 20
    }


def test_ten_checkpoints_on_the_way_and_none_at_the_end(tmp_path):
    trainer = Counting()
    run_steps(trainer, 50, trainer.advance, trainer.course(tmp_path), Silent())
    assert trainer.saved == trainer.judged == [5, 10, 15, 20, 25, 30, 35, 40, 45]


def test_nothing_is_done_where_nothing_is_left(tmp_path):
    trainer = Counting(step=7)
    assert run_steps(trainer, 7, trainer.advance, trainer.course(tmp_path), Silent()) == {}
    assert trainer.saved == []


def test_figures_reach_back_beyond_the_checkpoint_that_a_training_goes_on_from(tmp_path):
    whole, cut = Counting(), Counting()
    expected = run_steps(whole, 30, whole.advance, whole.course(tmp_path), Silent())
    course = cut.course(tmp_path)
    run_steps(cut, 17, cut.advance, course, Silent())
    kept = Course("counting", tmp_path, cut.save, recent=list(course.recent))
    assert run_steps(cut, 30, cut.advance, kept, Silent()) == expected
    assert run_steps(cut, 30, cut.advance, kept, Silent()) == expected, "no step was left"


def test_an_interrupt_leaves_a_checkpoint_of_whole_steps(tmp_path):
    trainer = Counting()

    def advance():
        figures = trainer.advance()
        if trainer.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return figures

    with pytest.raises(KeyboardInterrupt):
        run_steps(trainer, 100, advance, trainer.course(tmp_path), Silent())
    assert trainer.saved == [3]


def test_a_half_made_step_is_not_saved(tmp_path):
    trainer = Counting()

    def advance():
        trainer.busy = True
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_steps(trainer, 100, advance, trainer.course(tmp_path), Silent())
    assert trainer.saved == []


def test_the_log_has_every_step(tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    trainer = Counting()
    run_steps(trainer, 12, trainer.advance, trainer.course(tmp_path), Silent())
    log = EventAccumulator(str(tmp_path / "logs")).Reload()
    assert [(event.step, event.value) for event in log.Scalars("loss")] == [(s, s) for s in range(1, 13)]


@pytest.mark.parametrize(("refusal", "told"), [(OSError(errno.ENOSPC, "full"), False), (ValueError("odd"), True)])
def test_what_the_logs_thread_is_refused_is_told_once(tmp_path, monkeypatch, refusal, told):
    heard = []

    def refuse(self, data):
        raise refusal

    monkeypatch.setattr(RecordWriter, "write", refuse)
    monkeypatch.setattr(threading, "excepthook", lambda died: heard.append(died.exc_value))
    trainer = Counting()
    with pytest.raises(type(refusal), match=str(refusal.args[-1])):
        run_steps(trainer, 400, trainer.advance, trainer.course(tmp_path), Silent())
    assert heard == ([refusal] if told else [])
