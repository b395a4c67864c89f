"""The released annotations: pairing by name, and every odd file named."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from bdgan_cli.dataset.importers.bigdatasetgan import (
    ReleaseSurvey,
    read_mask,
    read_picture,
    read_sample,
    survey_release,
)
from bdgan_cli.dataset.importers.release_layout import real_list_entries
from bdgan_cli.errors import DataError, MissingError
from bdgan_cli.progress import Silent
from tests.dataset.release import (
    CHIHUAHUA,
    SIZE,
    TENCH,
    add_sample,
    latent_of,
    mask_of,
    picture_of,
    write_latent,
    write_picture,
    write_release,
)

MASKS, LATENTS, IMAGES = "annotations/biggan512", "latents/biggan512", "images/biggan512"


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_release(tmp_path / "data")


def survey(root: Path) -> ReleaseSurvey:
    return survey_release(root, SIZE, Silent())


def test_a_release_is_read(release: Path) -> None:
    found = survey(release)
    assert found.faults == []
    assert [item.key for item in found.items] == [
        f"{TENCH}_sample_0_10", f"{TENCH}_sample_0_9", f"{CHIHUAHUA}_151_3",
    ]  # fmt: skip
    assert [item.number for item in found.items] == [10, 9, 3]
    assert [(entry.id, entry.name) for entry in found.classes] == [(0, "tench"), (151, "Chihuahua")]
    assert found.per_class == {0: 2, 151: 1}
    assert found.pictures_missing == 0


def test_each_mask_meets_its_own_latent_and_picture(release: Path) -> None:
    # By sorted position "0_10" comes before "0_9" in one folder; an extra mask shifts all that follow.
    (release / MASKS / TENCH / "sample_0_1.png").write_bytes((release / MASKS / TENCH / "sample_0_9.png").read_bytes())
    for item, number in zip(survey(release).items, (2, 1, 3), strict=True):
        sample = read_sample(release, item, SIZE)
        np.testing.assert_array_equal(sample.mask, mask_of(number) > 0)
        np.testing.assert_array_equal(sample.latent, latent_of(number)[0])
        assert sample.picture is not None
        np.testing.assert_array_equal(sample.picture.pixels, picture_of(number))


def test_pictures_may_be_missing(tmp_path: Path) -> None:
    release = write_release(tmp_path, pictures=False)
    add_sample(release, TENCH, "more_0_1", 4, picture=True)
    found = survey(release)
    assert (found.faults, found.pictures_missing) == ([], 3)
    assert read_sample(release, found.items[0], SIZE).picture is not None


@pytest.mark.parametrize("shape", [(1, 128), (128,)])
@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
def test_latents_become_float32_vectors(release: Path, shape: tuple[int, ...], kind: type[np.floating]) -> None:
    write_latent(release / LATENTS / TENCH / "sample_0_9.npy", latent_of(5).reshape(shape).astype(kind))
    sample = read_sample(release, survey(release).items[1], SIZE)
    assert (sample.latent.shape, sample.latent.dtype) == ((128,), np.float32)
    np.testing.assert_allclose(sample.latent, latent_of(5)[0], rtol=1e-3)


@pytest.mark.parametrize("value", [1, 17, 255])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_mask_is_whatever_is_not_black(value: int, channels: int) -> None:
    pixels = np.full((SIZE, SIZE, channels), 0, np.uint8)
    pixels[3:5, 6:9] = value
    mask = read_mask(cv2.imencode(".png", pixels)[1].tobytes(), SIZE, "m.png")
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(np.argwhere(mask), np.argwhere(pixels[..., 0]))
    assert set(np.unique(mask)) == {0, 1}


@pytest.mark.parametrize(
    ("name", "pixels", "kept"),
    [
        ("p.png", picture_of(1), True),
        ("p.png", picture_of(1)[..., 0], False),
        ("p.png", np.dstack([picture_of(1), picture_of(2)[..., :1]]), False),
        ("p.png", picture_of(1).astype(np.uint16) * 257, False),
        ("p.jpg", picture_of(1), False),
    ],
)
def test_only_plain_png_pictures_are_kept(tmp_path: Path, name: str, pixels: np.ndarray, kept: bool) -> None:
    assert cv2.imwrite(str(tmp_path / name), pixels)
    data = (tmp_path / name).read_bytes()
    picture = read_picture(data, SIZE, name)
    assert (picture.pixels.shape, picture.pixels.dtype) == ((SIZE, SIZE, 3), np.uint8)
    assert picture.png == (data if kept else None)


def rename(old: str, new: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / new).parent.mkdir(parents=True, exist_ok=True)
        (root / old).rename(root / new)

    return change


def remove(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).unlink()


def put(name: str, data: bytes = b"?") -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(data)

    return change


def cut(name: str) -> Callable[[Path], object]:
    return lambda root: (root / name).write_bytes((root / name).read_bytes()[:-20])


def mask(name: str, pixels: np.ndarray) -> Callable[[Path], object]:
    return lambda root: write_picture(root / name, pixels)


def latent(values: np.ndarray) -> Callable[[Path], object]:
    return lambda root: write_latent(root / LATENT, values)


MASK, LATENT = f"{MASKS}/{TENCH}/sample_0_9.png", f"{LATENTS}/{TENCH}/sample_0_9.npy"
IMAGE = f"{IMAGES}/{TENCH}/sample_0_9.png"
NAN = np.where(np.arange(128) == 7, np.nan, 0.5).astype(np.float32)

# What is done to the release, and the faults that must be told: file and part of the reason.
ODD: dict[str, tuple[Callable[[Path], object], dict[str, str]]] = {
    "mask without latent": (remove(LATENT), {MASK: f"no latent: expected {LATENT}"}),
    "latent without mask": (
        remove(MASK), {LATENT: f"no mask: expected {MASK}", IMAGE: f"no mask: expected {MASK}"},
    ),
    "unknown wnid": (
        put(f"{MASKS}/n00000000/a_0_1.png"),
        {f"{MASKS}/n00000000/a_0_1.png": "expected a wnid of the 1000 ImageNet classes, got 'n00000000'"},
    ),
    "unknown wnid, empty": (
        lambda root: (root / LATENTS / "dogs").mkdir(), {f"{LATENTS}/dogs": "expected a wnid"},
    ),
    "class of another wnid": (
        rename(MASK, f"{MASKS}/{TENCH}/sample_151_9.png"),
        {
            f"{MASKS}/{TENCH}/sample_151_9.png": f"expected class index 0, that of {TENCH}, got 151 ({CHIHUAHUA})",
            LATENT: "no mask", IMAGE: "no mask",
        },
    ),
    "class that does not exist": (
        put(f"{MASKS}/{TENCH}/sample_1000_9.png"), {f"{MASKS}/{TENCH}/sample_1000_9.png": "got 1000 (none)"},
    ),
    "latent in another class": (
        rename(LATENT, f"{LATENTS}/{CHIHUAHUA}/sample_0_9.npy"),
        {f"{LATENTS}/{CHIHUAHUA}/sample_0_9.npy": "expected class index 151", MASK: "no latent"},
    ),
    "no class in the name": (
        put(f"{MASKS}/{TENCH}/seed9.png"), {f"{MASKS}/{TENCH}/seed9.png": "ending in _<class index>_<number>"},
    ),
    "dot in the name": (put(f"{MASKS}/{TENCH}/a.b_0_1.png"), {f"{MASKS}/{TENCH}/a.b_0_1.png": "without a dot"}),
    "name too long": (
        put(f"{MASKS}/{TENCH}/{'x' * 80}_0_1.png"), {f"{MASKS}/{TENCH}/{'x' * 80}_0_1.png": "1 to 72 characters"},
    ),
    "one stem twice": (mask(MASK[:-3] + "bmp", mask_of(1)), {MASK: "has the same stem as sample_0_9.bmp"}),
    "one key twice": (
        lambda root: [add_sample(root, TENCH, stem, 7) for stem in ("a-b_0_1", "a b_0_1")],
        {f"{MASKS}/{TENCH}/a-b_0_1.png": f"gets the same key {TENCH}_a-b_0_1 as {MASKS}/{TENCH}/a b_0_1.png"},
    ),
    "stray file among classes": (put(f"{MASKS}/readme.txt"), {f"{MASKS}/readme.txt": "stray file: expected folders"}),
    "stray file among latents": (
        put(f"{LATENTS}/{TENCH}/Thumbs.db"), {f"{LATENTS}/{TENCH}/Thumbs.db": "stray file: expected .npy"},
    ),
    "folder among masks": (put(f"{MASKS}/{TENCH}/old/a_0_1.png"), {f"{MASKS}/{TENCH}/old": "stray folder"}),
    "cut mask": (cut(MASK), {MASK: "truncated PNG"}),
    "text as mask": (put(MASK, b"<html>not found</html>"), {MASK: "expected a picture, got 22 bytes"}),
    "empty file as mask": (put(MASK, b""), {MASK: "expected a picture, got 0 bytes"}),
    "small mask": (mask(MASK, mask_of(1)[:16, :16]), {MASK: "expected a mask of 32x32 pixels, got 16x16"}),
    "mask that is not square": (mask(MASK, mask_of(1)[:16]), {MASK: "expected a mask of 32x32 pixels, got 32x16"}),
    "mask without object": (mask(MASK, mask_of(1) * 0), {MASK: "got a mask of zeros alone"}),
    "latent of another width": (latent(np.ones((1, 120))), {LATENT: "(1, 128) or (128,), got (1, 120)"}),
    "two latents": (latent(np.ones((2, 128))), {LATENT: "(1, 128) or (128,), got (2, 128)"}),
    "integer latent": (latent(np.ones((1, 128), np.int64)), {LATENT: "floating-point numbers, got int64"}),
    "NaN in the latent": (latent(NAN), {LATENT: "NaN or infinity in 1 of 128 values"}),
    "pickled latent": (put(LATENT, pickle.dumps([1.0] * 128)), {LATENT: "expected a latent as plain .npy numbers"}),
    "cut latent": (cut(LATENT), {LATENT: "expected a latent as plain .npy numbers"}),
    "cut picture": (cut(IMAGE), {IMAGE: "truncated PNG"}),
    "picture of another size": (
        mask(IMAGE, picture_of(1, 64)), {IMAGE: "expected a picture of 32x32 pixels, got 64x64"},
    ),
    "mask and latent at once": (
        lambda root: [put(MASK, b"")(root), latent(NAN)(root)], {MASK: "expected a picture", LATENT: "NaN"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), ODD.values(), ids=ODD.keys())
def test_every_odd_file_is_told(release: Path, change: Callable[[Path], object], expected: dict[str, str]) -> None:
    change(release)
    found = survey(release)
    told = {fault.file: fault.reason for fault in found.faults}
    assert told.keys() == expected.keys()
    assert {name: part for name, part in expected.items() if part not in told[name]} == {}, told
    assert {item.key for item in found.items} >= {f"{TENCH}_sample_0_10", f"{CHIHUAHUA}_151_3"}


def test_hidden_files_are_no_data(release: Path) -> None:
    put(f"{MASKS}/.DS_Store")(release)
    put(f"{LATENTS}/{TENCH}/.DS_Store")(release)
    assert survey(release).faults == []


def test_the_hash_follows_every_file(release: Path) -> None:
    hashes = {survey(release).sha256}
    for change in (mask(MASK, mask_of(6)), latent(latent_of(6)), mask(IMAGE, picture_of(6)), remove(IMAGE)):
        change(release)
        hashes.add(survey(release).sha256)
    assert len(hashes) == 5


@pytest.mark.parametrize("part", ["annotations", "latents"])
def test_a_release_has_masks_and_latents(release: Path, part: str) -> None:
    (release / part).rename(release / "elsewhere")
    with pytest.raises(MissingError, match=f"expected the released folder .*{part}/biggan512, got none") as caught:
        survey(release)
    assert "unpack annotations.zip and latents.zip" in caught.value.hint


def test_empty_folders_hold_nothing(tmp_path: Path) -> None:
    for part in (MASKS, LATENTS):
        (tmp_path / part).mkdir(parents=True)
    assert [fault.reason for fault in survey(tmp_path).faults] == ["expected folders of masks, got none"]


def test_a_file_that_changes_is_noticed(release: Path) -> None:
    item = survey(release).items[1]
    put(MASK, b"")(release)
    with pytest.raises(DataError, match=r"sample_0_9\.png: expected a picture"):
        read_sample(release, item, SIZE)


def test_the_list_of_real_pictures(release: Path) -> None:
    assert real_list_entries(release) is None
    put("annotations/real-random-list.txt", b"n01440764/a_1\nn01440764/a_2\n")(release)
    assert real_list_entries(release) == 2
    assert survey(release).faults == []
