"""The order of samples: whole epochs, equal whatever the process or the stop."""

from collections import Counter

import numpy as np
import pytest

from bdgan_cli.errors import UsageError
from bdgan_cli.training.order import batch_rows, own_part, step_seed, steps_of, visits


@pytest.mark.parametrize(("samples", "batch"), [(10, 4), (8, 8), (3, 8), (1, 5)])
def test_batches_are_windows_of_shuffled_epochs(samples, batch):
    stream = np.concatenate([batch_rows(samples, batch, step, seed=2) for step in range(3 * samples)])
    assert len(stream) == 3 * samples * batch
    for epoch in stream.reshape(-1, samples):
        assert Counter(epoch.tolist()) == Counter(range(samples))


def test_a_visit_knows_its_epoch():
    seen = [visit for step in range(5) for visit in visits(3, 2, step, seed=0)]
    assert [visit.epoch for visit in seen] == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3]
    assert len({tuple(visit.row for visit in seen[i : i + 3]) for i in (0, 3, 6)}) > 1


@pytest.mark.parametrize(
    ("samples", "batch", "epochs", "steps"), [(10, 5, 2, 4), (10, 4, 1, 3), (3, 8, 8, 3), (1, 1, 7, 7)]
)
def test_steps_visit_every_sample_in_every_epoch(samples, batch, epochs, steps):
    assert steps_of(samples, batch, epochs) == steps
    rows = [visit for step in range(steps) for visit in visits(samples, batch, step, seed=0) if visit.epoch < epochs]
    assert Counter(row.row for row in rows) == dict.fromkeys(range(samples), epochs)


def test_processes_divide_a_batch():
    whole = list(range(12))
    assert [item for rank in range(3) for item in whole[own_part(12, rank, 3)]] == whole
    with pytest.raises(UsageError, match="batch 10 cannot be divided among 3") as caught:
        own_part(10, 0, 3)
    assert caught.value.hint == "use --batch 9"


def test_step_seeds_differ_by_everything_that_they_are_made_of():
    assert len({step_seed(*words) for words in [(0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)]}) == 4
    assert step_seed(5, 6, 7) == step_seed(5, 6, 7)
