import pickle
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bdgan_cli.dataset.reader import Record, open_dataset
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.heads.files import load_head
from bdgan_cli.progress import Silent
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.annotations import check_origin, read_annotations
from bdgan_cli.workflows.sample import SampleConfig, sample
from bdgan_cli.workflows.train_head import TrainHeadConfig, plan_train_head, train_head

STEPS = 6


class Recorder(Silent):
    """Keeps notes and figures; raises KeyboardInterrupt after a number of steps if asked to."""

    def __init__(self, stop_after=None):
        self.notes, self.figures, self.stop_after, self.done = [], [], stop_after, 0

    def note(self, text):
        self.notes.append(text)

    @contextmanager
    def task(self, label, total, unit, done=0):
        self.label, self.total, self.done = label, total, done
        yield self

    def advance(self, amount=1, **figures):
        self.done += amount
        self.figures.append(figures)
        if self.done == self.stop_after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def annotated(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("annotated")
    config = SampleConfig(workspace=workspace, classes="0-1", per_class=3, labels="exact", classifier="none", batch=3)
    return sample(replace(config, shard_size=3)).folder


@pytest.fixture
def config(tmp_path, annotated):
    return TrainHeadConfig(dataset=annotated, workspace=tmp_path, members=2, steps=STEPS, batch=2, device="cpu")


def weights(result):
    return (result.folder / "weights.safetensors").read_bytes()


def test_it_trains_saves_and_reports(config):
    report = Recorder()
    result = train_head(config, report)
    assert (report.label, report.total, report.done) == ("training 2 heads", STEPS, STEPS)
    assert all("loss" in figures for figures in report.figures)
    assert "oob_iou" in report.figures[-1]
    assert 0 <= result.card.figures["oob_iou"] <= 1
    assert result.card.figures["loss"] == pytest.approx(np.mean([f["loss"] for f in report.figures]))
    assert sorted(p.name for p in result.folder.iterdir()) == ["head.json", "logs", "weights.safetensors"]
    assert list((result.folder / "logs").glob("events.out.tfevents.*"))
    head = load_head(result.folder, "tiny-biggan", find_card("tiny-biggan").sha256)
    assert head.ensemble.members == 2


def test_it_takes_the_newest_annotated_set_and_says_so(config, annotated):
    report = Recorder()
    train_head(replace(config, dataset=None, workspace=annotated.parent.parent), report)
    assert report.notes[0] == f"dataset: {annotated} (newest annotated set for tiny-biggan)"


def test_no_annotated_set_at_all(config):
    with pytest.raises(MissingError, match="no annotated dataset of tiny-biggan"):
        train_head(replace(config, dataset=None))


def test_the_seed_alone_decides(config):
    first = train_head(config)
    assert weights(train_head(replace(config, name="again"))) == weights(first)
    assert weights(train_head(replace(config, name="other", seed=1))) != weights(first)


@pytest.mark.parametrize("stop_after", [1, 4])
def test_resumed_equals_uninterrupted_bit_for_bit(config, stop_after):
    whole = train_head(replace(config, name="whole"))
    with pytest.raises(KeyboardInterrupt):
        train_head(config, Recorder(stop_after))
    with pytest.raises(UsageError, match="unfinished training"):
        train_head(config)
    report = Recorder()
    resumed = train_head(replace(config, resume=True), report)
    assert resumed.steps_made == STEPS - stop_after
    assert f"going on after step {stop_after}" in report.notes
    assert weights(resumed) == weights(whole)
    assert not (resumed.folder / "checkpoint.safetensors").exists()


def test_resume_of_another_training_names_the_difference(config):
    with pytest.raises(KeyboardInterrupt):
        train_head(config, Recorder(2))
    with pytest.raises(UsageError, match="with steps 6, this one has 7"):
        train_head(replace(config, resume=True, steps=7))


def test_resume_of_a_finished_head_leaves_it_alone(config):
    first = train_head(config)
    again = train_head(replace(config, resume=True), Recorder())
    assert (again.card, again.steps_made) == (first.card, 0)
    with pytest.raises(UsageError, match="with seed 0, this one has 3"):
        train_head(replace(config, resume=True, seed=3))


def test_resume_without_anything_starts(config):
    assert train_head(replace(config, resume=True)).steps_made == STEPS


def test_a_head_is_replaced_only_when_asked(config):
    first = train_head(config)
    with pytest.raises(UsageError, match="trained head already"):
        train_head(replace(config, seed=1))
    with pytest.raises(UsageError, match="trained head already"):
        plan_train_head(replace(config, seed=1))
    second = train_head(replace(config, seed=1, overwrite=True))
    assert second.card.seed == 1
    assert second.folder == first.folder


def test_a_pickle_for_a_checkpoint(config):
    with pytest.raises(KeyboardInterrupt):
        train_head(config, Recorder(2))
    path = config.workspace / "heads" / "tiny-biggan-multilevel" / "checkpoint.safetensors"
    path.write_bytes(pickle.dumps(print))
    with pytest.raises(DataError, match="pickle, which can run code"):
        train_head(replace(config, resume=True))


def test_the_plan_says_what_would_be_done_and_does_nothing(config):
    plan = plan_train_head(config)
    assert (plan.samples, plan.preset, plan.training.steps, plan.training.batch) == (6, "tiny", STEPS, 2)
    assert plan.features_cached
    assert not plan.folder.exists()
    result = train_head(config)
    counted = sum(t.numel() for n, t in load_file(result.folder / "weights.safetensors").items() if "running" not in n)
    assert plan.parameters == counted


def test_features_made_for_every_batch(config):
    assert train_head(replace(config, memory_gb=0.05)).steps_made == STEPS


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"members": 0}, "0 members"),
        ({"steps": 0}, "at least 1"),
        ({"batch": 0}, "at least 1"),
        ({"learning_rate": -1.0}, "positive"),
        ({"preset": "huge"}, "no training preset"),
        ({"arch": "huge"}, "no head architecture"),
        ({"name": "../up"}, "cannot be a name"),
    ],
)
def test_options_that_cannot_be_right(config, changes, message):
    with pytest.raises(UsageError, match=message):
        train_head(replace(config, **changes))


