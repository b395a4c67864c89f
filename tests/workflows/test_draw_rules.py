"""Options of drawing, completed by the generator's own way."""

import pytest

from bdgan_cli.errors import UsageError
from bdgan_cli.interfaces import CodeSampling, Truncation
from bdgan_cli.workflows.draw_rules import DrawOptions, complete, rule_to_json

LATENTS, CODES = Truncation(0.9), CodeSampling(1.0, 600, 0.92)


@pytest.mark.parametrize(
    ("options", "default", "rule"),
    [
        (DrawOptions(), LATENTS, LATENTS),
        (DrawOptions(trunc=0.5), LATENTS, Truncation(0.5)),
        (DrawOptions(trunc=2.0, trunc_mode="threshold"), LATENTS, Truncation(2.0, "threshold")),
        (DrawOptions(), CODES, CODES),
        (DrawOptions(top_k=0), CODES, CodeSampling(1.0, 0, 0.92)),
        (DrawOptions(temperature=0.7, top_p=1.0), CODES, CodeSampling(0.7, 600, 1.0)),
    ],
)
def test_what_is_not_asked_for_is_the_generators_own(options, default, rule):
    assert complete(options, default, "gen") == rule


@pytest.mark.parametrize(
    ("options", "default", "message"),
    [
        (DrawOptions(trunc=0.9), CODES, "--trunc: gen draws codes"),
        (DrawOptions(trunc_mode="scale"), CODES, "--trunc-mode: gen draws codes"),
        (DrawOptions(top_k=5), LATENTS, "--top-k: gen draws latents"),
        (DrawOptions(temperature=1.0), LATENTS, "--temperature: gen draws latents"),
        (DrawOptions(trunc=0.0), LATENTS, "truncation 0.0, expected"),
        (DrawOptions(trunc_mode="resample"), LATENTS, "truncation mode 'resample'"),
        (DrawOptions(top_p=0.0), CODES, "top-p 0.0, expected"),
    ],
)
def test_options_of_the_other_kind_and_wrong_numbers_are_refused(options, default, message):
    with pytest.raises(UsageError) as caught:
        complete(options, default, "gen")
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_rules_are_recorded_by_their_own_names():
    assert rule_to_json(LATENTS) == {"truncation": 0.9, "truncation_mode": "scale"}
    assert rule_to_json(CODES) == {"temperature": 1.0, "top_k": 600, "top_p": 0.92}
