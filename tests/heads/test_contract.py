"""What every architecture in the table promises."""

import pytest
import torch

from bdgan_cli.errors import UsageError
from bdgan_cli.heads.registry import ARCHITECTURES, build_ensemble
from tests.heads.toy import SIZE, SPEC, UNCONDITIONAL, random_features

each_arch = pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
each_labels = pytest.mark.parametrize("labels", [1, 3])


def member_gradients(module, member):
    """One member's part of every gradient: a module of its own, or its block of the first axis."""
    for name, parameter in module.named_parameters():
        if name.startswith("heads."):
            if name.startswith(f"heads.{member}."):
                yield name, parameter.grad
        else:
            yield name, parameter.grad.chunk(module.members)[member]


@each_arch
@each_labels
@pytest.mark.parametrize("spec", [SPEC, UNCONDITIONAL], ids=["conditional", "unconditional"])
def test_shape_and_gradient_of_every_parameter(arch, labels, spec):
    ensemble = build_ensemble(arch, spec, SIZE, labels, 3, seed=0)
    logits = ensemble(random_features(4, spec=spec))
    assert logits.shape == (3, 4, labels, SIZE, SIZE)
    torch.randn(logits.shape, generator=torch.Generator().manual_seed(1)).mul(logits).sum().backward()
    for name, parameter in ensemble.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().max() > 0, name


@each_arch
@each_labels
def test_no_member_influences_another(arch, labels):
    ensemble = build_ensemble(arch, SPEC, SIZE, labels, 3, seed=0)
    ensemble(random_features(4))[1].square().sum().backward()
    for member in (0, 2):
        for name, gradient in member_gradients(ensemble, member):
            assert gradient is None or not gradient.any(), name


@each_arch
def test_a_member_depends_on_seed_and_id_alone(arch):
    features = random_features(4)
    together = build_ensemble(arch, SPEC, SIZE, 1, 6, seed=3)(features)
    alone = build_ensemble(arch, SPEC, SIZE, 1, [5], seed=3)(features)
    torch.testing.assert_close(alone[0], together[5], rtol=1e-4, atol=1e-4)
    assert not torch.allclose(together[4], together[5], atol=0.01)
    assert not torch.allclose(build_ensemble(arch, SPEC, SIZE, 1, [5], seed=4)(features)[0], together[5], atol=0.01)


@each_arch
def test_building_leaves_the_global_stream_alone(arch):
    before = torch.get_rng_state()
    build_ensemble(arch, SPEC, SIZE, 1, 2, seed=3)
    assert torch.equal(before, torch.get_rng_state())


@each_arch
@each_labels
def test_inference_form_computes_the_same(arch, labels):
    ensemble = build_ensemble(arch, SPEC, SIZE, labels, 2, seed=0)
    for seed in range(3):
        ensemble(random_features(4, seed))
    inference = ensemble.for_inference()
    features = random_features(2, seed=9)
    with torch.no_grad():
        expected = ensemble.eval()(features)
        again = ensemble.for_inference()(features)
        assert torch.equal(again, inference(features))  # and the first copy left the original as it was
        torch.testing.assert_close(inference(features), expected, rtol=1e-4, atol=1e-4)
    assert inference.members == 2
    assert not any(parameter.requires_grad for parameter in inference.parameters())


@each_arch
def test_in_evaluation_a_sample_does_not_depend_on_its_batch(arch):
    inference = build_ensemble(arch, SPEC, SIZE, 1, 2, seed=0).for_inference()
    features = random_features(3)
    one = type(features)([x[1:2] for x in features.maps], features.condition[1:2])
    torch.testing.assert_close(inference(one)[:, 0], inference(features)[:, 1], rtol=1e-4, atol=1e-4)


# The paper's VQGAN head hears of the class through the prior's hidden states alone.
@pytest.mark.parametrize("arch", sorted(ARCHITECTURES.keys() - {"vqgan"}))
def test_the_class_matters(arch):
    ensemble = build_ensemble(arch, SPEC, SIZE, 1, 1, seed=0).eval()
    features = random_features(1)
    other = features._replace(condition=features.condition + 3)
    assert not torch.allclose(ensemble(features), ensemble(other), atol=1e-3)


def test_unknown_architecture_names_near_ones():
    with pytest.raises(UsageError) as caught:
        build_ensemble("multilevle", SPEC, SIZE, 1, 1, 0)
    assert "multilevel" in caught.value.hint
