import numpy as np
import pytest

from bdgan_cli.filtering.rejection import candidates_per_batch, keep_most_confident
from bdgan_cli.filtering.rules import Verdict, above, below, first_reasons, most_uncertain


def test_the_most_uncertain_share_of_each_group_goes_and_the_most_certain_stay():
    values = np.array([0.1, 0.9, 0.5, 0.2, 5.0, 4.0, 3.0, 2.0])
    groups = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert most_uncertain(values, groups, 0.25).tolist() == [False, True, False, False, True, False, False, False]
    assert most_uncertain(values, np.zeros(8, np.int64), 0.25).tolist() == [False] * 4 + [True, True, False, False]


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.1, 10), (0.004, 0), (0.005, 1), (1.0, 100)])
def test_the_share_is_rounded_to_the_nearest_count(share, count):
    values = np.random.default_rng(0).random(100)
    assert most_uncertain(values, np.zeros(100, np.int64), share).sum() == count


def test_ties_go_in_favour_of_the_earlier_sample():
    assert most_uncertain(np.ones(4), np.zeros(4, np.int64), 0.5).tolist() == [False, False, True, True]


def test_nan_is_outside_every_limit():
    values = np.array([1.0, np.nan, 3.0])
    assert below(values, 2).tolist() == [True, True, False]
    assert above(values, 2).tolist() == [False, True, True]


def test_a_sample_is_dropped_by_the_first_rule_that_says_so():
    first = Verdict("area", np.array([True, False, False]), np.array([1.0, 2.0, 3.0]))
    second = Verdict("uncertain", np.array([True, True, False]), np.array([0.7, 0.8, 0.1]))
    kept, reasons, values = first_reasons([first, second], 3)
    assert kept.tolist() == [False, False, True]
    assert reasons == ["area", "uncertain", ""]
    np.testing.assert_array_equal(values, [1.0, 0.8, np.nan])


@pytest.mark.parametrize(("batch", "rate", "drawn"), [(10, 0.0, 10), (10, 0.9, 100), (25, 0.5, 50), (3, 0.7, 10)])
def test_enough_candidates_are_drawn(batch, rate, drawn):
    assert candidates_per_batch(batch, rate) == drawn


def test_the_most_confident_are_kept_in_their_order():
    assert keep_most_confident(np.array([0.2, 0.9, 0.9, 0.1, 0.5], np.float32), 3).tolist() == [1, 2, 4]
