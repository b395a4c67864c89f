import pytest

from bdgan_cli.errors import UsageError
from bdgan_cli.heads.presets import TrainingConfig, find_preset


def test_the_papers_numbers():
    name, config = find_preset(None, 512)
    assert (name, config.steps, config.batch) == ("paper", 5000, 8)
    assert {config.rate_at(step) for step in (0, 1, 4999)} == {1e-3}


def test_small_pictures_have_their_own_preset():
    assert find_preset(None, 64)[0] == "tiny"
    assert find_preset("paper", 64)[0] == "paper"


def test_cosine_rises_and_falls():
    config = TrainingConfig(100, 8, 1e-2, "cosine", warmup=10)
    rates = [config.rate_at(step) for step in range(100)]
    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak])
    assert rates[peak:] == sorted(rates[peak:], reverse=True)
    assert 0 < rates[0] <= 1e-3
    assert rates[-1] < 1e-5


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"steps": 0}, "at least 1"),
        ({"batch": 0}, "at least 1"),
        ({"learning_rate": 0.0}, "positive"),
        ({"learning_rate": float("nan")}, "positive"),
        ({"schedule": "linear"}, "constant, cosine"),
    ],
)
def test_impossible_numbers_are_refused(changes, message):
    with pytest.raises(UsageError, match=message):
        TrainingConfig(**{"steps": 1, "batch": 1, "learning_rate": 1e-3, **changes})


def test_unknown_preset():
    with pytest.raises(UsageError, match="papre") as caught:
        find_preset("papre", 64)
    assert "paper" in caught.value.hint
