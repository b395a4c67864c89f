"""The released annotations become a dataset; pictures come from files, or from the generator."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.errors import BdganError, DataError, MissingError, UsageError
from bdgan_cli.interfaces import Latents, images_to_uint8
from bdgan_cli.progress import Silent
from bdgan_cli.weights import card as cards
from bdgan_cli.workflows.import_release import ImportReleaseConfig, ImportReleaseResult, import_release
from tests.conftest import RunCli
from tests.dataset.builders import contents
from tests.dataset.release import CHIHUAHUA, SIZE, TENCH, latent_of, mask_of, picture_of, write_release
from tests.workflows.release_generator import StandIn

BUILDER = "tests.workflows.release_generator:build"
MASK = f"annotations/biggan512/{TENCH}/sample_0_9.png"
LATENT = f"latents/biggan512/{TENCH}/sample_0_9.npy"

Register = Callable[..., None]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """Put a card of 32 pixels in place of BigGAN-512's."""

    def put(name: str = "biggan-512", **fields: Any) -> None:
        known = cards.all_cards()
        told = {"family": "biggan-512", "builder": BUILDER, "resolution": SIZE, "source": "stand-in 1", **fields}
        card = cards.ModelCard(name, "generator", **told)
        monkeypatch.setattr(cards, "all_cards", lambda: {**known, name: card})

    return put


@pytest.fixture
def installed(register: Register) -> None:
    register()


@pytest.fixture
def not_installed(register: Register) -> None:
    source = cards.Source("biggan-512.pth", ("https://example.invalid/biggan-512.pth",))
    register(source="built-in", sources=(source,), layouts=("biggan",))


@pytest.fixture
def release(tmp_path: Path) -> Path:
    return write_release(tmp_path / "data", pictures=False)


def run(source: Path, **changes: Any) -> ImportReleaseResult:
    return import_release(ImportReleaseConfig(source, workspace=source.parent, **changes))


def made_by_stand_in(number: int, class_id: int) -> np.ndarray:
    latents = Latents(torch.from_numpy(latent_of(number)), torch.tensor([class_id]), torch.ones(1))
    return images_to_uint8(StandIn().synthesize(latents)[0])[0].numpy()


@pytest.mark.usefixtures("installed")
def test_pictures_are_made_again_from_their_latents(release: Path) -> None:
    result = run(release)
    assert (result.written, result.samples, result.made_again) == (True, 3, 3)
    dataset = open_dataset(result.root)
    assert result.root == release.parent / "datasets" / "bigdatasetgan"
    keys = [f"{TENCH}_sample_0_9", f"{TENCH}_sample_0_10", f"{CHIHUAHUA}_151_3"]
    assert dataset.keys() == keys
    for key, number, class_id in zip(keys, (1, 2, 3), (0, 0, 151), strict=True):
        record = dataset.read(key)
        np.testing.assert_array_equal(record.image, made_by_stand_in(number, class_id))
        np.testing.assert_array_equal(record.mask, mask_of(number) > 0)
        np.testing.assert_array_equal(record.latent, latent_of(number)[0])
    assert verify_dataset(result.root, Silent()) == []


@pytest.mark.usefixtures("installed")
def test_the_dataset_says_what_it_is(release: Path) -> None:
    info = open_dataset(run(release).root).info
    assert (info.kind, info.image_size, info.licence) == ("annotated", SIZE, "CC-BY-NC-4.0")
    assert info.generator is not None
    assert (info.generator.name, info.generator.sha256) == ("biggan-512", cards.find_card("biggan-512").sha256)
    assert [(entry.id, entry.wnid, entry.name) for entry in info.classes] == [
        (0, TENCH, "tench"), (151, CHIHUAHUA, "Chihuahua"),
    ]  # fmt: skip
    assert "3 of 3 pictures made again from their latents by biggan-512" in info.provenance
    assert "N(0, 0.9^2)" in info.provenance


