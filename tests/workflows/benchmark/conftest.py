from __future__ import annotations

import pytest

from bdgan_cli.progress import Silent
from bdgan_cli.workflows.benchmark.benchmark import benchmark
from bdgan_cli.workflows.benchmark.config import BenchmarkConfig, RecipeOptions
from bdgan_cli.workflows.benchmark.world import World
from tests.workflows.benchmark.sets import SIZES, cpu, samples, write


@pytest.fixture(scope="session")
def world(tmp_path_factory):
    """An embedded world of the least size, in a workspace that tests share."""
    return World(tmp_path_factory.mktemp("world"), SIZES, 0, cpu(), Silent())


@pytest.fixture(scope="session")
def tiny(world):
    """The configuration of a study in that workspace, a few seconds long."""
    return BenchmarkConfig(
        "shapes-fgbg", world.workspace, "tiny", ("sup", "on"), recipe=RecipeOptions(steps=4, batch=4), seeds=1,
        world=SIZES, threads=1, device="cpu",
    )  # fmt: skip


@pytest.fixture(scope="session")
def finished(tiny):
    """The study that this configuration gives."""
    return benchmark(tiny)


@pytest.fixture(scope="session")
def sets(tmp_path_factory):
    """Two training sets and a test set of cats, dogs and cars that share nothing."""
    root = tmp_path_factory.mktemp("sets")
    return {
        name: write(root / name, samples(count, seed=seed), kind=kind)
        for name, count, seed, kind in [
            ("annotated", 9, 1, "annotated"), ("synthetic", 12, 2, "sampled"), ("real", 7, 3, "real"),
        ]
    }  # fmt: skip
