import json
import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from bdgan_cli.backbones import ARCHITECTURES, ResNet
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.sample import Sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.pretraining.networks import IGNORED
from bdgan_cli.pretraining.views import ViewRule
from bdgan_cli.progress import Silent
from bdgan_cli.weights.backbones import load_backbone, read_backbone
from bdgan_cli.workflows.pretrain import PretrainConfig, plan_pretrain, pretrain
from bdgan_cli.workflows.pretrain_labels import LabelledSet
from tests.conftest import cli_environment

SMALL = {"batch": 4, "norm_group": 2, "queue": 16, "epochs": 2, "segmentation_batch": 4, "views": ViewRule(size=32)}
PICTURES, STEPS = 10, 5


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


def paint(number):
    stream = np.random.default_rng(number)
    return cv2.resize(stream.integers(0, 256, (4, 4, 3), dtype=np.uint8), (40, 36))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    folder = tmp_path_factory.mktemp("photos")
    for number in range(PICTURES):
        cv2.imwrite(str(folder / f"{number}.png"), paint(number))
    return folder


def write_set(root, masks=True, ignore=False):
    classes = (ClassEntry(0, "", "disc"), ClassEntry(1, "", "star"))
    info = DatasetInfo("toy", "sampled", classes, None, None, None)
    samples = []
    for number in range(6):
        mask = np.zeros((36, 40), np.uint8)
        mask[8:20, 10:30] = 1
        mask[:2] = 255 if ignore else 0
        wanted = mask if masks and number < 5 else None
        samples.append(Sample(f"s{number}", number % 2, "", "train", paint(number), wanted))
    writer = open_for_writing(root, info)
    writer.write_shard("a", samples)
    writer.finalize()
    return root


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    return write_set(tmp_path_factory.mktemp("labelled") / "set")


@pytest.fixture
def config(tmp_path, photos):
    return PretrainConfig(
        (str(photos),), workspace=tmp_path, preset="tiny", changes=SMALL, workers=0, device="cpu", name="first"
    )


@pytest.fixture
def joint(config, labelled):
    return replace(config, labelled=str(labelled), name="second")


def weights(result):
    return (result.folder / "weights.safetensors").read_bytes()


def test_it_trains_saves_and_reports(config, photos):
    report = Recorder()
    result = pretrain(config, report)
    assert (report.total, report.done, result.steps_made) == (STEPS, STEPS, STEPS)
    assert set(report.figures[-1]) == {"loss", "global_loss", "dense_loss"}
    assert sorted(p.name for p in result.folder.iterdir()) == [
        "backbone.json", "logs", "memory.safetensors", "weights.safetensors",
    ]  # fmt: skip
    assert list((result.folder / "logs").glob("events.out.tfevents.*"))
    arch, tensors = load_backbone(result.folder)
    ResNet(ARCHITECTURES[arch]).load_state_dict(tensors, strict=False)
    card = read_backbone(result.folder)
    assert card == result.card
    assert card.training["sources"] == [str(photos)]
    assert (card.training["stage"], card.training["pictures"], card.training["queue"]) == ("contrastive", PICTURES, 16)
    assert "segmentation_weight" not in card.training
    assert result.figures["images_per_second"] > 0
    assert 0 <= result.figures["waiting_share"] <= 1
    assert result.figures["unreadable"] == 0


def test_the_seed_alone_decides_and_not_who_loads(config):
    first = pretrain(config)
    assert weights(pretrain(replace(config, name="again", workers=2))) == weights(first)
    assert weights(pretrain(replace(config, name="other", seed=1))) != weights(first)


@pytest.mark.parametrize("stage", ["contrastive", "joint"])
@pytest.mark.parametrize("stop_after", [1, 3])
def test_resumed_equals_uninterrupted_bit_for_bit(config, joint, stage, stop_after):
    config = joint if stage == "joint" else config
    whole = pretrain(replace(config, name="whole"))
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, Recorder(stop_after))
    with pytest.raises(UsageError, match="unfinished training"):
        pretrain(config)
    report = Recorder()
    resumed = pretrain(replace(config, resume=True), report)
    assert resumed.steps_made == STEPS - stop_after
    assert f"going on after step {stop_after}" in report.notes
    assert weights(resumed) == weights(whole)
    found, expected = (load_file(made.folder / "memory.safetensors") for made in (resumed, whole))
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    assert not (resumed.folder / "checkpoint.safetensors").exists()


