"""``sample --compile``: by default without code generation, which takes a minute; the slow tests generate it."""

import shutil
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.errors import BdganError, UsageError
from bdgan_cli.heads.registry import ARCHITECTURES, build_ensemble
from bdgan_cli.progress import Silent
from bdgan_cli.runtime import Runtime
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows import labelling
from bdgan_cli.workflows.compiling import compiled, compiling_explained
from bdgan_cli.workflows.sample import SampleConfig, sample
from bdgan_cli.workflows.sampler import open_sampler
from tests.generators.test_contract import NARROW, draw
from tests.helpers import digests

CONFIG = SampleConfig(classes="0,5", per_class=6, batch=2, shard_size=4, compiled=True)


class Notes(Silent):
    """A reporter that keeps its notes."""

    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def interrupted(*_):
    raise KeyboardInterrupt


def refusing(graph, inputs):
    raise RuntimeError("no such thing\nhere")


needs_compiler = pytest.mark.skipif(shutil.which("g++") is None, reason="torch.compile needs g++ on a CPU")


@pytest.fixture(autouse=True, scope="module")
def fresh_compiler():
    """Forget what other tests compiled: there is a limit to how many shapes a function is compiled for."""
    yield
    torch.compiler.reset()


@pytest.fixture
def captured(monkeypatch):
    """Capture the networks as a compiler would, and run what was captured operation by operation; count the calls."""
    calls = Counter()

    def counted(network):
        made, name = compiled(network, "eager"), getattr(network, "__name__", "heads")

        def call(*inputs):
            calls[name] += 1
            return made(*inputs)

        return call

    monkeypatch.setattr(labelling, "compiled", counted)
    return calls


@pytest.mark.parametrize("name", sorted(NARROW))
@torch.inference_mode()
def test_every_kind_of_generator_can_be_captured_whole(name):
    generator = NARROW[name](name)
    latents = draw(generator)
    images, features = generator.synthesize(latents)
    # All of the compiler but the code that it generates: this is where torch.inference_mode inside is refused.
    again, same = compiled(generator.synthesize, "aot_eager")(latents)
    torch.testing.assert_close(again, images)
    torch.testing.assert_close(same.maps, features.maps)


@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
@torch.inference_mode()
def test_every_head_can_be_captured_whole(arch):
    generator = NARROW["biggan-512"]("biggan-512")
    heads = build_ensemble(arch, generator.spec, generator.image_size, 2, 3, 0).for_inference()
    features = generator.synthesize(draw(generator))[1]
    torch.testing.assert_close(compiled(heads, "eager")(features), heads(features))


def test_captured_networks_write_the_same_samples_and_the_plan_says_so(workspace, captured):
    plain = open_dataset(sample(replace(CONFIG, workspace=workspace, name="plain", compiled=False)).folder)
    fast = open_dataset(sample(replace(CONFIG, workspace=workspace, name="fast")).folder)
    assert "compiled" not in plain.info.plan
    assert fast.info.plan == {**plain.info.plan, "compiled": True}
    for one, other in zip(plain.iterate(("image", "mask")), fast.iterate(("image", "mask")), strict=True):
        assert np.array_equal(one.image, other.image)
        assert np.array_equal(one.mask, other.mask)
    # Three batches of each class, and one to compile.
    assert captured == {"synthesize": 7, "heads": 7}


def test_a_compiled_dataset_is_not_mixed_with_another(workspace, captured):
    sample(replace(CONFIG, workspace=workspace))
    with pytest.raises(UsageError, match=r"plan\.compiled: True there, nothing now"):
        sample(replace(CONFIG, workspace=workspace, compiled=False))
    captured.clear()
    with pytest.raises(UsageError, match=r"plan\.seed: 0 there, 1 now"):
        sample(replace(CONFIG, workspace=workspace, seed=1, per_class=12))
    assert not captured  # it is refused before anything is compiled


