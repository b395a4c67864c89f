"""What is fed depends on seed and step alone, whoever loads it; errors come out as they went in."""

import time

import numpy as np
import pytest
import torch

from bdgan_cli.errors import DataError
from bdgan_cli.runtime import Runtime
from bdgan_cli.training.feeder import Feeder, FeedPlan
from bdgan_cli.training.order import visits

CPU = torch.device("cpu")


class Numbers:
    """Ten samples; each is its visit, with noise that depends on the visit."""

    def __init__(self, broken=None, seconds=0.0):
        self.broken, self.seconds = broken, seconds

    def __len__(self):
        return 10

    def load(self, visit):
        if visit.row == self.broken:
            raise DataError("row is broken", "mend it")
        time.sleep(self.seconds)
        noise = np.random.default_rng((visit.epoch, visit.row)).random(2, np.float32)
        return {"visit": torch.tensor(visit), "noise": noise}


def fed(workers=0, first=0, runtime=None, batch=4, steps=6):
    feeder = Feeder(Numbers(), FeedPlan(batch, steps, seed=3, first=first), runtime or Runtime(CPU), workers)
    return list(feeder)


def test_batches_come_in_the_order_of_the_steps():
    assert [[tuple(v) for v in batch["visit"].tolist()] for batch in fed()] == [visits(10, 4, s, 3) for s in range(6)]


def same(ours, theirs):
    assert len(ours) == len(theirs)
    for a, b in zip(ours, theirs, strict=True):
        assert all(torch.equal(a[name], b[name]) for name in a)


def test_workers_and_stops_change_nothing():
    whole = fed()
    same(fed(workers=2), whole)
    same(fed(first=4), whole[4:])


def test_processes_get_the_parts_of_the_same_batch():
    parts = [fed(runtime=Runtime(CPU, rank, 2)) for rank in range(2)]
    joined = [{name: torch.cat([a[name], b[name]]) for name in a} for a, b in zip(*parts, strict=True)]
    same(joined, fed())


@pytest.mark.parametrize("workers", [0, 1])
def test_an_error_of_the_source_keeps_its_words(workers):
    with pytest.raises(DataError) as caught:
        list(Feeder(Numbers(broken=5), FeedPlan(10, 1, 0), Runtime(CPU), workers))
    assert (caught.value.message, caught.value.hint) == ("row is broken", "mend it")


def test_waiting_is_what_loading_takes():
    slow = Feeder(Numbers(seconds=0.005), FeedPlan(1, 4, 0), Runtime(CPU))
    for _ in slow:
        pass
    assert slow.waiting_share > 0.9
    quick = Feeder(Numbers(), FeedPlan(1, 4, 0), Runtime(CPU))
    for _ in quick:
        time.sleep(0.02)
    assert quick.waiting_share < 0.5


def test_the_global_stream_of_random_numbers_is_left_alone():
    torch.manual_seed(0)
    expected = torch.rand(1)
    torch.manual_seed(0)
    fed(workers=1)
    assert torch.equal(torch.rand(1), expected)