@pytest.mark.slow
def test_resumed_after_sigkill_equals_uninterrupted(config, photos):
    """A process of its own, killed without a word after its first checkpoint."""
    many = {**SMALL, "epochs": 16}
    code = (
        "from pathlib import Path; from bdgan_cli.workflows.pretrain import *; "
        "from bdgan_cli.pretraining.views import ViewRule; "
        f"pretrain(PretrainConfig(({str(photos)!r},), workspace=Path({str(config.workspace)!r}), preset='tiny', "
        f"changes={many!r}, workers=0, device='cpu', name='first'))"
    )
    process = subprocess.Popen([sys.executable, "-c", code], env=cli_environment())
    checkpoint = config.workspace / "backbones/first/checkpoint.safetensors"
    for _ in range(1200):
        if checkpoint.exists() or process.poll() is not None:
            break
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    config = replace(config, changes=many)
    report = Recorder()
    resumed = pretrain(replace(config, resume=True), report)
    assert any(note.startswith("going on after step") for note in report.notes)
    assert weights(resumed) == weights(pretrain(replace(config, name="whole")))


def test_resume_of_another_training_names_the_difference(config):
    with pytest.raises(KeyboardInterrupt):
        pretrain(config, Recorder(2))
    with pytest.raises(UsageError, match="with seed 0, this one has 1"):
        pretrain(replace(config, resume=True, seed=1))
    with pytest.raises(UsageError, match="with arch 'resnet18-narrow', this one has 'resnet18'"):
        pretrain(replace(config, resume=True, changes={**SMALL, "arch": "resnet18"}))


def test_a_finished_backbone_is_left_alone_or_replaced_when_asked(config):
    first = pretrain(config)
    again = pretrain(replace(config, resume=True))
    assert (again.card, again.steps_made) == (first.card, 0)
    with pytest.raises(UsageError, match="holds a backbone already"):
        pretrain(config)
    with pytest.raises(UsageError, match="holds a backbone already"):
        plan_pretrain(config)
    with pytest.raises(UsageError, match="with seed 0, this one has 3"):
        pretrain(replace(config, resume=True, seed=3))
    assert pretrain(replace(config, overwrite=True, seed=3)).card.training["seed"] == 3
    (config.workspace / "backbones/foreign").mkdir()
    (config.workspace / "backbones/foreign/thesis.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds something that is no backbone"):
        pretrain(replace(config, name="foreign"))


def test_the_joint_stage_goes_on_with_the_first_ones_memory(config, joint):
    first, report = pretrain(config), Recorder()
    second = pretrain(replace(joint, init="first"), report)
    assert any("backbone, heads, key network and queues" in note for note in report.notes)
    assert "segmentation_loss" in report.figures[-1]
    assert second.card.training["labels"] == 2
    assert second.card.training["init_sha256"] != first.card.weights_sha256
    # At a learning rate of 0 nothing moves but batch norm's statistics and the queues.
    still = pretrain(replace(joint, init="first", name="still", changes={**SMALL, "learning_rate": 0.0}))
    before, after = load_backbone(first.folder)[1], load_backbone(still.folder)[1]
    assert all(torch.equal(value, after[name]) for name, value in before.items() if "running" not in name)


def test_a_backbone_of_other_origin(config, joint, tmp_path):
    torch.save(ResNet(ARCHITECTURES["resnet18-narrow"]).state_dict(), tmp_path / "public.pth")
    report = Recorder()
    pretrain(replace(joint, init=str(tmp_path / "public.pth")), report)
    assert any("heads and queues are new" in note for note in report.notes)
    torch.save(ResNet(ARCHITECTURES["resnet18"]).state_dict(), tmp_path / "other.pth")
    with pytest.raises(DataError, match="expected a resnet18-narrow with"):
        pretrain(replace(config, init=str(tmp_path / "other.pth")))


def test_a_stage_of_another_architecture_or_queue(config, joint):
    pretrain(config)
    with pytest.raises(DataError, match=r"first \(resnet18-narrow\): expected a resnet18 with"):
        pretrain(replace(joint, init="first", changes={**SMALL, "arch": "resnet18"}))
    with pytest.raises(UsageError, match="with queue 16, this one has 32"):
        pretrain(replace(joint, init="first", changes={**SMALL, "queue": 32}))
    with pytest.raises(MissingError, match="no backbone 'fist'"):
        pretrain(replace(joint, init="fist"))


def test_unreadable_pictures_are_replaced_counted_and_in_the_end_too_many(config, photos, tmp_path):
    folder = tmp_path / "mixed"
    folder.mkdir()
    for number in range(PICTURES):
        (folder / f"{number}.png").write_bytes((photos / f"{number}.png").read_bytes()[: 60 if number < 2 else None])
    report = Recorder()
    config = replace(config, sources=(str(folder),))
    with pytest.raises(KeyboardInterrupt):
        pretrain(replace(config, name="part"), Recorder(4))
    result = pretrain(config, report)
    assert result.figures["unreadable"] == 2
    assert sum("another picture takes its place" in note for note in report.notes) == 2
    resumed = pretrain(replace(config, name="part", resume=True))
    assert resumed.figures["unreadable"] == 2  # counted on from the checkpoint
    assert weights(resumed) == weights(result)
    with pytest.raises(DataError, match=r"2 pictures cannot be read, expected at most 1: .*0\.png"):
        pretrain(replace(config, name="strict", max_unreadable=1))


