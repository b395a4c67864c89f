"""The generator that docs/plugins.md shows: installed as a package of its own, and used by every command."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import torch

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.interfaces import Generator, KnowsTruth, Latents
from bdgan_cli.weights.card import ModelCard
from tests.conftest import ROOT, cli_environment

EXAMPLE = ROOT / "examples" / "plugin-generator"
PAGE = ROOT / "docs" / "plugins.md"

# What a user types, in one process: each command alone would load torch anew.
RUN_ALL = """
import contextlib, io, json, sys
from bdgan_cli.cli.main import main
done = []
for words in json.loads(sys.argv[1]):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main(words)
    done.append({"code": code, "stdout": out.getvalue(), "stderr": err.getvalue()})
print(json.dumps(done))
"""


@pytest.fixture(scope="module")
def discs() -> ModuleType:
    """The example's module, from its file."""
    spec = importlib.util.spec_from_file_location("bdgan_discs", EXAMPLE / "bdgan_discs.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def generator(discs: ModuleType) -> Any:
    return discs.build(ModelCard("discs", "generator", "discs", "bdgan_discs:build"), [], torch.device("cpu"))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the example with pip, as a user does, into a folder that child processes search."""
    source, site = tmp_path_factory.mktemp("source") / "plugin", tmp_path_factory.mktemp("site")
    shutil.copytree(EXAMPLE, source)  # building leaves files behind
    command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--no-build-isolation"]
    subprocess.run([*command, "--target", str(site), str(source)], check=True, capture_output=True)
    assert list(site.glob("bdgan_discs-*.dist-info/entry_points.txt"))
    return {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), cli_environment()["PYTHONPATH"]])}


def blocks(language: str) -> list[str]:
    """Return the code blocks of the page."""
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)


@pytest.mark.parametrize(("language", "file"), [("python", "bdgan_discs.py"), ("toml", "pyproject.toml")])
def test_the_page_shows_the_very_file(language: str, file: str) -> None:
    assert blocks(language)[0] == (EXAMPLE / file).read_text(encoding="utf-8")


def test_a_whole_generator_takes_less_than_60_lines() -> None:
    assert len((EXAMPLE / "bdgan_discs.py").read_text(encoding="utf-8").splitlines()) < 60


def test_the_commands_of_the_page_are_those_that_are_tested() -> None:
    commands = [line for block in blocks("sh") for line in block.splitlines()]
    assert commands[0] == "pip install ./examples/plugin-generator"
    assert [line.split()[1:] for line in commands[1:]] == COMMANDS


COMMANDS = [
    ["models", "list"],
    ["models", "verify", "discs"],
    ["sample", "--gen", "discs", "--exact-labels", "--per-class", "10"],
    ["train-head", "--gen", "discs", "--members", "2"],
    ["sample", "--gen", "discs", "--per-class", "20"],
]


def test_it_is_a_generator_that_knows_the_truth(generator: Any) -> None:
    assert isinstance(generator, Generator)
    assert isinstance(generator, KnowsTruth)


def test_it_publishes_what_its_spec_says(generator: Any) -> None:
    latents = generator.draw([0, 1, 1], [0, 0, 5], 3, generator.default_rule)
    assert latents.values.shape[1:] == generator.latent.shape
    images, features = generator.synthesize(latents)
    assert images.shape == (3, 3, generator.image_size, generator.image_size)
    assert images.abs().max() <= 1
    assert [tuple(found.shape[1:]) for found in features.maps] == [tap[1:] for tap in generator.spec.taps]
    assert features.condition.shape == (3, generator.spec.condition_dim)


def test_a_sample_depends_on_its_name_alone(generator: Any) -> None:
    classes, indices = [0, 1] * 4, list(range(8))
    together = generator.draw(classes, indices, 1, generator.default_rule)
    images, features = generator.synthesize(together)
    for row, (class_id, index) in enumerate(zip(classes, indices, strict=True)):
        alone = generator.draw([class_id], [index], 1, generator.default_rule)
        torch.testing.assert_close(alone.values[0], together.values[row], rtol=0, atol=0)
        image, own = generator.synthesize(alone)
        torch.testing.assert_close(image[0], images[row], rtol=0, atol=1e-4)
        for found, expected in zip(own.maps, features.maps, strict=True):
            torch.testing.assert_close(found[0], expected[row], rtol=0, atol=1e-4)


def test_the_truth_is_what_the_picture_shows(generator: Any) -> None:
    latents = generator.draw([0, 1] * 10, list(range(20)), 0, generator.default_rule)
    masks = generator.truth(latents)
    images, _ = generator.synthesize(latents)
    assert (masks.dtype, set(masks.unique().tolist())) == (torch.uint8, {0, 1})
    for image, mask in zip(images, masks, strict=True):
        for part in (image[:, mask == 1], image[:, mask == 0]):
            assert (part == part[:, :1]).all()  # one colour each
        assert (image[:, mask == 1].mean(1) != image[:, mask == 0].mean(1)).any()


def test_installed_it_works_with_every_command(environment: dict[str, str], tmp_path: Path, generator: Any) -> None:
    quick = [["--steps", "120"] if words[0] == "train-head" else [] for words in COMMANDS]
    place = [["--workspace", str(tmp_path)] if words[0] != "models" else [] for words in COMMANDS]
    words = [[*told, "--json", *more, *where] for told, more, where in zip(COMMANDS, quick, place, strict=True)]
    run = subprocess.run(
        [sys.executable, "-c", RUN_ALL, json.dumps(words)], env=environment, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    done = json.loads(run.stdout)
    assert [step["code"] for step in done] == [0] * len(COMMANDS), [step["stderr"] for step in done]
    listed, verified, _, trained, sampled = (json.loads(step["stdout"]) for step in done)

    model = next(model for model in listed["models"] if model["name"] == "discs")
    assert (model["kind"], model["source"]) == ("generator", "bdgan-discs 0.1")
    assert [(check["name"], check["problem"]) for check in verified["models"]] == [("discs", "")]
    assert trained["members"] == 2
    assert sampled["samples"] == 40

    dataset = open_dataset(sampled["dataset"])
    keys = dataset.keys()
    records = [dataset.read(key) for key in keys]
    values = torch.stack([torch.from_numpy(record.latent) for record in records])
    classes = torch.tensor([row["class_id"] for row in dataset.table.to_pylist()])
    truth = generator.truth(Latents(values, classes, torch.full((len(classes),), 0.9))).bool()
    masks = torch.stack([torch.from_numpy(record.mask == 1) for record in records])
    iou = (truth & masks).sum((1, 2)) / (truth | masks).sum((1, 2))
    assert iou.mean() > 0.8
