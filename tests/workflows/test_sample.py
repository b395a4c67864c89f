import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace

import numpy as np
import pytest
import torch

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.interfaces import Truncation
from bdgan_cli.progress import Silent
from bdgan_cli.runtime import Runtime
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.draw_rules import DrawOptions
from bdgan_cli.workflows.sample import SampleConfig, preview_sample, sample
from tests.helpers import digests, save_random_head

SMALL = {"classes": "0,5", "per_class": 6, "batch": 2, "shard_size": 4}
COMMAND = ["sample", "--classes", "0-3", "--batch", "4", "--shard-size", "8", "--quiet"]


def run_command(workspace, *words, launcher=("-m", "bdgan_cli")):
    command = [sys.executable, *launcher, *COMMAND, *words, "--workspace", str(workspace)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=200)
    assert done.returncode == 0, done.stderr
    return workspace / "datasets" / "tiny-biggan-sim"


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An uninterrupted run of the real command, and the workspace's head to copy from."""
    workspace = tmp_path_factory.mktemp("whole")
    save_random_head(workspace)
    return run_command(workspace, "--per-class", "100")


@pytest.fixture
def copy_of_head(whole, tmp_path):
    shutil.copytree(whole.parents[1] / "heads", tmp_path / "heads")
    return tmp_path


def test_a_sample_carries_picture_mask_latent_and_scores_that_belong_together(workspace):
    result = sample(SampleConfig(workspace=workspace, **SMALL))
    dataset = open_dataset(result.folder)
    assert len(dataset) == result.samples == result.made == 12
    assert verify_dataset(result.folder, Silent()) == []
    generator = load_generator("tiny-biggan")
    record = dataset.read("shape-star_0_3")
    latents = generator.draw([5, 5], [2, 3], 0, Truncation(0.9))
    assert np.array_equal(record.latent, latents.values[1].numpy())
    images, _ = generator.synthesize(latents)
    again = images[1].permute(1, 2, 0).add(1).mul(127.5).round().numpy()
    assert np.abs(again - record.image).max() <= 1
    scores = [dataset.table[name].to_numpy() for name in ("uncertainty", "uncertainty_mean", "uncertainty_top10")]
    assert all(np.isfinite(column).all() for column in scores)
    assert (scores[1] <= np.log(2)).all()