def test_unknown_generator_names_near_ones(config):
    with pytest.raises(MissingError, match="tiny-bigan") as caught:
        train_head(replace(config, generator="tiny-bigan"))
    assert "tiny-biggan" in caught.value.hint


def test_a_dataset_of_another_generator_or_other_weights(annotated):
    dataset = open_dataset(annotated)
    sha256 = find_card("tiny-biggan").sha256
    check_origin(dataset, "tiny-biggan", sha256)
    with pytest.raises(UsageError, match="holds tiny-biggan's samples, expected those of other"):
        check_origin(dataset, "other", sha256)
    with pytest.raises(UsageError, match="made with other weights of tiny-biggan"):
        check_origin(dataset, "tiny-biggan", "cd" * 32)
    dataset.info = replace(dataset.info, generator=None)
    with pytest.raises(UsageError, match="no generator's samples"):
        check_origin(dataset, "tiny-biggan", sha256)


class OneSample:
    """A dataset of one sample, as far as training reads it."""

    reference = root = "toy"

    def __init__(self, mask, latent, class_id=0):
        self.info = SimpleNamespace(label_names=("background", "object"))
        rows = [{"class_id": class_id, "truncation": float("nan")}]
        self.table = SimpleNamespace(
            column_names=["class_id", "truncation"], select=lambda _: SimpleNamespace(to_pylist=lambda: rows)
        )
        self._record = Record("k", None, mask, latent, None)

    def __len__(self):
        return 1

    def iterate(self, members):
        yield self._record


def good(**changes):
    mask = np.zeros((64, 64), np.uint8)
    mask[:9] = 1
    mask[20:, 3] = 255
    return OneSample(**{"mask": mask, "latent": np.zeros(20, np.float32), **changes})


def test_a_good_sample_is_read():
    read = read_annotations(good(), load_generator("tiny-biggan"))
    assert (read.labels, read.skipped) == (1, 0)
    assert read.latents.truncations.tolist() == [1.0]
    assert read.masks_NHW.unique().tolist() == [0, 1, 255]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mask": None}, "none of its 1 samples carries a mask"),
        ({"mask": np.zeros((32, 64), np.uint8)}, "mask of 64x32 pixels, expected 64x64"),
        ({"mask": np.full((64, 64), 2, np.uint8)}, "mask value 2, expected 0..1 or 255"),
        ({"mask": np.zeros((64, 64), np.uint8)}, "no pixel of an object"),
        ({"mask": np.full((64, 64), 255, np.uint8)}, "no pixel of an object"),
        ({"latent": None}, "no latent"),
        ({"latent": np.zeros(19, np.float32)}, r"latent of shape \(19,\), expected \(20,\)"),
        ({"latent": np.full(20, np.nan, np.float32)}, "NaN or infinity"),
        ({"class_id": 99}, "has no class 99"),
    ],
)
def test_samples_that_nothing_can_be_learnt_from(changes, message):
    with pytest.raises(DataError, match=message) as caught:
        read_annotations(good(**changes), load_generator("tiny-biggan"))
    assert caught.value.hint


def test_one_thread_for_small_pictures_and_the_setting_comes_back(config):
    torch.set_num_threads(1)
    train_head(config)
    assert torch.get_num_threads() == 1
