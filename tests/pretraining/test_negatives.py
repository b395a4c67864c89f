import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from bdgan_cli.pretraining.negatives import Negatives


def keys(first, count, dim=2):
    return torch.arange(first, first + count, dtype=torch.float32)[:, None].expand(-1, dim)


@given(st.integers(1, 12), st.lists(st.integers(1, 9), min_size=1, max_size=12))
def test_it_holds_the_last_keys_in_order(count, batches):
    queue, seen = Negatives(count, 2, 0), [row[0] for row in Negatives(count, 2, 0).keys_QD.tolist()]
    place = queue.keys_QD.data_ptr()
    number = 100
    for batch in batches:
        queue.push(keys(number, batch))
        seen += range(number, number + batch)
        number += batch
        assert queue.ordered()[:, 0].tolist() == pytest.approx(seen[-count:])
    assert queue.keys_QD.data_ptr() == place  # written in place


def test_it_begins_with_random_directions():
    first = Negatives(64, 16, 3).keys_QD
    assert torch.allclose(first.norm(dim=1), torch.ones(64))
    assert torch.equal(first, Negatives(64, 16, 3).keys_QD)
    assert not torch.equal(first, Negatives(64, 16, 4).keys_QD)


def test_a_restored_queue_goes_on_where_it_was():
    one, other = Negatives(7, 2, 0), Negatives(7, 2, 9)
    one.push(keys(0, 5))
    other.set_state(**{name: value.clone() for name, value in one.state_dict().items()})
    for queue in (one, other):
        queue.push(keys(50, 4))
    assert torch.equal(one.keys_QD, other.keys_QD)
    assert torch.equal(one.ordered(), other.ordered())


def test_the_papers_two_queues_take_less_than_100_mb():
    queue = Negatives(65536, 128, 0)
    assert 2 * sum(buffer.numel() * buffer.itemsize for buffer in queue.buffers()) < 100e6
