import numpy as np
import pytest
import torch

from bdgan_cli.errors import BdganError, DataError
from bdgan_cli.evaluation.masks import foreground_iou
from bdgan_cli.heads.bank import FeatureBank, feature_bytes
from bdgan_cli.heads.presets import TrainingConfig
from bdgan_cli.heads.registry import ARCHITECTURES, build_ensemble
from bdgan_cli.heads.training import HeadTrainer
from tests.heads.toy import SIZE, SPEC, ToyGenerator

CPU = torch.device("cpu")
CONFIG = TrainingConfig(steps=30, batch=4, learning_rate=1e-2)
each_arch = pytest.mark.parametrize("arch", sorted(ARCHITECTURES))


def make_trainer(arch="multilevel", members=(0, 1, 2), config=CONFIG, cache_bytes=1 << 30, seed=0):
    generator = ToyGenerator()
    latents, masks = generator.annotated()
    bank = FeatureBank(generator, latents, CPU, cache_bytes=cache_bytes)
    ensemble = build_ensemble(arch, SPEC, SIZE, 1, members, seed)
    return HeadTrainer(ensemble, bank, masks, latents.class_ids, config=config, seed=seed, members=members)


def run(trainer, steps):
    return [trainer.advance() for _ in range(steps)]


@each_arch
def test_it_learns(arch):
    trainer = make_trainer(arch)
    losses = run(trainer, 30)
    assert losses[-1] < 0.5 * losses[0]
    pairs = [foreground_iou(p.numpy(), m.numpy()) for p, m in trainer.out_of_bag(trainer.judged_rows(99))]
    # Without batch norm 30 steps bring a head less far.
    assert np.concatenate(pairs).mean() > (0.7 if arch == "vqgan" else 0.8)


@each_arch
def test_one_adam_over_all_members_is_an_adam_for_each(arch):
    together, alone = make_trainer(arch), make_trainer(arch, members=[2])
    run(together, 4)
    run(alone, 4)
    features = together._bank.batch(torch.arange(4))
    with torch.no_grad():
        expected, got = together.ensemble.eval()(features)[2], alone.ensemble.eval()(features)[0]
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=2e-3)


@each_arch
@pytest.mark.parametrize("stop", [0, 1, 5])
def test_resumed_equals_uninterrupted_bit_for_bit(arch, stop):
    whole, first, second = (make_trainer(arch) for _ in range(3))
    run(first, stop)
    second.set_state(first.state())
    assert run(whole, 8)[stop:] == run(second, 8 - stop)
    expected, got = whole.state(), second.state()
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        assert torch.equal(value, got[name]), name


def test_same_seed_same_bits_other_seed_other_bits():
    assert run(make_trainer(), 3) == run(make_trainer(), 3) != run(make_trainer(seed=1), 3)


def test_features_are_made_once_or_for_every_batch():
    cached, fresh = make_trainer(), make_trainer(cache_bytes=0)
    generators = [trainer._bank._generator for trainer in (cached, fresh)]
    before = [generator.calls for generator in generators]
    np.testing.assert_allclose(run(cached, 3), run(fresh, 3), rtol=1e-4)
    assert [g.calls - n for g, n in zip(generators, before, strict=True)] == [0, 3]
    assert feature_bytes(SPEC) == 4 * (6 + 9 * 16 + 4 * 64 + 3 * 256 + 7)


def test_without_bagging_all_weights_are_one_and_nobody_can_judge():
    config = TrainingConfig(steps=3, batch=4, learning_rate=1e-2, bagging=False)
    trainer = make_trainer(config=config)
    run(trainer, 1)
    assert len(trainer.judged_rows(99)) == 0


def test_batch_larger_than_the_set():
    config = TrainingConfig(steps=3, batch=16, learning_rate=1e-2)
    assert all(np.isfinite(run(make_trainer(config=config), 3)))


def test_judged_rows_are_limited_and_out_of_somebodys_bag():
    trainer = make_trainer()
    rows = trainer.judged_rows(2)
    assert len(rows) == 2
    assert (trainer.counts_MN[:, rows] == 0).any(0).all()


def test_a_loss_that_is_not_finite_stops_the_run():
    trainer = make_trainer()
    trainer._bank._condition[:] = float("nan")
    with pytest.raises(BdganError, match="training diverged: the loss of step 1 is nan"):
        trainer.advance()


def test_a_checkpoint_of_other_heads_is_refused():
    state = make_trainer().state()
    with pytest.raises(DataError, match="does not fit these heads"):
        make_trainer(members=[0]).set_state(state)
    with pytest.raises(DataError, match="does not fit these heads"):
        make_trainer().set_state({})
