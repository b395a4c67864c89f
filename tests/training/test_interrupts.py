"""Ctrl-C waits for the end of a step, a second one does not, and several processes stop together."""

import os
import signal

import pytest

from bdgan_cli.training.interrupts import held_interrupts


def test_an_interrupt_waits_for_the_end_of_the_step():
    seen = []

    def steps():
        with held_interrupts() as held:
            os.kill(os.getpid(), signal.SIGINT)
            seen.append("step completed")
            assert held.agreed(None)
            held.release()
            seen.append("never")

    with pytest.raises(KeyboardInterrupt):
        steps()
    assert seen == ["step completed"]
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_second_interrupt_does_not_wait():
    def steps():
        with held_interrupts():
            os.kill(os.getpid(), signal.SIGINT)
            os.kill(os.getpid(), signal.SIGINT)
            pytest.fail("not reached")

    with pytest.raises(KeyboardInterrupt):
        steps()
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_without_a_signal_nothing_waits():
    with held_interrupts() as held:
        assert not held.agreed(None)


def test_a_process_stops_for_a_signal_that_another_one_got():
    with pytest.raises(KeyboardInterrupt), held_interrupts() as held:
        held.release()
