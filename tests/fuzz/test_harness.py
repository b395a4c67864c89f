"""The harness itself: it must see crashes, hangs, memory, foreign errors and lies, or all other tests prove nothing."""

from __future__ import annotations

import random

import pytest

from tests.fuzz import readers_faulty
from tests.fuzz.harness import Pool
from tests.fuzz.mutators import MOST_BYTES, mutate
from tests.fuzz.reader import make_input
from tests.fuzz.registry import READERS

GOOD = bytes(range(256)) + b'{"a": 12, "b": [1.5, -3]}'


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("crash", "the worker died of signal SIGSEGV"),
        pytest.param("exit", "the worker died of exit code 3", marks=pytest.mark.slow),
        ("loop", "TooLong"),
        ("memory", "MemoryError"),
        ("much memory", "MB of memory"),
        ("foreign error", "KeyError"),
        ("wrong result", "AssertionError"),
        ("no file named", "the message names no file"),
        ("warning", "UserWarning"),
    ],
)
def test_what_is_a_failure(pool: Pool, fault: str, told: str) -> None:
    verdict = pool.judge("faulty", {"a": fault.encode()})
    assert verdict.kind == "failed"
    assert told in verdict.told
    assert pool.judge("faulty", {"a": b"fine"}).kind == "accepted", "the next worker goes on"
    assert pool.judge("faulty", {"a": b"refused"}).kind == "refused"


def test_failures_tell_how_to_see_them_again(pool: Pool) -> None:
    tally = pool.run("faulty", range(40))
    assert tally.counts["failed"] > 0
    told = next(iter(tally.failures.values()))
    assert "python -m tests.fuzz 'faulty' --seed" in told
    seed = int(told.partition("--seed ")[2].split()[0])
    assert pool.judge("faulty", seed).kind == "failed"


def test_a_seed_names_an_input() -> None:
    reader = readers_faulty.READERS[0]
    inputs = [make_input(reader, reader.seeds(), seed) for seed in range(200)]
    assert [make_input(reader, reader.seeds(), seed) for seed in range(200)] == inputs
    assert len({made.files["a"] for made in inputs}) > 150


def test_mutations_reach_every_kind_of_damage() -> None:
    broken = [mutate(GOOD, [b"other" * 9], [b"token"], random.Random(seed)) for seed in range(2000)]
    done = {step.partition("@")[0] for one in broken for step in one.trace}
    assert len(done) == 11
    assert {one.data == GOOD for one in broken} == {True, False}
    assert sum(one.data == GOOD for one in broken) < 100
    assert any(b"token" in one.data for one in broken)
    assert any(b"1e999" in one.data for one in broken)
    assert max(len(one.data) for one in broken) <= max(MOST_BYTES, 2 * len(GOOD))


def test_there_is_a_reader_for_everything_that_comes_from_outside() -> None:
    assert len(READERS) > 50