def test_what_cannot_be_trained_on(config, joint, tmp_path):
    with pytest.raises(DataError, match="holds no pictures"):
        pretrain(replace(config, sources=(str(tmp_path),)))
    bare = write_set(tmp_path / "bare", masks=False)
    with pytest.raises(DataError, match="holds 6 samples and no masks"):
        pretrain(replace(joint, labelled=str(bare)))
    with pytest.raises(UsageError, match="--batch 6: expected a multiple of 4"):
        pretrain(replace(config, changes={**SMALL, "batch": 6, "norm_group": 4}))
    with pytest.raises(UsageError, match="--labelled-batch 2: expected a multiple of 4"):
        pretrain(replace(joint, changes={**SMALL, "norm_group": 4, "segmentation_batch": 2}))
    with pytest.raises(UsageError, match="dense weight 2"):
        pretrain(replace(config, changes={**SMALL, "dense_weight": 2}))
    with pytest.raises(UsageError, match="unknown preset 'papr'"):
        pretrain(replace(config, preset="papr"))
    with pytest.raises(UsageError, match="unknown precision"):
        pretrain(replace(config, precision="int8"))


def test_the_plan_says_what_would_be_done_and_does_nothing(joint):
    plan = plan_pretrain(replace(joint, changes={**SMALL, "queue": 65536}))
    assert (plan.stage, plan.pictures, plan.labelled, plan.labels, plan.steps) == ("joint", PICTURES, 5, 2, STEPS)
    assert plan.queues_mb == pytest.approx(67.1, abs=0.1)
    assert plan.parameters == 702096
    assert not plan.folder.exists()


def test_the_learning_rate_follows_the_batch_unless_it_is_given(config):
    assert plan_pretrain(config).learning_rate == pytest.approx(0.2 * 4 / 32)
    assert plan_pretrain(replace(config, changes={**SMALL, "learning_rate": 0.5})).learning_rate == 0.5


def test_labels_are_the_datasets_own_or_a_tasks(labelled, tmp_path):
    own = LabelledSet(open_dataset(labelled))
    assert (own.labels, len(own), own.skipped) == (2, 5, 1)
    task = LabelledSet(open_dataset(labelled), "shapes-mc")
    names = [task.label_names[int(task.read(row)[1].max())] for row in range(5)]
    assert sorted(names) == ["disc", "disc", "disc", "star", "star"]
    with pytest.raises(UsageError):
        LabelledSet(open_dataset(labelled), "mc16")
    ignoring = LabelledSet(open_dataset(write_set(tmp_path / "set", ignore=True)))
    image, mask = ignoring.read(0)
    assert (mask[:2] == IGNORED).all()
    assert (mask[8:20, 10:30] == 1).all()
    assert image.shape == (36, 40, 3)


def test_the_command_line(run_cli, photos, labelled, tmp_path):
    common = ["--preset", "tiny", "--batch", 4, "--norm-group", 2, "--queue", 16, "--epochs", 1, "--workers", 0]
    common += ["--workspace", tmp_path, "--device", "cpu"]
    done = run_cli("pretrain", "contrastive", photos, *common, "--name", "one", "--json")
    assert done.code == 0, done.stderr
    assert json.loads(done.stdout)["steps_made"] == 3
    assert "pre-training" in done.stderr
    done = run_cli(
        "pretrain", "joint", photos, labelled, *common, "--init", "one", "--labelled", labelled, "--task", "shapes-mc",
        "--labelled-batch", 4, "--segmentation-weight", 0.5, "--contrastive-weight", 2, "--dry-run", "--json", "-q",
    )  # fmt: skip
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["labels"], told["pictures"], told["steps"]) == (13, PICTURES + 6, 4)
    done = run_cli("pretrain", "contrastive", tmp_path / "nowhere", *common)
    assert (done.code, "hint:" in done.stderr) == (4, True)


@pytest.mark.slow
def test_two_processes_write_what_one_does_up_to_rounding(config, photos, tmp_path):
    arguments = [
        "-m", "bdgan_cli", "pretrain", "contrastive", photos, "--preset", "tiny", "--batch", 4, "--norm-group", 2,
        "--queue", 16, "--epochs", 2, "--workers", 0, "--device", "cpu", "--workspace", tmp_path, "--json",
    ]  # fmt: skip
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    told = []
    for name, before in (("alone", []), ("together", torchrun)):
        command = [sys.executable, *before, *arguments, "--name", name]
        done = subprocess.run(
            list(map(str, command)), env=cli_environment(), capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        told.append(json.loads(done.stdout))
    assert told[1]["loss"] == pytest.approx(told[0]["loss"], rel=1e-2)
