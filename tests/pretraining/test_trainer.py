import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch.nn import functional

from bdgan_cli.backbones import ARCHITECTURES
from bdgan_cli.errors import BdganError, DataError
from bdgan_cli.pretraining.losses import as_rows
from bdgan_cli.pretraining.networks import normalised
from bdgan_cli.pretraining.presets import PRESETS, Recipe
from bdgan_cli.pretraining.trainer import LabelledBatch, Pair, PretrainTrainer, shuffled
from bdgan_cli.pretraining.views import ViewRule
from bdgan_cli.runtime import Runtime
from tests.conftest import cli_environment

STEPS, BATCH = 6, 8
RECIPE = Recipe(
    arch="resnet18-narrow", epochs=1, batch=BATCH, norm_group=4, learning_rate=0.05, views=ViewRule(size=32), queue=20,
    key_momentum=0.9, segmentation_batch=BATCH,
)  # fmt: skip


def make_trainer(labels=0, recipe=RECIPE, seed=0, runtime=None):
    return PretrainTrainer(recipe, STEPS, labels, seed, runtime or Runtime(torch.device("cpu")))


def batch(step, labels=0):
    stream = torch.Generator().manual_seed(step)
    base = torch.randint(0, 256, (BATCH, 32, 32, 3), generator=stream, dtype=torch.uint8)
    pair = Pair(base, base.flip(2))
    masks = torch.randint(-1, max(labels, 1), (BATCH, 32, 32), generator=stream, dtype=torch.int16)
    return pair, LabelledBatch(base, masks) if labels else None


def run(trainer, steps, labels=0):
    return [trainer.advance(*batch(trainer.step, labels)) for _ in range(steps)]


def flat(state):
    if isinstance(state, dict):
        return {f"{key}.{inner}": value for key, item in state.items() for inner, value in flat(item).items()}
    if isinstance(state, list):
        return flat(dict(enumerate(state)))
    return {"": torch.as_tensor(state)}


@pytest.mark.parametrize("labels", [0, 3])
def test_it_learns_what_it_is_shown(monkeypatch, labels):
    """With keys and negatives that stand still, every loss falls on a batch that comes again and again."""
    trainer = make_trainer(labels, replace(RECIPE, key_momentum=1.0))
    for queue in (trainer.pictures, trainer.cells):
        monkeypatch.setattr(queue, "push", lambda keys: None)
    figures = [trainer.advance(*batch(0, labels)) for _ in range(STEPS)]
    assert all(figures[-1][name] < figures[0][name] for name in figures[0])


def test_a_joint_step_with_one_group_of_views_and_two_of_labelled_pictures():
    """The second pass must leave what the first one goes back through: batch norm's running statistics."""
    trainer = make_trainer(3, replace(RECIPE, norm_group=BATCH))
    pair, labelled = batch(0, 3)
    trainer.advance(pair, LabelledBatch(*(torch.cat([part, part]) for part in labelled)))
    assert trainer.step == 1


@pytest.mark.parametrize(("labels", "weight"), [(0, 0.5), (0, 0.2), (3, 0.5)])
def test_the_loss_is_the_weighted_sum_of_its_parts(labels, weight):
    recipe = replace(RECIPE, dense_weight=weight, contrastive_weight=0.7, segmentation_weight=1.9)
    found = make_trainer(labels, recipe).advance(*batch(0, labels))
    contrastive = (1 - weight) * found["global_loss"] + weight * found["dense_loss"]
    expected = 0.7 * contrastive + 1.9 * found["segmentation_loss"] if labels else contrastive
    assert found["loss"] == pytest.approx(expected, rel=1e-5)


