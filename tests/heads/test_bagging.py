import numpy as np
import pytest
import torch

from bdgan_cli.heads.bagging import bag_counts, out_of_bag_labels

CLASS_IDS = np.array([0, 0, 0, 4, 4, 7, 0, 4, 7, 9])


def test_every_bag_draws_each_class_as_often_as_it_occurs():
    counts = bag_counts(CLASS_IDS, range(20), seed=1).numpy()
    for class_id in np.unique(CLASS_IDS):
        assert (counts[:, class_id == CLASS_IDS].sum(1) == (class_id == CLASS_IDS).sum()).all()
    assert (counts[:, CLASS_IDS == 9] == 1).all()
    assert (counts == 0).any()


def test_a_bag_depends_on_seed_and_member_alone():
    counts = bag_counts(CLASS_IDS, range(6), seed=1)
    assert torch.equal(bag_counts(CLASS_IDS, [5], seed=1)[0], counts[5])
    assert not torch.equal(counts[4], counts[5])
    assert not torch.equal(bag_counts(CLASS_IDS, [5], seed=2)[0], counts[5])


def test_a_bag_leaves_out_as_many_as_a_bootstrap_does():
    counts = bag_counts(np.zeros(100, np.int64), range(50), seed=0)
    assert (counts == 0).float().mean().item() == pytest.approx(np.exp(-1), abs=0.02)


def test_out_of_bag_labels_are_the_vote_of_those_who_did_not_see():
    stream = np.random.default_rng(0)
    logits = stream.normal(size=(4, 3, 1, 5, 5)).astype(np.float32) * 3
    counts = np.array([[0, 1, 2], [1, 0, 1], [2, 0, 1], [0, 3, 0]], np.float32)
    labels = out_of_bag_labels(torch.from_numpy(logits), torch.from_numpy(counts)).numpy()
    for sample, judges in enumerate([[0, 3], [1, 2], [3]]):
        expected = (1 / (1 + np.exp(-logits[judges, sample, 0]))).mean(0) > 0.5
        assert np.array_equal(labels[sample], expected)
