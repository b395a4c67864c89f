import numpy as np
import pytest
import torch

from bdgan_cli.errors import UsageError
from bdgan_cli.heads.bank import FeatureBank, feature_bytes, make_features
from bdgan_cli.heads.estimate import Workload, estimate, measure
from bdgan_cli.heads.memory import free_bytes, held_bytes, peak_bytes, peak_held_bytes
from bdgan_cli.heads.presets import TrainingConfig
from bdgan_cli.heads.registry import ARCHITECTURES, build_ensemble
from bdgan_cli.heads.training import HeadTrainer
from bdgan_cli.heads.turns import Costs, Turns, choose_turns, member_groups
from bdgan_cli.interfaces import Features, Truncation
from bdgan_cli.weights.registry import load_generator
from tests.heads.toy import SIZE, SPEC, ToyGenerator

CPU = torch.device("cpu")
BATCH, MEMBERS = 4, 4
CONFIG = TrainingConfig(steps=30, batch=BATCH, learning_rate=1e-2)
each_arch = pytest.mark.parametrize("arch", sorted(ARCHITECTURES))


def builder(arch, dtype=torch.float32):
    return lambda positions: build_ensemble(arch, SPEC, SIZE, 1, list(positions), 0).to(dtype)


class DoubleBank(FeatureBank):
    """Features in double precision: what differs then differs by more than rounding."""

    def batch(self, rows_B):
        features = super().batch(rows_B)
        return Features([x.double() for x in features.maps], features.condition.double())


def make_trainer(arch, turns=None, members=MEMBERS, dtype=torch.float32, cache_bytes=1 << 30):
    latents, masks = ToyGenerator().annotated()
    bank = (DoubleBank if dtype == torch.float64 else FeatureBank)(
        ToyGenerator(), latents, CPU, cache_bytes=cache_bytes
    )
    build = builder(arch, dtype)
    return HeadTrainer(
        build(range(members)), bank, masks, latents.class_ids, config=CONFIG, seed=0, members=range(members),
        turns=turns, build=build,
    )  # fmt: skip


def gradients(trainer):
    return {name: parameter.grad.clone() for name, parameter in trainer.ensemble.named_parameters()}


@pytest.mark.parametrize(("arch", "at_a_time"), [("multilevel", 1), ("multilevel", 2), ("official", 1)])
def test_members_in_turn_equal_members_together(arch, at_a_time):
    members = 2 if arch == "official" else MEMBERS
    together = make_trainer(arch, None, members, torch.float64)
    in_turn = make_trainer(arch, Turns(BATCH, at_a_time), members, torch.float64)
    for _ in range(2):
        assert together.advance() == pytest.approx(in_turn.advance(), abs=1e-6)
    expected, got = together.state(), in_turn.state()
    assert expected.keys() == got.keys()
    for name, value in expected.items():
        torch.testing.assert_close(got[name], value, rtol=0, atol=1e-6, msg=name)
    for (want, truth), (have, _) in zip(
        together.out_of_bag(together.judged_rows(9)), in_turn.out_of_bag(in_turn.judged_rows(9)), strict=True
    ):
        assert torch.equal(want, have)
        assert truth.shape == want.shape


@pytest.mark.parametrize(
    ("arch", "samples", "at_a_time"), [("multilevel", 1, 4), ("multilevel", 3, 2), ("official", 3, 2)]
)
def test_a_batch_added_up_from_parts_equals_the_whole_with_frozen_statistics(arch, samples, at_a_time):
    rows = torch.tensor([0, 3, 7, 10])
    whole = make_trainer(arch, dtype=torch.float64)
    parts = make_trainer(arch, Turns(samples, at_a_time), dtype=torch.float64)
    losses = []
    for trainer in (whole, parts):
        trainer.set_training(False)
        losses.append(trainer.accumulate(rows))
    assert losses[0] == pytest.approx(losses[1], abs=1e-6)
    got = gradients(parts)
    for name, value in gradients(whole).items():
        torch.testing.assert_close(got[name], value, rtol=1e-6, atol=1e-6, msg=name)


def test_statistics_are_those_of_a_part():
    whole, parts = make_trainer("multilevel"), make_trainer("multilevel", Turns(2, MEMBERS))
    assert whole.advance() != pytest.approx(parts.advance(), abs=1e-6)


@each_arch
def test_resumed_in_turns_equals_uninterrupted_bit_for_bit(arch):
    turns = Turns(2, 2)
    whole, first, second = (make_trainer(arch, turns) for _ in range(3))
    losses = [whole.advance() for _ in range(3)]
    first.advance()
    second.set_state(first.state())
    assert [second.advance() for _ in range(2)] == losses[1:]
    got = second.state()
    for name, value in whole.state().items():
        assert torch.equal(value, got[name]), name


@each_arch
def test_memory_does_not_grow_with_the_members_that_wait(arch):
    peaks, weights = [], []
    for members in (2, 8):
        trainer = make_trainer(arch, Turns(BATCH, 1), members, cache_bytes=0)
        trainer.advance()
        with peak_bytes(CPU) as peak:
            trainer.advance()
        peaks.append(peak.bytes)
        weights.append(sum(parameter.nbytes for parameter in trainer.ensemble.parameters()))
    # A gradient for each weight, and at most two temporaries of the optimiser over all of them.
    assert peaks[1] - peaks[0] <= 3 * (weights[1] - weights[0])


def test_members_together_take_more():
    peaks = []
    for turns in (Turns(BATCH, 1), Turns(BATCH, 8)):
        trainer = make_trainer("multilevel", turns, 8)
        trainer.advance()
        with peak_bytes(CPU) as peak:
            trainer.advance()
        peaks.append(peak.bytes)
    assert peaks[1] > 2 * peaks[0]