def test_the_first_loss_equals_an_independent_computation():
    trainer = make_trainer(recipe=replace(RECIPE, norm_group=BATCH))
    pair, _ = batch(0)
    negatives = trainer.pictures.keys_QD.clone(), trainer.cells.keys_QD.clone()
    with torch.no_grad():  # one group: shuffling changes nothing, and the key network is the online one
        queries, keys = (make_trainer(recipe=replace(RECIPE, norm_group=BATCH)).keys(normalised(v)) for v in pair)
    cosines = torch.einsum("ncs,nct->nst", *(functional.normalize(p.features_NCS, dim=1) for p in (queries, keys)))
    picked = torch.stack([keys.cells_NDS[n][:, cosines[n].argmax(1)] for n in range(BATCH)])
    expected = {}
    for name, q, k, bank in (
        ("global_loss", queries.whole_ND, keys.whole_ND, negatives[0]),
        ("dense_loss", as_rows(queries.cells_NDS), as_rows(picked), negatives[1]),
    ):
        logits = torch.cat([(q * k).sum(1, keepdim=True), q @ bank.T], 1) / 0.2
        expected[name] = functional.cross_entropy(logits, torch.zeros(len(q), dtype=torch.int64)).item()
    found = trainer.advance(pair)
    assert {name: found[name] for name in expected} == pytest.approx(expected, rel=1e-4)


def test_gradients_reach_the_online_network_alone_and_the_key_network_follows():
    trainer = make_trainer(labels=3)
    before = {name: p.clone() for name, p in trainer.keys.named_parameters()}
    trainer.advance(*batch(0, 3))
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in trainer.online.parameters())
    assert all(p.grad is None for p in trainer.keys.parameters())
    assert all(torch.equal(p, before[name]) for name, p in trainer.keys.named_parameters())  # equal to the online one
    online = {name: p.detach().clone() for name, p in trainer.online.contrastive.named_parameters()}
    trainer.advance(*batch(1, 3))
    for name, p in trainer.keys.named_parameters():
        torch.testing.assert_close(p, 0.9 * before[name] + 0.1 * online[name], msg=name)


def test_the_queues_hold_the_keys_of_whole_pictures_and_of_pooled_cells_in_order(monkeypatch):
    trainer = make_trainer()
    made = []
    original = trainer._encode_keys
    monkeypatch.setattr(trainer, "_encode_keys", lambda keys: made.append(original(keys)) or made[-1])
    run(trainer, 2)
    for queue, name in ((trainer.pictures, "whole_ND"), (trainer.cells, "pooled_ND")):
        newest = torch.cat([getattr(keys, name) for keys in made])
        assert torch.equal(queue.ordered()[-2 * BATCH :], newest)
    torch.testing.assert_close(trainer.cells.keys_QD.norm(dim=1), torch.ones(20))


def test_keys_meet_in_shuffled_groups_and_come_back_in_their_order():
    trainer = make_trainer()
    _, keys_NHWC = batch(0)[0]
    order = torch.from_numpy(shuffled(BATCH, 0, 0))
    with torch.no_grad():
        expected = make_trainer().keys(normalised(keys_NHWC[order])).whole_ND
        plain = make_trainer().keys(normalised(keys_NHWC)).whole_ND
    found = trainer._encode_keys(keys_NHWC).whole_ND
    torch.testing.assert_close(found[order], expected)
    assert not torch.allclose(found, plain, atol=1e-4)
    assert sorted(shuffled(BATCH, 1, 0)) == list(range(BATCH))
    assert list(shuffled(64, 1, 0)) != list(shuffled(64, 2, 0))


@pytest.mark.parametrize("labels", [0, 3])
@pytest.mark.parametrize("stop", [1, 3])
def test_resumed_equals_uninterrupted_bit_for_bit(labels, stop):
    whole, first, second = (make_trainer(labels, seed=seed) for seed in (0, 0, 0))
    run(first, stop, labels)
    saved = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in first.state().items()}
    second.set_state(saved)
    assert run(whole, STEPS, labels)[stop:] == run(second, STEPS - stop, labels)
    expected, got = flat(whole.state()), flat(second.state())
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        assert torch.equal(value, got[name]), name


def test_a_further_stage_goes_on_with_networks_heads_and_queues():
    first, second = make_trainer(), make_trainer(labels=3, seed=5)
    run(first, 2)
    second.set_memory(first.memory())
    expected, got = flat(first.memory()), flat(second.memory())
    assert all(torch.equal(value, got[name]) for name, value in expected.items())