def test_killed_at_any_moment_and_started_again_ends_with_the_same_bytes(whole, copy_of_head):
    command = [sys.executable, "-m", "bdgan_cli", *COMMAND, "--per-class", "100", "--workspace", str(copy_of_head)]
    parts = copy_of_head / "datasets" / "tiny-biggan-sim" / "index"
    rng = np.random.default_rng(0)
    kills = 0
    for wanted in (1, 9, 25):
        process = subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while process.poll() is None and len(list(parts.glob("c*.parquet"))) < wanted:
            time.sleep(0.002)
        time.sleep(float(rng.uniform(0, 0.05)))
        process.send_signal(signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
    assert kills >= 2, "the runs ended before they could be killed"
    assert len(list(parts.glob("c*.parquet"))) < 52, "nothing was left to resume"
    assert digests(run_command(copy_of_head, "--per-class", "100")) == digests(whole)


def test_two_ranks_write_the_bytes_of_one(whole, copy_of_head):
    launcher = ("-m", "torch.distributed.run", "--nproc-per-node", "2", "--master-port", "29417", "-m", "bdgan_cli")
    assert digests(run_command(copy_of_head, "--per-class", "100", launcher=launcher)) == digests(whole)


def test_an_extended_dataset_has_the_bytes_of_one_made_at_once(whole, copy_of_head):
    run_command(copy_of_head, "--per-class", "50")
    assert digests(run_command(copy_of_head, "--per-class", "100")) == digests(whole)


def test_more_classes_extend_a_dataset(workspace, tmp_path):
    config = {**SMALL, "workspace": workspace}
    at_once = digests(sample(SampleConfig(**config)).folder)
    shutil.rmtree(workspace / "datasets")
    sample(SampleConfig(**{**config, "classes": "5"}))
    assert digests(sample(SampleConfig(**config)).folder) == at_once


def test_the_number_of_workers_does_not_change_the_bytes(workspace):
    one = digests(sample(SampleConfig(workspace=workspace, workers=1, **SMALL)).folder)
    three = digests(sample(SampleConfig(workspace=workspace, workers=3, overwrite=True, **SMALL)).folder)
    assert one == three


def test_the_number_of_encoders_does_not_change_the_bytes(workspace):
    config = SampleConfig(workspace=workspace, **SMALL)
    one = digests(sample(config).folder)
    cpu = torch.device("cpu")
    four = digests(sample(replace(config, overwrite=True), runtime=Runtime(cpu, workers=2, encoders=4)).folder)
    assert one == four


def test_a_finished_dataset_is_left_alone(workspace):
    first = sample(SampleConfig(workspace=workspace, **SMALL))
    times = {path: path.stat().st_mtime_ns for path in (first.folder / "shards").iterdir()}
    second = sample(SampleConfig(workspace=workspace, **SMALL))
    assert second.made == 0
    assert times == {path: path.stat().st_mtime_ns for path in (first.folder / "shards").iterdir()}


def test_another_plan_on_the_same_folder_is_refused(workspace):
    sample(SampleConfig(workspace=workspace, **SMALL))
    with pytest.raises(UsageError) as caught:
        sample(SampleConfig(workspace=workspace, seed=1, **SMALL))
    assert "seed" in caught.value.message
    assert "--overwrite" in caught.value.hint
    with pytest.raises(UsageError, match=r"made with another plan: plan\.seed: 0 there, 1 now"):
        preview_sample(SampleConfig(workspace=workspace, seed=1, **SMALL))
    assert preview_sample(SampleConfig(workspace=workspace, seed=1, overwrite=True, **SMALL)).plan.seed == 1
    assert len(open_dataset(workspace / "datasets" / "tiny-biggan-sim")) == 12


def test_exact_labels_are_the_renderers_masks(tmp_path):
    result = sample(SampleConfig(workspace=tmp_path, labels="exact", seed=4, **SMALL))
    dataset = open_dataset(result.folder)
    generator = load_generator("tiny-biggan")
    truth = generator.truth(generator.draw([5], [4], 4, Truncation(0.9)))[0].numpy()
    assert np.array_equal(dataset.read("shape-star_4_4").mask, truth)
    assert dataset.info.kind == "annotated"


def test_without_labels_there_are_pictures_and_latents_only(tmp_path):
    dataset = open_dataset(sample(SampleConfig(workspace=tmp_path, labels="none", **SMALL)).folder)
    record = dataset.read(dataset.keys()[0])
    assert record.mask is None
    assert record.latent is not None
    assert dataset.info.kind == "unlabelled"


def test_rejection_keeps_the_most_confident_of_each_group_of_candidates(tmp_path):
    base = {"classes": "3", "batch": 4, "shard_size": 20, "labels": "none"}
    everything = open_dataset(sample(SampleConfig(workspace=tmp_path, name="all", per_class=20, **base)).folder)
    kept = open_dataset(sample(SampleConfig(workspace=tmp_path, name="kept", per_class=4, reject=0.8, **base)).folder)
    confidence = everything.table["classifier_score"].to_numpy()
    best = np.sort(np.argsort(-confidence, kind="stable")[:4])
    assert kept.table["index"].to_pylist() == best.tolist()
    np.testing.assert_allclose(kept.table["classifier_score"].to_numpy(), confidence[best], rtol=1e-4)


def test_a_larger_rejected_dataset_extends_a_smaller_one(tmp_path):
    base = {"workspace": tmp_path, "classes": "3", "batch": 2, "shard_size": 4, "labels": "none", "reject": 0.5}
    few = open_dataset(sample(SampleConfig(per_class=3, **base)).folder).keys()
    many = open_dataset(sample(SampleConfig(per_class=7, **base)).folder).keys()
    assert set(few) < set(many)


def test_a_preview_computes_nothing_and_says_what_would_be(workspace):
    preview = preview_sample(SampleConfig(workspace=workspace, per_class=250, classes="0-1"))
    assert (preview.plan.samples, preview.shards) == (500, 6)
    assert preview.head == workspace / "heads" / "random"
    assert not (workspace / "datasets").exists()
    made = sample(SampleConfig(workspace=workspace, per_class=20))
    size = sum(path.stat().st_size for path in (made.folder / "shards").iterdir())
    assert preview_sample(SampleConfig(workspace=workspace, per_class=20)).bytes_estimate == pytest.approx(
        size, rel=0.5
    )


def test_bfloat16_gives_nearly_the_same_pictures_and_masks(workspace):
    exact = open_dataset(sample(SampleConfig(workspace=workspace, name="exact", **SMALL)).folder)
    config = SampleConfig(workspace=workspace, name="fast", precision="bfloat16", **SMALL)
    fast = open_dataset(sample(config).folder)
    pairs = list(zip(exact.iterate(("image", "mask")), fast.iterate(("image", "mask")), strict=True))
    apart = np.mean([np.abs(a.image.astype(int) - b.image).mean() for a, b in pairs])
    assert 0 < apart < 2
    assert np.mean([(a.mask == b.mask).mean() for a, b in pairs]) > 0.97


def test_pictures_that_are_not_finite_are_an_error(workspace, monkeypatch):
    generator = load_generator("tiny-biggan")
    original = type(generator).synthesize

    def broken(self, latents):
        images, features = original(self, latents)
        return torch.full_like(images, float("nan")), features

    monkeypatch.setattr(type(generator), "synthesize", broken)
    with pytest.raises(DataError, match="made a picture that is not finite"):
        sample(SampleConfig(workspace=workspace, **SMALL))


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"generator": "tiny-bigan"}, MissingError, "unknown generator 'tiny-bigan'"),
        ({"classes": "unicorn"}, UsageError, "unknown class 'unicorn'"),
        ({"labels": "guessed"}, UsageError, "labels 'guessed'"),
        ({"batch": 3}, UsageError, "no multiple of batch 3"),
        ({"reject": 1.0}, UsageError, "rejection rate 1.0"),
        ({"reject": 0.5, "classifier": "none"}, UsageError, "--reject needs a classifier"),
        ({"head": "nosuch"}, MissingError, "no head 'nosuch'"),
        ({"draw": DrawOptions(trunc=-1.0)}, UsageError, "truncation -1.0"),
        ({"per_class": 0}, UsageError, "--per-class 0"),
        ({"precision": "int3"}, UsageError, "precision 'int3'"),
        ({"image_format": "bmp"}, UsageError, "image format 'bmp'"),
        ({"name": "../out"}, UsageError, "cannot be a name"),
        ({"device": "cuda:7"}, UsageError, "no GPU"),
        ({"device": "tpu9"}, UsageError, "unknown device 'tpu9'"),
    ],
)
def test_bad_options_are_refused_before_anything_is_written(workspace, changes, error, message):
    with pytest.raises(error) as caught:
        sample(SampleConfig(**{"workspace": workspace, **SMALL, **changes}))
    assert message in caught.value.message
    assert not (workspace / "datasets").exists()


def test_interrupting_says_how_to_resume_and_loses_nothing(whole, copy_of_head):
    command = [sys.executable, "-m", "bdgan_cli", *COMMAND, "--per-class", "100", "--workspace", str(copy_of_head)]
    parts = copy_of_head / "datasets" / "tiny-biggan-sim" / "index"
    process = subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True)
    while process.poll() is None and len(list(parts.glob("c*.parquet"))) < 3:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "resume with: python -m bdgan_cli sample" in stderr
    assert "Traceback" not in stderr
    assert verify_dataset(parts.parent, Silent()) != [] or len(list(parts.glob("c*.parquet"))) < 52
    assert digests(run_command(copy_of_head, "--per-class", "100")) == digests(whole)