def test_groups_that_cannot_be():
    ensemble = builder("multilevel")(range(4))
    with pytest.raises(ValueError, match="4 members in groups of 3"):
        member_groups(ensemble, 3, builder("multilevel"))
    latents, masks = ToyGenerator().annotated()
    bank = FeatureBank(ToyGenerator(), latents, CPU)
    with pytest.raises(ValueError, match="needs 'build'"):
        HeadTrainer(
            ensemble, bank, masks, latents.class_ids, config=CONFIG, seed=0, members=range(4), turns=Turns(4, 2)
        )


def test_peak_counts_what_lives_at_once():
    before = torch.zeros(1000)
    with peak_bytes(CPU) as peak:
        first = before.view(10, 100).add_(1).t()  # nothing new
        second = first * 2  # 4000 bytes
        third = second + 1  # 4000 bytes
        del second, third
        fourth = torch.zeros(1500)  # 6000 bytes
    assert peak.bytes == 8000
    assert fourth.sum() == 0


def test_the_memory_of_this_process_and_machine():
    held = held_bytes(CPU)
    assert 10_000_000 < held <= 1.1 * peak_held_bytes(CPU)
    assert free_bytes(CPU) > 0


COSTS = Costs(features=10, sample=5, member=3, weights=20, generator=8)


@pytest.mark.parametrize(
    ("allowed", "expected", "kept"),
    [
        (20 + 500 + 4 * (15 + 8 * 3), Turns(4, 8), True),
        (20 + 500 + 4 * (15 + 8 * 3) - 1, Turns(4, 4), True),
        (20 + 500 + 4 * (15 + 3), Turns(4, 1), True),  # features that are kept come before members together
        (20 + 500 + 4 * (15 + 3) - 1, Turns(4, 8), False),
        (20 + 4 * (15 + 3), Turns(4, 1), False),
        (20 + 4 * (15 + 3) - 1, Turns(2, 4), False),  # three fit: two and two are as equal as it gets
        (20 + 18, Turns(1, 1), False),
    ],
)
def test_what_does_not_fit_is_cut(allowed, expected, kept):
    turns, is_kept = choose_turns(COSTS, 4, 8, 50, allowed)
    assert (turns, is_kept) == (expected, kept)
    assert COSTS.of(turns, 50 * is_kept) <= allowed


def test_a_turn_may_be_given():
    assert choose_turns(COSTS, 4, 8, 50, 10**6, fixed_samples=3)[0] == Turns(3, 8)


@pytest.mark.parametrize(("allowed", "fixed", "needed"), [(37, None, 38), (38, 2, 56)])
def test_what_cannot_fit_is_refused_with_what_would(allowed, fixed, needed):
    with pytest.raises(UsageError, match=f"{needed / 10} GB for {fixed or 1} sample.*{allowed / 10} GB") as caught:
        choose_turns(
            Costs(*(value * 10**8 for value in vars(COSTS).values())), 4, 8, 50, allowed * 10**8, fixed_samples=fixed
        )
    assert caught.value.hint.startswith(f"allow more: --memory-gb {needed / 10}")


@pytest.mark.parametrize(("arch", "turns"), [("multilevel", Turns(4, 2)), ("official", Turns(2, 1))])
def test_the_estimate_is_near_what_a_step_takes(arch, turns):
    generator = load_generator("tiny-biggan")
    latents = generator.draw([0] * 4, list(range(4)), 0, Truncation(1.0))
    masks = torch.zeros(4, 64, 64, dtype=torch.uint8)

    def build(positions):
        return build_ensemble(arch, generator.spec, 64, 1, list(positions), 0)

    costs = measure(Workload(generator, latents, build, 2, CONFIG, CPU)).costs
    trainer = HeadTrainer(
        build(range(2)), FeatureBank(generator, latents, CPU, cache_bytes=0), masks, latents.class_ids, config=CONFIG,
        seed=0, members=range(2), turns=turns, build=build,
    )  # fmt: skip
    with peak_bytes(CPU) as peak:
        trainer.advance()
    assert peak.bytes < costs.of(turns, 0) < 2 * peak.bytes


def test_an_estimate_is_measured_and_leaves_the_run_as_it_was():
    generator = ToyGenerator()
    latents, _ = generator.annotated()
    before = torch.get_rng_state()
    work = Workload(generator, latents, builder("multilevel"), MEMBERS, CONFIG, CPU)
    found = estimate(work, 1 << 30)
    assert (found.turns, found.kept) == (Turns(BATCH, MEMBERS), True)
    assert 0 < found.turn_seconds <= found.step_seconds < 10
    assert found.seconds(10) == pytest.approx(found.first_seconds + 10 * found.step_seconds)
    assert torch.equal(before, torch.get_rng_state())
    costs = measure(work).costs
    cut = estimate(work, costs.of(Turns(BATCH, 1), len(latents.class_ids)) - 1)
    assert (cut.turns.samples, cut.kept) == (BATCH, False)
    assert costs.features == feature_bytes(SPEC)
    again = estimate(work, 1, fixed=Turns(2, 1))
    assert (again.turns, again.kept) == (Turns(2, 1), False)


def test_features_of_a_large_batch_are_made_in_passes():
    generator = ToyGenerator()
    latents = generator.draw([0, 1] * 20, list(range(40)), 0, Truncation(1.0))
    calls = generator.calls
    made = make_features(generator, latents, CPU)
    assert generator.calls - calls == 3  # 16, 16, 8
    _, whole = generator.synthesize(latents)
    for got, expected in zip(made.maps, whole.maps, strict=True):
        assert torch.equal(got, expected)
    assert np.array_equal(made.condition, whole.condition)
