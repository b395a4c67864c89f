import json
import math

import numpy as np
import pytest

from bdgan_cli.analysis.distances import frechet_distance
from bdgan_cli.cli.analyze_quality import quality
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.schema import ModelRef
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import MissingError, UsageError
from bdgan_cli.weights.registry import load_model
from bdgan_cli.workflows.analysis_io import AnalysisConfig
from bdgan_cli.workflows.analyze_quality import QualityOptions, analyze_quality, write_quality
from bdgan_cli.workflows.sample import SampleConfig, sample
from tests.dataset.builders import make_info, make_sample

PER_CLASS, CLASSES = 24, 3


@pytest.fixture(scope="module")
def sets(tmp_path_factory):
    """Two sets of the same world with exact labels, one of which shares its first pictures with a third."""
    folder = tmp_path_factory.mktemp("sets")
    plans = {"one": (5, PER_CLASS), "two": (6, PER_CLASS), "few": (5, 4)}
    for name, (seed, count) in plans.items():
        sample(
            SampleConfig(
                workspace=folder, name=name, classes=f"0-{CLASSES - 1}", per_class=count, seed=seed, labels="exact",
                batch=4, shard_size=24, workers=1, device="cpu",
            )
        )  # fmt: skip
    return {name: str(folder / "datasets" / name) for name in plans}


def toy(root, classes=2, per_class=4, change=lambda values: values, **info):
    writer = open_for_writing(root, make_info(classes, per_class, **info))
    samples = [make_sample(c, i) for c in range(classes) for i in range(per_class)]
    for c in range(classes):
        writer.write_shard(f"c{c:04d}-b0000", (change(s) for s in samples[c * per_class : (c + 1) * per_class]))
    writer.finalize()
    return str(root)


def run(datasets, **options):
    config = AnalysisConfig(tuple(datasets), workers=1)
    return analyze_quality(config, QualityOptions(**{"device": "cpu", "kid_subsets": 5, **options}))


def slow_features(path):
    """One picture at a time, in the order of the table."""
    import torch

    network = load_model("tiny-features")
    pictures = [record.image for record in open_dataset(path).iterate(("image",))]
    with torch.inference_mode():
        rows = [network(torch.from_numpy(p).permute(2, 0, 1)[None].float() / 127.5 - 1)[0] for p in pictures]
    return torch.stack(rows).double().numpy()


def test_distances_are_those_of_features_computed_one_by_one(sets):
    found = run([sets["one"]], reference=sets["two"]).to_json()["datasets"]["one"]
    one, two = slow_features(sets["one"]), slow_features(sets["two"])
    distance = found["distance"]
    assert distance["features"] == "tiny-features"
    assert (distance["dimensions"], distance["samples"], distance["fid_samples"]) == (128, 72, 72)
    assert distance["fid"] == pytest.approx(frechet_distance(one, two), rel=1e-4)
    assert distance["kid"]["mean_x1000"] == 1000 * distance["kid"]["mean"]
    assert list(distance["classes"]) == ["0", "1", "2"]
    assert distance["classes"]["1"]["samples"] == PER_CLASS
    assert all(math.isnan(of["fid"]) and math.isfinite(of["kid"]["mean"]) for of in distance["classes"].values())


def test_too_few_samples_are_said_in_words(sets):
    found = run([sets["one"]], reference=sets["few"]).to_json()["datasets"]["one"]
    words = " ".join(found["notes"])
    assert found["distance"]["rank_deficient"] is True
    assert "12 samples are fewer than needed for the 128 dimensions of tiny-features" in words
    assert "3 of 3 classes have no FID" in words
    assert "3 of 3 classes have no KID" in words
    assert "12 samples of each set instead of 5000" in words


def test_a_smaller_draw_is_even_over_classes_and_the_same_for_both(sets):
    found = run([sets["one"]], reference=sets["two"], samples=30).to_json()["datasets"]["one"]["distance"]
    assert (found["samples"], found["reference_samples"]) == (30, 30)
    assert [of["samples"] for of in found["classes"].values()] == [10, 10, 10]
    assert "instead of" not in str(found)


def test_a_set_against_itself(sets):
    found = run([sets["one"]], reference=sets["one"]).to_json()["datasets"]["one"]
    assert found["distance"]["fid"] == pytest.approx(0, abs=1e-9)
    assert found["duplicates"]["reference"]["share"] == 1
    assert "compared with itself" in " ".join(found["notes"])


def test_pictures_of_the_same_latents_are_found_in_the_reference(sets):
    result = run([sets["few"], sets["two"]], reference=sets["one"])
    few, two = result.to_json()["datasets"].values()
    assert few["duplicates"]["reference"]["affected"] == 12
    assert two["duplicates"]["reference"]["affected"] == 0
    pairs = few["duplicates"]["reference"]["closest"]
    assert all(pair["key"] == pair["other"] and pair["bits"] == 0 for pair in pairs)
    assert list(result.pictures) == ["quality-copies-1"]
    assert result.pictures["quality-copies-1"].dtype == np.uint8


def test_without_reference_only_what_needs_none(tmp_path, monkeypatch):
    monkeypatch.setattr("bdgan_cli.workflows.analyze_quality.load_extractor", None)  # nothing may be loaded
    root = toy(tmp_path / "toy")
    result = run([root])
    found = result.to_json()["datasets"]["toy"]
    assert found["distance"] is None
    assert "--reference" in found["notes"][0]
    assert list(found["uncertainty"]) == ["uncertainty"]
    of = found["uncertainty"]["uncertainty"]
    # The toy's scores are index / 10.
    assert of["quantiles"]["0.5"] == pytest.approx(0.15)
    assert of["worst"][0] == {"key": "n00000000_7_3", "class_id": 0, "score": pytest.approx(0.3)}
    assert of["best"][0]["key"] == "n00000000_7_0"
    assert of["classes"]["1"]["name"] == "star"
    assert found["duplicates"]["within"] == {
        "max_rms": 12.0, "images": 8, "affected": 0, "share": 0.0, "pairs": 0, "closest": []
    }  # fmt: skip
    assert list(result.figures) == ["quality-uncertainty"]