def test_rejection_uses_the_compiled_networks(workspace, captured):
    options = {"workspace": workspace, "reject": 0.5, "per_class": 2}
    plain = sample(replace(CONFIG, name="plain", compiled=False, **options))
    fast = sample(replace(CONFIG, name="fast", **options))
    one, other = (open_dataset(result.folder).table["classifier_score"] for result in (plain, fast))
    assert np.array_equal(one, other)
    # A batch draws four candidates, which are judged in twos; its samples are made and labelled after that.
    assert captured == {"synthesize": 3 * 3, "heads": 3}


def test_a_network_that_cannot_be_compiled_ends_in_an_error_and_overwrites_nothing(workspace, captured, monkeypatch):
    before = digests(sample(replace(CONFIG, workspace=workspace)).folder)
    generator = load_generator("tiny-biggan")

    @torch.no_grad()
    def opaque(self, latents):
        torch._dynamo.graph_break()
        raise AssertionError("never reached")

    monkeypatch.setattr(type(generator), "synthesize", opaque)
    config = replace(CONFIG, workspace=workspace, seed=1, overwrite=True)
    with pytest.raises(BdganError, match=r"torch cannot compile the networks: Unsupported: .*graph_break") as caught:
        sample(config)
    assert "leave out --compile" in caught.value.hint
    assert digests(workspace / "datasets" / "tiny-biggan-sim") == before


def test_compiling_does_not_count_as_sampling(workspace, captured):
    labeller = open_sampler(replace(CONFIG, workspace=workspace), Runtime(torch.device("cpu")), Silent()).labeller
    labeller.compile()
    assert labeller.network_seconds == 0
    assert captured == {"synthesize": 1, "heads": 1}


def test_an_interrupt_while_compiling_says_that_nothing_is_overwritten(workspace, captured, monkeypatch):
    before = digests(sample(replace(CONFIG, workspace=workspace)).folder)
    monkeypatch.setattr(labelling.Labeller, "make", interrupted)
    report = Notes()
    with pytest.raises(KeyboardInterrupt):
        sample(replace(CONFIG, workspace=workspace, seed=1, overwrite=True), report)
    assert report.notes[-1] == "nothing is overwritten yet: --overwrite is needed again"
    assert digests(workspace / "datasets" / "tiny-biggan-sim") == before


def test_nothing_is_compiled_where_nothing_is_missing(workspace, captured, monkeypatch):
    sample(replace(CONFIG, workspace=workspace))
    monkeypatch.setattr(labelling.Labeller, "compile", lambda self: pytest.fail("compiled"))
    assert sample(replace(CONFIG, workspace=workspace)).made == 0


def test_what_a_backend_raises_is_told():
    told = "torch cannot compile the networks: RuntimeError: no such thing here"
    with pytest.raises(BdganError, match=told), compiling_explained():
        torch.compile(lambda x: x + 1, backend=refusing)(torch.ones(2))


def test_other_errors_pass_through():
    with pytest.raises(UsageError, match="as it was"), compiling_explained():
        raise UsageError("as it was")


@pytest.mark.slow
@needs_compiler
def test_compiled_networks_give_the_same_masks_and_the_same_bytes_again(workspace, monkeypatch):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(workspace / "cache"))
    options = {"workspace": workspace, "classes": "all", "per_class": 20, "batch": 10, "shard_size": 20}
    plain = open_dataset(sample(replace(CONFIG, name="plain", **{**options, "compiled": False})).folder)
    first = sample(replace(CONFIG, name="first", **options)).folder
    pairs = list(zip(plain.iterate(("image", "mask")), open_dataset(first).iterate(("image", "mask")), strict=True))
    assert np.mean([(a.mask == b.mask).mean() for a, b in pairs]) >= 0.999
    assert max(np.abs(a.image.astype(int) - b.image).max() for a, b in pairs) <= 1
    before = digests(first)
    torch.compiler.reset()
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(workspace / "another"))
    assert sample(replace(CONFIG, name="first", overwrite=True, **options)).made == 240
    assert digests(first) == before
    assert any((workspace / "another").rglob("*.cpp"))  # compiled anew, not found
