"""The leak check: same pictures, same latents and near-duplicates of test pictures are left out and told."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from bdgan_cli.errors import DataError
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.benchmark import leaks as leaks_module
from bdgan_cli.workflows.benchmark.arms import Arm
from bdgan_cli.workflows.benchmark.leaks import LeakCheck, Leaks, TrainingSets
from bdgan_cli.workflows.benchmark.parts import open_part
from bdgan_cli.workflows.benchmark.study import run_study
from bdgan_cli.workflows.quality_features import Run
from tests.workflows.benchmark.sets import CATS, DOGS, PETS, Notes, cpu, samples, study, write

BOTH = (CATS, DOGS)
RUN = Run(cpu(), Silent(), 0)


def jpeg(image, quality=80):
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return cv2.imdecode(data, cv2.IMREAD_COLOR)


def resized(image, factor=0.9):
    return cv2.resize(image, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)


def mask_like(image):
    mask = np.zeros(image.shape[:2], np.uint8)
    mask[:9] = 1
    return mask


@pytest.fixture
def check(tmp_path):
    def run(spoil):
        """Clean a set of eight samples, one of which ``spoil`` makes of a test sample."""
        test, train = samples(8, classes=BOTH, seed=1), samples(8, classes=BOTH, seed=2)
        train[5] = spoil(train[5], test[2])
        parts = [open_part(write(tmp_path / name, given), PETS) for name, given in (("train", train), ("test", test))]
        rest, leaks = LeakCheck(parts[1], RUN).clean(parts[0])
        return rest, leaks, train, test

    return run


@pytest.mark.parametrize(
    ("spoil", "counts", "what"),
    [
        (lambda mine, other: replace(mine, image=other.image), (1, 0, 0), "same picture"),
        (lambda mine, other: replace(mine, latent=other.latent), (0, 1, 0), "same latent"),
        (lambda mine, other: replace(mine, image=jpeg(other.image)), (0, 0, 1), "near-duplicate"),
        (
            lambda mine, other: replace(mine, image=(i := resized(other.image)), mask=mask_like(i)),
            (0, 0, 1),
            "near-duplicate",
        ),
        (
            lambda mine, other: replace(mine, image=(i := jpeg(resized(other.image, 1.3))), mask=mask_like(i)),
            (0, 0, 1),
            "near-duplicate",
        ),
    ],
    ids=["picture", "latent", "re-encoded", "smaller", "larger and re-encoded"],
)
def test_what_the_test_set_has_too_is_left_out_and_told(check, spoil, counts, what):
    rest, leaks, train, test = check(spoil)
    assert (leaks.pictures, leaks.latents, leaks.near_duplicates) == counts
    assert leaks.count == 1
    assert leaks.listed == ((train[5].key, test[2].key, what),)
    assert rest.dataset.keys() == [key for key in sorted_keys(train) if key != train[5].key]


def sorted_keys(given):
    return [sample.key for sample in sorted(given, key=lambda s: (s.class_id, s.index))]


def test_a_sample_with_the_same_picture_and_latent_counts_once(check):
    _, leaks, *_ = check(lambda mine, other: replace(mine, image=other.image, latent=other.latent))
    assert (leaks.pictures, leaks.near_duplicates) == (1, 0)
    rest, leaks, *_ = check(lambda mine, other: replace(mine, image=other.image, latent=other.latent))
    assert len(rest) == 7


def test_sets_that_share_nothing_stay_whole(check):
    rest, leaks, train, _ = check(lambda mine, _: mine)
    assert leaks == Leaks(0, 0, 0, ())
    assert len(rest) == len(train)


def test_samples_without_latents_share_none(tmp_path):
    """An absent latent is not the same as another absent latent."""
    parts = [
        open_part(write(tmp_path / str(seed), samples(4, classes=BOTH, seed=seed, latents=False)), PETS)
        for seed in (1, 2)
    ]
    assert LeakCheck(parts[0], RUN).clean(parts[1])[1].count == 0


def test_a_set_of_test_pictures_alone_is_an_error(tmp_path):
    given = samples(4, classes=BOTH, seed=1)
    address = write(tmp_path / "test", given)
    other = write(tmp_path / "copy", given[:2])
    with pytest.raises(DataError) as caught:
        LeakCheck(open_part(address, PETS), RUN).clean(open_part(other, PETS))
    assert caught.value.message == f"all 2 samples of {other} are in the test set {address}, too"
    assert "--test" in caught.value.hint


def test_no_more_than_ten_leaks_are_listed_but_all_counted(tmp_path):
    given, own = samples(14, classes=BOTH, seed=1), samples(3, classes=BOTH, seed=2)
    test, train = (
        open_part(write(tmp_path / name, content), PETS) for name, content in (("test", given), ("train", given + own))
    )
    rest, leaks = LeakCheck(test, RUN).clean(train)
    assert (leaks.pictures, len(leaks.listed), len(rest)) == (14, 10, 3)
    assert leaks.to_json()["listed"][0] == list(leaks.listed[0])


def test_a_study_tells_the_leaks_of_every_set_of_an_arm_and_trains_on_the_rest(tmp_path):
    test = samples(6, classes=BOTH, seed=1)
    first, second = samples(5, classes=BOTH, seed=2), samples(6, classes=BOTH, seed=3)
    first[0] = replace(first[0], image=test[0].image)
    second[1], second[2] = replace(second[1], image=jpeg(test[1].image)), replace(second[2], latent=test[2].latent)
    sets = [write(tmp_path / name, given) for name, given in (("first", first), ("second", second))]
    notes = Notes([])
    planned = study(tmp_path / "study", [Arm("both", "", tuple(sets))], write(tmp_path / "test", test))
    (record,), _ = run_study(planned, cpu(), notes, workers=0)
    leaks = record.leaks["real"]
    assert (leaks.pictures, leaks.latents, leaks.near_duplicates) == (1, 1, 1)
    assert {row[0] for row in leaks.listed} == {first[0].key, second[1].key, second[2].key}
    assert record.samples == 5 + 6 - 3
    assert [note for note in notes.texts if "left out" in note] == [
        f"{address}: {count} samples are like pictures of real and are left out"
        for address, count in zip(sets, (1, 2), strict=True)
    ]


def test_a_set_that_arms_share_is_compared_once(monkeypatch):
    opened = []
    monkeypatch.setattr(leaks_module, "open_part", lambda reference, task: opened.append(reference) or reference)
    sets = TrainingSets(PETS, {}, RUN)
    assert sets.open(("a", "b")) == (["a", "b"], {})
    assert sets.open(("b",)) == (["b"], {})
    assert opened == ["a", "b"]
