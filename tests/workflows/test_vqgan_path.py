"""The whole VQGAN path on the embedded model: another generator's annotations, encoded; heads; samples; an oracle."""

import math

import numpy as np
import pytest

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.heads.registry import ARCHITECTURES
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.draw_rules import DrawOptions
from bdgan_cli.workflows.label_quality import measure_label_quality
from bdgan_cli.workflows.sample import SampleConfig, sample
from bdgan_cli.workflows.train_head import TrainHeadConfig, train_head

GEN = "tiny-vqgan"
CLASSES = "disc,star,gear"


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    folder = tmp_path_factory.mktemp("vqgan")
    annotated = sample(
        SampleConfig("tiny-biggan", folder, classes=CLASSES, per_class=5, seed=1, labels="exact", batch=5, shard_size=5)
    )
    for arch, steps in (("multilevel", 120), ("vqgan", 3)):
        train_head(TrainHeadConfig(GEN, annotated.folder, folder, arch, 2, steps=steps, name=arch))
    return folder


def draw(workspace, name, **changes):
    config = {"classes": CLASSES, "per_class": 12, "head": "multilevel", "batch": 4, "shard_size": 8, "name": name}
    return sample(SampleConfig(GEN, workspace, **{**config, **changes}))


def test_labels_agree_with_the_oracle(workspace):
    made = draw(workspace, "quality")
    quality = measure_label_quality(open_dataset(made.folder), load_generator(GEN))
    assert quality.iou.mean() > 0.85


def test_the_papers_head_runs_the_same_way(workspace):
    assert "vqgan" in ARCHITECTURES
    made = draw(workspace, "paper", head="vqgan", per_class=2)
    records = list(open_dataset(made.folder).iterate(("mask",)))
    assert len(records) == 6
    assert all(record.mask.shape == (64, 64) for record in records)


def test_codes_are_the_latents_and_no_truncation_is_claimed(workspace):
    dataset = open_dataset(draw(workspace, "codes", per_class=3).folder)
    assert dataset.info.plan["top_p"] == 0.92
    assert "truncation" not in dataset.info.plan
    for record, row in zip(dataset.iterate(("latent",)), dataset.table.to_pylist(), strict=True):
        assert record.latent.shape == (64,)
        assert np.issubdtype(record.latent.dtype, np.integer)
        assert row["truncation"] is None or math.isnan(row["truncation"])
        assert row["truncation_mode"] == ""


def test_an_extended_dataset_equals_one_made_at_once(workspace):
    whole = draw(workspace, "whole", per_class=12)
    draw(workspace, "grown", per_class=5)
    grown = draw(workspace, "grown", per_class=12)
    for name in ("shards", "index"):
        files = [sorted(path for path in (made.folder / name).rglob("*") if path.is_file()) for made in (whole, grown)]
        assert [path.name for path in files[0]] == [path.name for path in files[1]]
        assert all(a.read_bytes() == b.read_bytes() for a, b in zip(*files, strict=True))


def test_a_truncation_is_refused(workspace):
    with pytest.raises(UsageError, match="draws codes"):
        draw(workspace, "truncated", draw=DrawOptions(trunc=0.9))


def test_heads_learn_from_codes_of_their_own_generator_too(workspace):
    own = draw(workspace, "own", per_class=2)
    head = train_head(TrainHeadConfig(GEN, own.folder, workspace, members=1, steps=2, name="from-own"))
    assert head.steps_made == 2
