"""Which generator and classifier a sampling run takes."""

import os

import pytest

from bdgan_cli.errors import MissingError, UsageError
from bdgan_cli.heads.files import HeadCard, save_head
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.model_choice import choose_classifier, choose_generator
from tests.heads.toy import SIZE, SPEC


def add_head(workspace, name, generator, age):
    folder = workspace / "heads" / name
    card = HeadCard(
        name=name, arch="multilevel", generator=generator, generator_sha256="0" * 64, spec=SPEC, image_size=SIZE,
        labels=1, members=(0,), seed=0,
    )  # fmt: skip
    save_head(folder, card, card.build())
    os.utime(folder / "head.json", ns=(age, age))


@pytest.mark.parametrize(
    ("heads", "asked", "chosen"),
    [
        ([], None, "biggan-deep-512"),
        (["biggan-512"], None, "biggan-512"),
        (["biggan-512", "biggan-deep-256"], None, "biggan-deep-256"),  # the newest
        (["biggan-512", "tiny-biggan"], None, "biggan-512"),
        (["biggan-512", "biggan-deep-256"], "h0", "biggan-512"),
        (["tiny-biggan"], "h0", "biggan-deep-512"),  # not of the family: the head is refused later, by name
    ],
)
def test_a_family_means_the_generator_of_the_head_at_hand(tmp_path, heads, asked, chosen):
    for number, generator in enumerate(heads):
        add_head(tmp_path, f"h{number}", generator, 10**9 * (number + 1))
    assert choose_generator("biggan", tmp_path, asked, Silent()) == chosen


@pytest.mark.parametrize("name", ["tiny-biggan", "biggan-512", "no-such-model"])
def test_a_generators_own_name_stays(tmp_path, name):
    add_head(tmp_path, "h", "biggan-deep-256", 10**9)
    assert choose_generator(name, tmp_path, None, Silent()) == name


def test_a_head_that_does_not_exist_is_missing(tmp_path):
    with pytest.raises(MissingError, match="no head 'best'"):
        choose_generator("biggan", tmp_path, "best", Silent())


@pytest.mark.parametrize(
    ("asked", "generator", "chosen"),
    [
        ("auto", "tiny-biggan", "tiny-classifier"),
        ("auto", "tiny-vqgan", "tiny-classifier"),
        ("auto", "biggan-512", ""),
        ("none", "tiny-biggan", ""),
        ("tiny-classifier", "tiny-biggan", "tiny-classifier"),
    ],
)
def test_the_classifier_is_that_of_the_domain(asked, generator, chosen):
    assert choose_classifier(asked, generator) == chosen


@pytest.mark.parametrize(
    ("asked", "generator", "kind"),
    [
        ("tiny-segmenter", "tiny-biggan", UsageError),
        ("no-such", "tiny-biggan", MissingError),
        ("tiny-classifier", "biggan-512", UsageError),
    ],
)
def test_what_is_no_classifier_of_these_pictures_is_refused(asked, generator, kind):
    with pytest.raises(kind):
        choose_classifier(asked, generator)
