"""VQGAN on small random stages, against the package's own slow forward passes."""

import pytest
import torch
from taming.modules.transformer.mingpt import GPT
from taming.modules.vqvae.quantize import VectorQuantizer

from bdgan_cli.errors import UsageError
from bdgan_cli.generators.vqgan import FIRST_STAGE, PRIOR, VQGAN, TwoStages, feature_spec
from bdgan_cli.generators.vqgan_first_stage import FirstStageConfig, Quantizer
from bdgan_cli.generators.vqgan_prior import PriorConfig, pick
from bdgan_cli.interfaces import ClassInfo, CodeSampling, Truncation

SMALL_STAGE = FirstStageConfig(
    image_size=16, width=32, multipliers=(1, 2), blocks=1, attention_size=8, vocabulary=40, code_width=8
)
SMALL_PRIOR = PriorConfig(layers=4, heads=2, width=16, vocabulary=40, positions=64, tap_every=2)
CLASSES = tuple(ClassInfo(i, "", f"class {i}") for i in range(5))
RECIPE = CodeSampling(top_k=20, top_p=0.9)


@pytest.fixture(scope="module")
def generator():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        stages = TwoStages(SMALL_STAGE, SMALL_PRIOR)
        for parameter in stages.transformer.parameters():
            parameter.data.add_(torch.randn_like(parameter), alpha=0.2)  # otherwise every code is as likely
        stages.first_stage_model.quantize.embedding.weight.data.normal_()
    return VQGAN("small", stages, SMALL_PRIOR, CLASSES, recipe=RECIPE, device=torch.device("cpu"))


@pytest.fixture(scope="module")
def latents(generator):
    return generator.draw([0, 1, 4, 3], [0, 1, 2, 9], 0, RECIPE)


def test_the_prior_agrees_with_the_package(generator, latents):
    slow = GPT(40, 64, n_layer=4, n_head=2, n_embd=16).eval()
    slow.load_state_dict(generator.prior.transformer.state_dict(), strict=False)  # lacks the masks alone
    tokens = torch.cat([latents.class_ids.unsqueeze(1), latents.values[:, :-1]], dim=1)
    with torch.no_grad():
        expected, _ = slow(tokens)
        logits = generator.prior.logits(latents.class_ids, latents.values)
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=1e-4)
    assert logits.std() > 0.1


def test_the_tapped_states_are_the_outputs_of_the_blocks(generator, latents):
    seen = []
    hooks = [block.register_forward_hook(lambda _m, _i, out: seen.append(out)) for block in slow_blocks(generator)]
    tokens = torch.cat([latents.class_ids.unsqueeze(1), latents.values[:, :-1]], dim=1)
    with torch.no_grad():
        slow_model(generator)(tokens)
        states = generator.prior.states(latents.class_ids, latents.values)
    for hook in hooks:
        hook.remove()
    torch.testing.assert_close(states, [seen[1], seen[3]], atol=1e-4, rtol=1e-4)


def slow_model(generator):
    if not hasattr(generator, "slow"):
        generator.slow = GPT(40, 64, n_layer=4, n_head=2, n_embd=16).eval()
        generator.slow.load_state_dict(generator.prior.transformer.state_dict(), strict=False)
    return generator.slow


def slow_blocks(generator):
    return slow_model(generator).blocks


def test_sampling_with_the_cache_equals_sampling_without(generator):
    classes = torch.tensor([2, 0, 1])
    uniforms = torch.rand(3, 64, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    cached = generator.prior.sample(classes, uniforms, RECIPE)
    codes = torch.zeros(3, 64, dtype=torch.int64)
    with torch.no_grad():
        for position in range(64):
            logits = generator.prior.logits(classes, codes)[:, position]
            codes[:, position] = pick(logits, uniforms[:, position], RECIPE)
    assert torch.equal(cached, codes)
    assert len(codes.unique()) > 10


def test_a_draw_depends_on_its_name_alone(generator, latents):
    alone = generator.draw([4], [2], 0, RECIPE)
    assert torch.equal(alone.values[0], latents.values[2])
    many = generator.draw([1, 4, 2] * 8, [5, 2, 7] * 8, 0, RECIPE)  # more than the slots of one pass
    assert torch.equal(many.values[[1, 22]], latents.values[[2, 2]])
    for other in ([3], [2], 0), ([4], [3], 0), ([4], [2], 1):
        assert not torch.equal(generator.draw(*other, RECIPE).values, alone.values)


def test_state_i_feeds_cell_i(generator, latents):
    states = generator.prior.states(latents.class_ids, latents.values)
    _, features = generator.synthesize(latents)
    for row, column in (0, 0), (3, 5), (7, 7):
        torch.testing.assert_close(features.maps[1][:, :, row, column], states[1][:, 8 * row + column])


def test_the_decoder_agrees_with_the_package(generator, latents):
    stage = generator.first_stage
    vectors = stage.quantize(latents.values).view(4, 8, 8, 8).permute(0, 3, 1, 2)
    with torch.no_grad():
        expected = stage.decoder(stage.post_quant_conv(vectors))
    torch.testing.assert_close(generator.synthesize(latents)[0], expected.clamp(-1, 1), atol=1e-4, rtol=0)


def test_codes_are_the_nearest_as_the_package_finds_them():
    torch.manual_seed(0)
    ours, theirs = Quantizer(40, 8), VectorQuantizer(40, 8, 0.25)
    ours.embedding.weight.data.normal_()
    theirs.embedding.weight.data.copy_(ours.embedding.weight)
    vectors = torch.randn(3, 8, 6, 6)
    _, _, (_, _, expected) = theirs(vectors)
    assert torch.equal(ours.nearest(vectors.permute(0, 2, 3, 1)).flatten(), expected.flatten())


def test_the_quantiser_needs_no_row_per_cell_over_the_vocabulary():
    quantizer = Quantizer(16384, 4)
    vectors = torch.randn(8, 48, 48, 4)  # 18,432 cells: a row over the vocabulary for each would be 1.2 GB
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CPU], profile_memory=True) as profile:
        codes = quantizer.nearest(vectors)
        quantizer(codes)
    most = max(event.cpu_memory_usage for event in profile.events())
    assert 0 < most < 0.35e9


