"""The real domain of the embedded world: the renderer's pictures with exact masks, the same ones every time."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.generators.tiny import CLASSES
from bdgan_cli.interfaces import images_to_uint8
from bdgan_cli.progress import Silent
from bdgan_cli.shapes.world import LATENT_DIM, render
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.benchmark.renders import write_renders

PER_CLASS = 4


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return write_renders(tmp_path_factory.mktemp("renders"), "real", PER_CLASS, Silent())


def columns(folder, *names):
    table = open_dataset(folder).table
    return [table[name].to_pylist() for name in names]


def latents(folder):
    return np.stack([record.latent for record in open_dataset(folder).iterate(("latent",))])


def test_the_dataset_is_whole_and_says_what_it_is(folder):
    dataset = open_dataset(folder)
    assert verify_dataset(folder, Silent()) == []
    assert len(dataset) == PER_CLASS * len(CLASSES)
    assert (dataset.info.kind, dataset.info.generator, dataset.info.head) == ("real", None, None)
    class_ids, splits = columns(folder, "class_id", "split")
    assert sorted(class_ids) == sorted(list(range(len(CLASSES))) * PER_CLASS)
    assert set(splits) == {"test"}


def test_pictures_and_masks_are_those_that_the_renderer_draws_for_the_latent(folder):
    dataset = open_dataset(folder)
    class_ids = dataset.table["class_id"].to_pylist()
    for class_id, record in zip(class_ids, dataset.iterate(), strict=True):
        scene = render(torch.from_numpy(record.latent)[None], torch.tensor([class_id]), 64)
        assert np.array_equal(record.mask, scene.masks[0].numpy())
        drawn = images_to_uint8(scene.images).numpy()[0].astype(int)
        assert np.abs(record.image.astype(int) - drawn).max() <= 1


def test_the_same_call_gives_the_same_pictures_and_another_seed_others(folder, tmp_path):
    same = write_renders(tmp_path, "same", PER_CLASS, Silent())
    other = write_renders(tmp_path, "other", PER_CLASS, Silent(), seed=1)
    mine, again, others = (set(columns(which, "image_sha256")[0]) for which in (folder, same, other))
    assert mine == again
    assert not mine & others


def test_no_picture_has_the_latent_of_a_sample_of_the_generator(folder):
    generator = load_generator("tiny-biggan")
    drawn = generator.draw([0] * 50, list(range(50)), 0, generator.default_rule).values.numpy()
    gaps = np.abs(latents(folder)[:, None] - drawn[None, :, :LATENT_DIM]).max(2)
    assert gaps.min() > 0.1


def test_spread_is_the_standard_deviation_of_the_latents(folder, tmp_path):
    wide = write_renders(tmp_path, "wide", PER_CLASS, Silent(), spread=1.6)
    assert latents(folder).std() == pytest.approx(1, abs=0.08)
    assert latents(wide) == pytest.approx(1.6 * latents(folder), rel=1e-5)


def test_what_is_missing_is_made_again_and_nothing_else(tmp_path):
    folder = write_renders(tmp_path, "real", 2, Silent())
    before = {path.name: path.stat().st_mtime_ns for path in (folder / "shards").iterdir()}
    hashes = columns(folder, "key", "image_sha256", "mask_sha256")
    (folder / "index" / "c0003.parquet").unlink()
    write_renders(tmp_path, "real", 2, Silent())
    after = {path.name: path.stat().st_mtime_ns for path in (folder / "shards").iterdir()}
    assert [name for name in after if after[name] != before[name]] == ["c0003.tar"]
    assert columns(folder, "key", "image_sha256", "mask_sha256") == hashes


@pytest.mark.parametrize("changes", [{"seed": 1}, {"spread": 1.5}])
def test_another_plan_under_the_same_name_is_refused(folder, changes):
    with pytest.raises(UsageError):
        write_renders(folder.parents[1], "real", PER_CLASS, Silent(), **changes)
