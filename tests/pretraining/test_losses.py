import math

import pytest
import torch
from torch.nn import functional

from bdgan_cli.pretraining import losses
from bdgan_cli.pretraining.losses import as_rows, dense_info_nce, info_nce, match_cells, take_cells


def unit(*shape, seed=0, dim=1):
    return functional.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=dim)


def by_hand(queries, positives, negatives, temperature):
    """The definition, one query at a time, in Python numbers of double precision."""
    total = 0.0
    for query, positive in zip(queries.double().tolist(), positives.double().tolist(), strict=True):
        scores = [sum(a * b for a, b in zip(query, key, strict=True)) / temperature for key in negatives.tolist()]
        own = sum(a * b for a, b in zip(query, positive, strict=True)) / temperature
        total += -math.log(math.exp(own) / (math.exp(own) + sum(math.exp(score) for score in scores)))
    return total / len(queries)


@pytest.mark.parametrize("temperature", [0.07, 0.2, 1.0])
def test_info_nce_is_the_definition(temperature):
    queries, positives, negatives = unit(5, 6), unit(5, 6, seed=1), unit(9, 6, seed=2)
    found = info_nce(queries, positives, negatives, temperature)
    assert found.item() == pytest.approx(by_hand(queries, positives, negatives, temperature), rel=1e-5)


@pytest.mark.parametrize("logits_at_once", [1, 20, 1 << 20])
def test_loss_and_gradient_equal_cross_entropy_however_it_is_cut(monkeypatch, logits_at_once):
    monkeypatch.setattr(losses, "_LOGITS_AT_ONCE", logits_at_once)
    positives, negatives = unit(7, 4, seed=1), unit(10, 4, seed=2)
    ours, theirs = (unit(7, 4).requires_grad_() for _ in range(2))
    info_nce(ours, positives, negatives, 0.2).backward()
    logits = torch.cat([(theirs * positives).sum(1, keepdim=True), theirs @ negatives.T], 1) / 0.2
    expected = functional.cross_entropy(logits, torch.zeros(7, dtype=torch.int64))
    expected.backward()
    torch.testing.assert_close(info_nce(ours, positives, negatives, 0.2), expected, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-4, atol=1e-6)


def test_gradients_of_the_numbers():
    torch.set_default_dtype(torch.float64)
    try:
        queries = unit(3, 4).requires_grad_()
        assert torch.autograd.gradcheck(lambda q: losses._LogSumExp.apply(q, unit(6, 4, seed=1), 0.3), (queries,))
    finally:
        torch.set_default_dtype(torch.float32)


def test_keys_get_no_gradient():
    queries, positives = unit(3, 4).requires_grad_(), unit(3, 4, seed=1).requires_grad_()
    info_nce(queries, positives, unit(5, 4, seed=2), 0.2).backward()
    assert queries.grad is not None
    assert positives.grad is None


def test_the_dense_loss_is_the_mean_over_the_cells_of_all_pictures():
    queries, positives, negatives = unit(2, 4, 3), unit(2, 4, 3, seed=1), unit(5, 4, seed=2)
    each = [
        by_hand(queries[n, :, s][None], positives[n, :, s][None], negatives, 0.2) for n in range(2) for s in range(3)
    ]
    assert dense_info_nce(queries, positives, negatives, 0.2).item() == pytest.approx(sum(each) / 6, rel=1e-5)
    assert torch.equal(as_rows(queries)[4], queries[1, :, 1])


def test_a_perfect_match_costs_nothing_and_an_unlearned_one_the_logarithm_of_the_choices():
    query = torch.eye(8)[:1]
    assert info_nce(query, query, -query.expand(4, -1), 0.02).item() == pytest.approx(0, abs=1e-6)
    assert info_nce(query, torch.eye(8)[1:2], torch.eye(8)[2:7], 0.2).item() == pytest.approx(math.log(6))


def test_cells_are_matched_by_the_cosine_of_backbone_features():
    query, key = torch.randn(2, 5, 4), torch.randn(2, 5, 6)
    cells = match_cells(query, key)
    for n in range(2):
        for s in range(4):
            cosines = [functional.cosine_similarity(query[n, :, s], key[n, :, t], dim=0).item() for t in range(6)]
            assert cosines[int(cells[n, s])] == pytest.approx(max(cosines))
    assert torch.equal(match_cells(query, key * 7), cells)  # lengths do not matter


def test_matched_cells_bring_their_projections():
    values, cells = torch.arange(24.0).view(2, 3, 4), torch.tensor([[3, 0], [1, 1]])
    taken = take_cells(values, cells)
    assert taken.shape == (2, 3, 2)
    assert torch.equal(taken[0, :, 0], values[0, :, 3])
    assert torch.equal(taken[1, :, 1], values[1, :, 1])


def test_a_shifted_view_is_matched_to_where_it_came_from():
    features = torch.randn(1, 16, 9)
    order = torch.randperm(9)
    assert torch.equal(match_cells(features[:, :, order], features)[0], order)