def test_encoding_a_picture_gives_latents(generator, latents):
    images, _ = generator.synthesize(latents)
    encoded = generator.encode(images, [0, 1, 4, 3])
    assert encoded.values.shape == (4, 64)
    assert encoded.values.dtype == torch.int64
    assert encoded.class_ids.tolist() == [0, 1, 4, 3]
    with pytest.raises(UsageError, match=r"expected \(3, 16, 16\)"):
        generator.encode(images[:, :, :8], [0, 1, 4, 3])


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Truncation(0.9), "draws codes"),
        (CodeSampling(temperature=0), "temperature 0"),
        (CodeSampling(top_k=-1), "top-k -1"),
        (CodeSampling(top_p=0), "top-p 0"),
        (CodeSampling(top_p=1.5), "top-p 1.5"),
    ],
)
def test_rules_that_codes_cannot_follow_are_refused(generator, rule, message):
    with pytest.raises(UsageError, match=message):
        generator.draw([0], [0], 0, rule)


LOGITS = torch.tensor([[0.1, 0.5, 0.15, 0.25]]).log()


@pytest.mark.parametrize(
    ("recipe", "uniform", "code"),
    [
        (CodeSampling(), 0.49, 1),
        (CodeSampling(), 0.51, 3),
        (CodeSampling(), 0.76, 2),
        (CodeSampling(), 0.95, 0),
        (CodeSampling(top_k=2), 0.66, 1),  # 0.5 of 0.75
        (CodeSampling(top_k=2), 0.68, 3),
        (CodeSampling(top_p=0.6), 0.68, 3),  # 0.5 is not enough, 0.75 is
        (CodeSampling(top_p=0.4), 0.999, 1),
        (CodeSampling(top_k=1), 0.999, 1),
        (CodeSampling(temperature=0.05), 0.99, 1),
    ],
)
def test_pick_inverts_the_filtered_distribution(recipe, uniform, code):
    assert pick(LOGITS, torch.tensor([uniform], dtype=torch.float64), recipe).item() == code


def test_pick_follows_the_probabilities():
    uniforms = (torch.arange(1000, dtype=torch.float64) + 0.5) / 1000
    drawn = pick(LOGITS.expand(1000, 4), uniforms, CodeSampling())
    assert torch.bincount(drawn).tolist() == [100, 500, 150, 250]


def test_the_published_shape_has_the_published_taps_and_size():
    spec = feature_spec(FIRST_STAGE, PRIOR)
    assert [tap[1:] for tap in spec.taps[:12]] == [(1536, 16, 16)] * 12
    assert [tap[1:] for tap in spec.taps[12:]] == [
        (512, 16, 16), (512, 16, 16), (512, 16, 16), (256, 32, 32), (256, 64, 64), (128, 128, 128), (128, 256, 256)
    ]  # fmt: skip
    with torch.device("meta"):
        stages = TwoStages(FIRST_STAGE, PRIOR)
    assert sum(p.numel() for p in stages.transformer.parameters()) == pytest.approx(1.4106e9, rel=1e-4)
    keys = stages.state_dict().keys()
    assert "transformer.blocks.47.attn.proj.weight" in keys
    assert "first_stage_model.decoder.up.4.attn.2.proj_out.weight" in keys
    assert "first_stage_model.quantize.embedding.weight" in keys
    assert not any(key.endswith("attn.mask") for key in keys)


def test_a_prior_without_top_k_can_draw_every_code():
    drawn = pick(torch.zeros(4000, 40), (torch.arange(4000).double() + 0.5) / 4000, CodeSampling(top_k=0, top_p=1.0))
    assert torch.equal(torch.bincount(drawn, minlength=40), torch.full((40,), 100))