@pytest.mark.usefixtures("installed")
def test_pictures_that_are_there_are_kept_byte_for_byte(tmp_path: Path) -> None:
    source = write_release(tmp_path / "data")
    picture = source / "images" / "biggan512" / TENCH / "sample_0_9.png"
    (source / "images" / "biggan512" / TENCH / "sample_0_10.png").unlink()
    result = run(source)
    assert result.made_again == 1
    dataset = open_dataset(result.root)
    np.testing.assert_array_equal(dataset.read(f"{TENCH}_sample_0_9").image, picture_of(1))
    np.testing.assert_array_equal(dataset.read(f"{TENCH}_sample_0_10").image, made_by_stand_in(2, 0))
    row = next(row for row in dataset.table.to_pylist() if row["key"] == f"{TENCH}_sample_0_9")
    shard = (result.root / "shards" / "000000.tar").read_bytes()
    assert shard[row["image_offset"] : row["image_offset"] + row["image_size"]] == picture.read_bytes()


@pytest.mark.usefixtures("not_installed")
def test_without_weights_pictures_must_be_there(tmp_path: Path, release: Path) -> None:
    with pytest.raises(
        MissingError, match=r"3 of 3 pictures must be made again by biggan-512: .*not installed"
    ) as caught:
        run(release)
    assert "bdgan models pull biggan-512" in caught.value.hint
    assert "bdgan models add" in caught.value.hint
    assert not (tmp_path / "datasets").exists()

    result = run(write_release(tmp_path / "complete"))
    assert (result.written, result.made_again) == (True, 0)
    info = open_dataset(result.root).info
    assert info.generator is not None
    assert info.generator.sha256 == ""


@pytest.mark.usefixtures("installed")
@pytest.mark.parametrize("batch", [1, 2, 4])
def test_a_killed_import_goes_on_and_ends_with_the_same_bytes(release: Path, batch: int) -> None:
    first = run(release, shard_samples=1, batch=batch)
    (first.root / "index" / "000001.parquet").unlink()
    run(release, shard_samples=1, batch=batch)
    once = run(release, shard_samples=1, batch=batch, out=release.parent / "once" / "bigdatasetgan")
    assert contents(first.root) == contents(once.root)


@pytest.mark.usefixtures("installed")
def test_another_release_needs_to_be_told(release: Path) -> None:
    run(release)
    (release / MASK).unlink()
    (release / LATENT).unlink()
    with pytest.raises(UsageError, match=r"made with another plan: plan\.pairs: 3 there, 2 now"):
        run(release)
    assert run(release, overwrite=True).samples == 2


@pytest.mark.usefixtures("installed")
def test_odd_files_stop_the_import_unless_they_are_skipped(release: Path) -> None:
    (release / LATENT).unlink()
    result = run(release)
    assert (result.written, result.samples, [fault.file for fault in result.faults]) == (False, 2, [MASK])
    assert not result.root.exists()
    skipped = run(release, skip_odd=True)
    assert (skipped.written, skipped.samples, skipped.faults) == (True, 2, result.faults)
    assert len(open_dataset(skipped.root)) == 2


@pytest.mark.usefixtures("installed")
def test_nothing_right_is_nothing_imported(release: Path) -> None:
    for path in release.rglob("*.npy"):
        path.unlink()
    assert (run(release, skip_odd=True).written, (release.parent / "datasets").exists()) == (False, False)


@pytest.mark.usefixtures("not_installed")
def test_a_dry_run_needs_no_weights(release: Path) -> None:
    result = run(release, dry_run=True)
    assert (result.written, result.samples, result.made_again) == (False, 3, 3)


@pytest.mark.usefixtures("installed")
def test_a_dry_run_writes_nothing(release: Path) -> None:
    result = run(release, dry_run=True)
    assert (result.written, result.samples, result.made_again) == (False, 3, 3)
    assert not result.root.exists()