def test_a_backbone_of_other_origin_begins_both_networks():
    first, second = make_trainer(), make_trainer(seed=5)
    run(first, 1)
    second.set_backbone(first.backbone.state_dict())
    assert all(torch.equal(p, q) for p, q in zip(second.keys.parameters(), second.online.parameters(), strict=True))
    assert torch.equal(second.backbone.conv1.weight, first.backbone.conv1.weight)


def test_a_state_of_another_training():
    with pytest.raises(DataError, match="does not fit this training"):
        make_trainer().set_memory(make_trainer(recipe=replace(RECIPE, queue=30)).memory())
    with pytest.raises(DataError, match="does not fit this training"):
        make_trainer().set_state({"step": 1})


def test_a_diverged_training_says_so():
    trainer = make_trainer()
    with torch.no_grad():
        trainer.backbone.conv1.weight.fill_(float("nan"))
    with pytest.raises(BdganError, match="training diverged: the loss of step 1"):
        trainer.advance(*batch(0))


def test_bfloat16_computes_nearly_the_same():
    full = make_trainer(3).advance(*batch(0, 3))
    half = PretrainTrainer(RECIPE, STEPS, 3, 0, Runtime(torch.device("cpu")), precision="bfloat16").advance(
        *batch(0, 3)
    )
    assert half == pytest.approx(full, rel=0.05)
    assert half != full


def test_presets_are_the_papers_where_it_speaks():
    paper = PRESETS["paper"]["contrastive"]
    assert (paper.arch, paper.epochs, paper.batch, paper.queue) == ("resnet50", 150, 256, 65536)
    assert (paper.learning_rate, paper.momentum, paper.weight_decay) == (0.03, 0.9, 1e-4)
    assert (paper.temperature, paper.dense_weight, paper.key_momentum) == (0.2, 0.5, 0.999)
    assert PRESETS["paper"]["joint"] == replace(paper, epochs=50)
    views = paper.views
    assert (views.size, views.scale, views.jitter) == (224, (0.2, 1.0), (0.4, 0.4, 0.4, 0.1))
    assert (views.jitter_share, views.grey_share, views.blur_share, views.blur_px) == (0.8, 0.2, 0.5, (0.1, 2.0))
    assert all(recipe.arch in ARCHITECTURES for stages in PRESETS.values() for recipe in stages.values())


TOGETHER = """
import sys, torch
from bdgan_cli.runtime import start_runtime
from bdgan_cli.pretraining.trainer import LabelledBatch, Pair
from tests.pretraining.test_trainer import batch, make_trainer

runtime = start_runtime("cpu")
trainer = make_trainer(3, runtime=runtime)
half = slice(4 * runtime.rank, 4 * runtime.rank + 4)
losses = []
for step in range(3):
    pair, labelled = batch(step, 3)
    own = Pair(*(v[half] for v in pair)), LabelledBatch(*(v[half] for v in labelled))
    losses.append(trainer.advance(*own))
if runtime.is_first:
    torch.save({"losses": losses, "memory": trainer.memory()}, sys.argv[1])
runtime.barrier()
"""


def test_two_processes_make_the_steps_of_one(tmp_path):
    """Batch-norm groups of 4 are the same in one process and in two: losses, weights and queues agree to rounding."""
    script, out = tmp_path / "together.py", tmp_path / "out.pt"
    script.write_text(TOGETHER)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", script, out]
    done = subprocess.run(command, env=cli_environment(), capture_output=True, text=True, timeout=400, check=False)
    assert done.returncode == 0, done.stderr
    together, alone = torch.load(out, weights_only=True), make_trainer(3)
    for found, expected in zip(together["losses"], run(alone, 3, 3), strict=True):
        assert found == pytest.approx(expected, rel=1e-3)
    expected, got = flat(alone.memory()), flat(together["memory"])
    for name, value in expected.items():
        if not name.startswith("keys.backbone") or "running" not in name:  # those of the key network are never read
            torch.testing.assert_close(got[name], value, atol=2e-3, rtol=2e-3, msg=name)
