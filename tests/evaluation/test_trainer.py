"""The trainer: a small network without dropout, so that processes and continuations compare number by number."""

from __future__ import annotations

import copy
import json
import subprocess
import sys

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from bdgan_cli.errors import BdganError, DataError
from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.evaluation.segmenters import Segmenter, build_segmenter
from bdgan_cli.evaluation.trainer import SegmenterTrainer
from bdgan_cli.evaluation.views import IGNORED
from bdgan_cli.runtime import Runtime
from tests.conftest import cli_environment

CPU = Runtime(torch.device("cpu"))
STEPS, SIZE, LABELS = 6, 12, 3
RECIPE = Recipe(size_px=32, batch=4, steps=STEPS, learning_rate=0.1)

TOGETHER = """
import json, sys
from bdgan_cli.runtime import start_runtime
from tests.evaluation.test_trainer import losses

runtime = start_runtime("cpu")
curve = losses(runtime, int(sys.argv[2]))
if runtime.is_first:
    open(sys.argv[1], "w").write(json.dumps(curve))
runtime.barrier()
"""


class Net(nn.Module):
    def __init__(self, channels=6, dropout=0.0):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(3, channels, 3, padding=1), nn.BatchNorm2d(channels), nn.ReLU(), nn.Dropout(dropout),
            nn.Conv2d(channels, LABELS, 1),
        )  # fmt: skip

    def forward(self, images):
        return {"out": self.layers(images)}


def segmenter(seed=0, **options):
    torch.manual_seed(seed)
    return Segmenter(Net(**options))


def batch(step):
    """Half of the pictures are nearly all ignored, and in one step the last two are so altogether."""
    stream = torch.Generator().manual_seed(step)
    pictures = torch.randint(0, 256, (4, 3, SIZE, SIZE), dtype=torch.uint8, generator=stream)
    labels = (pictures.float().mean(1) // 86).to(torch.int16)
    labels[2:, 1:] = IGNORED
    if step == 1:
        labels[2:] = IGNORED
    return pictures, labels


def trainer(runtime=CPU, recipe=RECIPE, **options):
    return SegmenterTrainer(segmenter(**options), recipe, STEPS, 5, runtime)


def losses(runtime, part=4, **options):
    """The curve of a training; each process takes its part of the batches."""
    made, mine = trainer(runtime, **options), slice(part * runtime.rank, part * (runtime.rank + 1))
    return [made.advance(iter([tuple(t[mine] for t in batch(step))]))["loss"] for step in range(STEPS)]


def test_two_processes_give_the_curve_of_one_with_ignored_pixels_spread_unevenly(tmp_path):
    script, out = tmp_path / "together.py", tmp_path / "curve.json"
    script.write_text(TOGETHER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    done = subprocess.run(
        [*command, script, out, "2"], env=cli_environment(), capture_output=True, text=True, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    alone = losses(CPU)
    assert json.loads(out.read_text()) == pytest.approx(alone, rel=1e-4)
    assert len(set(alone)) == STEPS


def test_training_is_sgd_on_the_mean_over_judged_pixels_with_polynomial_decay():
    """Against the same steps written out with torch's own loss and optimizer."""
    made, net = trainer(), segmenter().train()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
    for step in range(STEPS):
        pictures, labels = batch(step)
        figures = made.advance(iter([(pictures, labels)]))
        rate = 0.1 * (1 - step / STEPS) ** 0.9
        optimizer.param_groups[0]["lr"] = rate
        optimizer.zero_grad()
        loss = F.cross_entropy(net(pictures), labels.long(), ignore_index=IGNORED)
        loss.backward()
        optimizer.step()
        assert figures["loss"] == pytest.approx(loss.item(), rel=1e-5)
        assert figures["lr"] == pytest.approx(rate)
    for name, value in net.state_dict().items():
        torch.testing.assert_close(made.segmenter.state_dict()[name], value, msg=name)


@pytest.mark.parametrize("dropout", [0.0, 0.5])
@pytest.mark.parametrize("stop", [1, 3, 5])
def test_a_training_that_goes_on_ends_bit_for_bit_where_an_unbroken_one_does(stop, dropout):
    whole, first = trainer(dropout=dropout), trainer(dropout=dropout)
    for step in range(STEPS):
        whole.advance(iter([batch(step)]))
    for step in range(stop):
        first.advance(iter([batch(step)]))
    state = copy.deepcopy(first.state())
    torch.rand(17)  # whatever else draws numbers in between
    second = trainer(dropout=dropout, seed=9)
    second.set_state(state)
    assert second.step == stop
    for step in range(stop, STEPS):
        second.advance(iter([batch(step)]))
    for name, value in whole.segmenter.state_dict().items():
        assert torch.equal(second.segmenter.state_dict()[name], value), name


def test_dropout_is_named_by_the_seed_of_the_training():
    curves = []
    for seed in (5, 5, 6):
        made = SegmenterTrainer(segmenter(dropout=0.5), RECIPE, STEPS, seed, CPU)
        curves.append([made.advance(iter([batch(step)]))["loss"] for step in range(3)])
    assert curves[0] == curves[1] != curves[2]


@pytest.mark.parametrize(
    ("spoil", "told"),
    [
        (lambda state: state.update(segmenter=Segmenter(Net(channels=7)).state_dict()), "size mismatch|Error"),
        (lambda state: state.update(segmenter=build_segmenter("lraspp-tiny", 2).state_dict()), "Error"),
        (lambda state: state.pop("optimizer"), "'optimizer'"),
        (lambda state: state["optimizer"]["param_groups"].pop(), "loaded state dict"),
    ],
    ids=["other width", "other network", "part missing", "other optimizer"],
)
def test_another_segmenters_checkpoint_is_refused(spoil, told):
    state = copy.deepcopy(trainer().state())
    spoil(state)
    with pytest.raises(DataError, match=f"the checkpoint fits another segmenter: .*({told})") as caught:
        trainer().set_state(state)
    assert caught.value.hint == "start again: --overwrite"


def test_a_loss_that_is_not_finite_is_an_error():
    made = trainer()
    made.advance(iter([batch(0)]))
    with torch.no_grad():
        made.segmenter.network.layers[4].weight.fill_(float("nan"))
    with pytest.raises(BdganError, match="training diverged: the loss of step 2 is nan") as caught:
        made.advance(iter([batch(1)]))
    assert "--lr" in caught.value.hint


def test_a_batch_without_a_judged_pixel_gives_no_loss_and_no_nan():
    made = trainer(recipe=Recipe(size_px=32, batch=4, steps=STEPS, weight_decay=0.0))
    pictures, labels = batch(0)
    before = copy.deepcopy(list(made.segmenter.parameters()))
    assert made.advance(iter([(pictures, torch.full_like(labels, IGNORED))]))["loss"] == 0
    assert all(torch.equal(a, b) for a, b in zip(before, made.segmenter.parameters(), strict=True))


@pytest.mark.parametrize("loss", ["cross-entropy", "focal"])
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_few_steps_learn(loss, precision):
    made = trainer(recipe=Recipe(size_px=32, batch=4, steps=60, learning_rate=0.1, loss=loss, precision=precision))
    made.steps = 60
    curve = [made.advance(iter([batch(0)]))["loss"] for _ in range(60)]
    assert np.mean(curve[-5:]) < 0.6 * curve[0]


def test_a_step_that_fails_on_its_way_leaves_the_trainer_busy():
    """So that the loop does not save a half-made step."""
    made = trainer()
    pictures, labels = batch(0)
    with pytest.raises(IndexError):
        made.advance(iter([(pictures, labels + LABELS)]))
    assert made.busy
    assert made.step == 0