def test_classes_are_matched_by_wnid_and_others_are_named(tmp_path, sets):
    mine = toy(tmp_path / "mine", 2, 24, generator=ModelRef("tiny-biggan", "ab" * 32))
    theirs = toy(tmp_path / "theirs", 3, 24, name="theirs", generator=ModelRef("tiny-biggan", "ab" * 32))
    found = run([mine], reference=theirs).to_json()["datasets"]["toy"]
    assert list(found["distance"]["classes"]) == ["0", "1"]
    assert "2 classes are in both sets, 0 only here, 1 only in the reference" in " ".join(found["notes"])
    # 48 of each set: the reference spreads them over three classes. KID takes all there are.
    assert [of["samples"] for of in found["distance"]["classes"].values()] == [24, 24]
    assert [of["reference_samples"] for of in found["distance"]["classes"].values()] == [16, 16]
    assert found["distance"]["classes"]["0"]["name"] == "disc"


@pytest.mark.parametrize(
    ("generators", "features", "named"),
    [
        (("tiny-biggan", "tiny-vqgan"), "auto", "tiny-features"),
        (("tiny-biggan", None), "auto", "tiny-features"),
        ((None, None), "auto", "inception-fid"),
        (("tiny-biggan", "biggan-512"), "auto", "inception-fid"),
        (("biggan-512", None), "auto", "inception-fid"),
        ((None, None), "tiny-features", "tiny-features"),
        (("tiny-biggan", "tiny-biggan"), "inception-fid", "inception-fid"),
    ],
)
def test_which_features_are_taken(tmp_path, generators, features, named):
    roots = [
        toy(tmp_path / f"d{i}", name=f"d{i}", generator=name and ModelRef(name, "ab" * 32))
        for i, name in enumerate(generators)
    ]
    if named == "tiny-features":
        found = run(roots[:1], reference=roots[1], features=features).to_json()["datasets"]["d0"]
        assert found["distance"]["features"] == named
        return
    with pytest.raises(MissingError, match="weights of inception-fid are not installed") as caught:
        run(roots[:1], reference=roots[1], features=features)
    assert "bdgan models pull inception-fid" in caught.value.hint


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"samples": 1}, UsageError, "--samples 1, expected at least 2"),
        ({"kid_subsets": 0}, UsageError, "--kid-subsets 0"),
        ({"kid_size": 1}, UsageError, "--kid-size 1"),
        ({"listed": -1}, UsageError, "--listed -1"),
        ({"duplicate_bits": 40}, UsageError, "--duplicate-bits 40, expected 0 to 16"),
        ({"features": "tiny-clasifier"}, MissingError, "unknown features"),
        ({"features": "tiny-classifier"}, UsageError, "is a classifier, expected"),
        ({"reference": "nowhere"}, MissingError, "nowhere"),
    ],
)
def test_what_cannot_be_right_is_refused(tmp_path, options, error, words):
    root = toy(tmp_path / "toy")
    with pytest.raises(error, match=words):
        run([root], **{"reference": root, **options})


@pytest.mark.parametrize("per_class", [0, 1])
def test_hardly_any_samples_are_no_crash(tmp_path, per_class, sets):
    root = toy(tmp_path / "toy", 1, per_class)
    result = run([root], reference=sets["one"], features="tiny-features")
    found = result.to_json()["datasets"]["toy"]
    assert math.isnan(found["distance"]["fid"])
    assert "too few samples for FID and KID" in " ".join(found["notes"])
    assert found["duplicates"]["within"]["share"] == 0
    assert write_quality(AnalysisConfig(out=tmp_path / "out"), result, [result.entries[0].named])


def test_results_are_written_once_and_the_same(tmp_path, sets):
    config = AnalysisConfig((sets["few"], sets["two"]), out=tmp_path / "out", workers=2)
    options = QualityOptions(reference=sets["one"], device="cpu", kid_subsets=3)
    datasets = []
    for _ in range(2):
        result = analyze_quality(config, options)
        datasets = [entry.named for entry in result.entries]
        files = write_quality(config, result, datasets)  # raises if a byte differs
    assert {path.name for path in files} == {
        "quality.json", "quality.csv", "quality-classes.csv", "quality-distance.svg", "quality-distance.png",
        "quality-distance-classes.svg", "quality-distance-classes.png", "quality-copies-1.png",
    }  # fmt: skip
    lines = (tmp_path / "out" / "quality-classes.csv").read_text().splitlines()
    assert len(lines) == 1 + 2 * CLASSES
    assert json.loads((tmp_path / "out" / "quality.json").read_text())["datasets"]["few"]["images"] == 12
    other = analyze_quality(config, QualityOptions(reference=sets["two"], device="cpu", kid_subsets=3))
    with pytest.raises(UsageError, match="holds other results"):
        write_quality(config, other, datasets)


def test_the_command_prints_one_object(tmp_path, sets, capsys):
    quality([sets["few"]], reference=sets["one"], out=tmp_path / "out", kid_subsets=2, as_json=True, quiet=True)
    printed = json.loads(capsys.readouterr().out)
    assert printed["schema_version"] == 1
    assert printed["datasets"]["few"]["distance"]["rank_deficient"] is True
    quality([sets["few"]], out=tmp_path / "other", duplicates=False, quiet=True)
    assert "quality.json" in capsys.readouterr().out
