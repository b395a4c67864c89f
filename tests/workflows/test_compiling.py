"""``sample --compile``: by default without code generation, which takes a minute; the slow tests generate it."""

import shutil
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import torch

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.errors import BdganError, UsageError
from bdgan_cli.heads.registry import ARCHITECTURES, build_ensemble
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows import labelling
from bdgan_cli.workflows.compiling import compiled, compiling_explained
from bdgan_cli.workflows.sample import SampleConfig, sample
from tests.generators.test_contract import NARROW, draw
from tests.helpers import digests

CONFIG = SampleConfig(classes="0,5", per_class=6, batch=2, shard_size=4, compiled=True)
needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a CPU")


@pytest.fixture
def captured(monkeypatch):
    """Capture the networks as a compiler would, and run what was captured operation by operation."""
    monkeypatch.setattr(labelling, "compiled", partial(compiled, backend="eager"))


@pytest.mark.parametrize("name", ["tiny-biggan", *sorted(NARROW)])
@torch.inference_mode()
def test_every_generator_can_be_captured_whole(name):
    generator = NARROW[name](name) if name in NARROW else load_generator(name)
    latents = draw(generator)
    images, features = generator.synthesize(latents)
    again, same = compiled(generator.synthesize, backend="eager")(latents)
    torch.testing.assert_close(again, images)
    torch.testing.assert_close(same.maps, features.maps)


@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
@pytest.mark.parametrize("labels", [1, 3])
@torch.inference_mode()
def test_every_head_can_be_captured_whole(arch, labels):
    generator = NARROW["biggan-512"]("biggan-512")
    heads = build_ensemble(arch, generator.spec, generator.image_size, labels, 3, 0).for_inference()
    features = generator.synthesize(draw(generator))[1]
    torch.testing.assert_close(compiled(heads, backend="eager")(features), heads(features))


def test_captured_networks_write_the_same_samples_and_the_plan_says_so(workspace, captured):
    plain = open_dataset(sample(replace(CONFIG, workspace=workspace, name="plain", compiled=False)).folder)
    fast = open_dataset(sample(replace(CONFIG, workspace=workspace, name="fast")).folder)
    assert "compiled" not in plain.info.plan
    assert fast.info.plan == {**plain.info.plan, "compiled": True}
    for one, other in zip(plain.iterate(("image", "mask")), fast.iterate(("image", "mask")), strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.mask, other.mask)


def test_a_compiled_dataset_is_not_mixed_with_another(workspace, captured):
    sample(replace(CONFIG, workspace=workspace))
    with pytest.raises(UsageError, match=r"plan\.compiled: True there, nothing now"):
        sample(replace(CONFIG, workspace=workspace, compiled=False))


def test_rejection_uses_the_compiled_networks(workspace, captured):
    options = {"workspace": workspace, "reject": 0.5, "per_class": 2}
    plain = sample(replace(CONFIG, name="plain", compiled=False, **options))
    fast = sample(replace(CONFIG, name="fast", **options))
    one, other = (open_dataset(result.folder).table["classifier_score"] for result in (plain, fast))
    assert np.array_equal(one, other)


def test_a_network_that_cannot_be_compiled_ends_in_an_error_and_overwrites_nothing(workspace, captured, monkeypatch):
    before = digests(sample(replace(CONFIG, workspace=workspace)).folder)
    generator = load_generator("tiny-biggan")

    @torch.no_grad()
    def opaque(self, latents):
        torch._dynamo.graph_break()
        raise AssertionError("never reached")

    monkeypatch.setattr(type(generator), "synthesize", opaque)
    config = replace(CONFIG, workspace=workspace, seed=1, overwrite=True)
    with pytest.raises(BdganError, match="torch cannot compile the networks: ") as caught:
        sample(config)
    assert "leave out --compile" in caught.value.hint
    assert digests(workspace / "datasets" / "tiny-biggan-sim") == before


def test_nothing_is_compiled_where_nothing_is_missing(workspace, captured, monkeypatch):
    sample(replace(CONFIG, workspace=workspace))
    monkeypatch.setattr(labelling.Labeller, "compile", lambda self: pytest.fail("compiled"))
    assert sample(replace(CONFIG, workspace=workspace)).made == 0


def test_other_errors_pass_through():
    with pytest.raises(UsageError, match="as it was"), compiling_explained():
        raise UsageError("as it was")


@pytest.mark.slow
@needs_compiler
def test_compiled_networks_give_the_same_masks_and_the_same_bytes_again(workspace):
    options = {"workspace": workspace, "classes": "all", "per_class": 20, "batch": 10, "shard_size": 20}
    plain = open_dataset(sample(replace(CONFIG, name="plain", **{**options, "compiled": False})).folder)
    first = sample(replace(CONFIG, name="first", **options)).folder
    pairs = list(zip(plain.iterate(("image", "mask")), open_dataset(first).iterate(("image", "mask")), strict=True))
    assert np.mean([(a.mask == b.mask).mean() for a, b in pairs]) >= 0.999
    assert max(np.abs(a.image.astype(int) - b.image).max() for a, b in pairs) <= 1
    torch.compiler.reset()
    second = sample(replace(CONFIG, name="first", overwrite=True, **options)).folder
    assert digests(first) == digests(second)
