import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bdgan_cli.evaluation.ranking import auroc, risk_coverage

rows = st.lists(st.tuples(st.integers(0, 5), st.booleans(), st.floats(0, 1)), min_size=1, max_size=30)


@settings(deadline=None)
@given(rows)
def test_auroc_is_the_share_of_pairs_in_order(rows):
    scores, bad = np.array([r[0] for r in rows]), np.array([r[1] for r in rows])
    pairs = [(b, g) for b in scores[bad] for g in scores[~bad]]
    expected = np.mean([(b > g) + 0.5 * (b == g) for b, g in pairs]) if pairs else None
    assert auroc(scores, bad) == (None if expected is None else pytest.approx(expected))


@settings(deadline=None)
@given(rows)
def test_auroc_is_mirrored_and_keeps_under_a_rising_map(rows):
    scores, bad = np.array([r[0] for r in rows], float), np.array([r[1] for r in rows])
    area = auroc(scores, bad)
    if area is not None:
        assert auroc(-scores, bad) == pytest.approx(1 - area)
        assert auroc(np.exp(scores), bad) == pytest.approx(area)


@settings(deadline=None)
@given(rows)
def test_risk_is_the_mean_defect_of_the_most_certain(rows):
    scores, quality = np.array([r[0] for r in rows]), np.array([r[2] for r in rows])
    curve = risk_coverage(scores, quality)
    smoothed = np.array([quality[scores == s].mean() for s in scores])
    order = np.argsort(scores, kind="stable")
    expected = [1 - smoothed[order[: k + 1]].mean() for k in range(len(rows))]
    np.testing.assert_allclose(curve.risk, expected, atol=1e-12)
    np.testing.assert_allclose(curve.coverage, np.arange(1, len(rows) + 1) / len(rows))
    assert curve.area == pytest.approx(np.mean(expected))
    shuffled = np.random.default_rng(0).permutation(len(rows))
    np.testing.assert_allclose(risk_coverage(scores[shuffled], quality[shuffled]).risk, curve.risk, atol=1e-12)


def test_a_perfect_score_has_the_least_area():
    quality = np.linspace(0, 1, 50)
    stream = np.random.default_rng(0)
    best = risk_coverage(-quality, quality).area
    assert all(best < risk_coverage(stream.permutation(50), quality).area < 0.9 for _ in range(5))


@pytest.mark.parametrize("scores", [[0.0, np.nan], [0.0], [[0.0, 1.0]]])
def test_bad_scores_are_refused(scores):
    with pytest.raises(ValueError, match="expected"):
        auroc(np.array(scores), np.array([True, False]))
    with pytest.raises(ValueError, match="expected"):
        risk_coverage(np.array(scores), np.array([0.5, 0.5]))


def test_no_samples_have_no_curve():
    with pytest.raises(ValueError, match="at least one"):
        risk_coverage(np.array([]), np.array([]))