@pytest.mark.parametrize(
    ("fields", "kind", "message"),
    [
        (
            {"builder": f"{BUILDER}_other_latents", "source": "p 1"},
            UsageError,
            r"shape \(64,\), the release has \(128,\)",
        ),
        ({"builder": f"{BUILDER}_few_classes", "source": "p 2"}, UsageError, f"no class {CHIHUAHUA} "),
        ({"builder": f"{BUILDER}_not_finite", "source": "p 3"}, DataError, "made a picture that is not finite"),
        ({"resolution": 64}, None, "expected a mask of 64x64 pixels, got 32x32"),
    ],
)
def test_generators_that_cannot_have_made_it(
    release: Path, register: Register, fields: dict[str, Any], kind: type[BdganError] | None, message: str
) -> None:
    register(**fields)
    if kind is None:
        assert message in run(release).faults[0].reason
        return
    with pytest.raises(kind, match=message):
        run(release)
    assert not list((release.parent / "datasets").glob("*/index/*"))


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("tiny-biggan", UsageError, "tiny-biggan makes other pictures of the released latents"),
        ("tiny-classifier", UsageError, "tiny-classifier is a classifier, expected a generator"),
        ("biggan-5", MissingError, "unknown generator 'biggan-5'"),
    ],
)
@pytest.mark.usefixtures("installed")
def test_other_models_are_refused(release: Path, name: str, kind: type[BdganError], message: str) -> None:
    with pytest.raises(kind, match=message):
        run(release, generator=name)


@pytest.mark.usefixtures("installed")
def test_the_family_means_the_generator_of_the_release(release: Path) -> None:
    info = open_dataset(run(release, generator="biggan").root).info
    assert info.generator is not None
    assert info.generator.name == "biggan-512"


@pytest.mark.usefixtures("installed")
def test_a_head_learns_from_it(release: Path, run_cli: RunCli) -> None:
    done = run_cli("data", "import", "bigdatasetgan", release, "--workspace", release.parent)
    assert done.code == 0, done.stderr
    assert "wrote 3 samples" in done.stdout
    assert "Chihuahua" in done.stdout
    options = ["--workspace", release.parent, "--members", 2, "--steps", 3, "--json"]
    done = run_cli("train-head", "--gen", "biggan-512", *options)
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["steps_made"] == 3


@pytest.mark.usefixtures("installed")
def test_the_command_shows_twenty_faults_and_tells_all_as_json(release: Path, run_cli: RunCli) -> None:
    (release / "annotations" / "real-random-list.txt").write_text("n01440764/a_1\n")
    for number in range(30):
        (release / "annotations" / "biggan512" / TENCH / f"sample_0_{100 + number}.png").touch()
    words = ("data", "import", "bigdatasetgan", release, "--workspace", release.parent)
    done = run_cli(*words)
    assert (done.code, done.stdout) == (3, "")
    assert "nothing imported: 30 files are wrong, 3 samples are right" in done.stderr
    assert done.stderr.count("no latent: expected") == 20
    assert "... and 10 more: see them all with --json" in done.stderr
    assert "hint: leave the wrong files out: --skip-odd" in done.stderr
    assert done.stderr.count("names 1 real pictures; their masks were never released") == 1

    done = run_cli(*words, "--json")
    assert (done.code, len(json.loads(done.stdout)["errors"])) == (3, 30)
    done = run_cli(*words, "--skip-odd")
    assert done.code == 0
    assert "left out 30 files:" in done.stdout
    assert "wrote 3 samples" in done.stdout
    done = run_cli(*words, "--skip-odd", "--json")
    found = json.loads(done.stdout)
    assert (done.code, len(found["errors"]), found["written"], found["made_again"]) == (0, 30, True, 3)


def test_a_folder_that_is_no_release(tmp_path: Path, run_cli: RunCli, register: Register) -> None:
    register()
    done = run_cli("data", "import", "bigdatasetgan", tmp_path / "nowhere", "--workspace", tmp_path)
    assert (done.code, done.stdout) == (4, "")
    assert "hint: unpack annotations.zip and latents.zip so that nowhere holds annotations/ and latents/" in done.stderr
