"""The benchmark on the embedded world: its datasets, made where they are missing, and its arms.

The renderer is the real domain, tiny-biggan the synthetic one. Everything lies in a workspace under fixed names, so
that a second benchmark finds what the first one made.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.views import write_view
from bdgan_cli.progress import Reporter
from bdgan_cli.runtime import Runtime, torch_threads
from bdgan_cli.workflows.benchmark.arms import Arm, Online
from bdgan_cli.workflows.benchmark.renders import write_renders
from bdgan_cli.workflows.draw_rules import DrawOptions
from bdgan_cli.workflows.filter import FilterConfig, filter_dataset
from bdgan_cli.workflows.sample import SampleConfig, sample
from bdgan_cli.workflows.train_head import TrainHeadConfig, train_head

GENERATOR, DOMAIN = "tiny-biggan", "shapes"
TEST, SHIFTED, REFERENCE = "shapes-real", "shapes-shifted", "shapes-reference"
ONLINE_SEED = 2
_ANNOTATED_SEED, _SAMPLES_SEED = 1, 0
_SHIFT = 1.6
_WILD = DrawOptions(trunc=2.0)


@dataclass(frozen=True)
class WorldSizes:
    """How large the embedded benchmark's sets are, in samples of each of the 12 classes.

    Attributes:
        annotated: Annotated samples.
        small: The small synthetic set; 84 make 1,008.
        large: The large synthetic set; 834 make 10,008.
        test: Test pictures.
        members: Heads of the ensemble.
        head_steps: Training steps of the heads; the preset's if None.
        reject: Share of candidates that the classifier drops in the arm with rejection.
        drop_uncertain: Share of samples that the filter leaves out.
    """

    annotated: int = 5
    small: int = 84
    large: int = 834
    test: int = 50
    members: int = 16
    head_steps: int | None = None
    reject: float = 0.9
    drop_uncertain: float = 0.1


class World:
    """Makes what is asked of it, once.

    Args:
        workspace: Where everything lies.
        sizes: How large it is.
        seed: Names all sets and heads; stream s of the world is seed s + 10 * seed of the generator.
        runtime: Where to compute; the world is made by one process.
        report: Where progress goes.
    """

    def __init__(self, workspace: Path, sizes: WorldSizes, seed: int, runtime: Runtime, report: Reporter) -> None:
        self.workspace, self.sizes, self.seed = workspace, sizes, seed
        self._runtime, self._report = runtime.alone(), report

    def stream(self, number: int) -> int:
        """Return the seed of one of the world's streams."""
        return number + 10 * self.seed

    def annotated(self) -> str:
        """Return the few samples that heads and the arm Sup learn from."""
        config = SampleConfig(
            GENERATOR, self.workspace, self._named("shapes-annotated"), per_class=self.sizes.annotated,
            seed=self.stream(_ANNOTATED_SEED), labels="exact", batch=self.sizes.annotated,
            shard_size=self.sizes.annotated, classifier="none",
        )  # fmt: skip
        return self._sample(config)

    def head(self, members: int) -> str:
        """Return an ensemble of that many heads."""
        config = TrainHeadConfig(
            GENERATOR, Path(self.annotated()), self.workspace, members=members, seed=self.stream(0),
            name=self._named(f"shapes-{members}"), steps=self.sizes.head_steps, resume=True,
        )  # fmt: skip
        with torch_threads(1):
            return train_head(config, self._report, self._runtime).folder.name

    def sampling(self, name: str, *, members: int | None = None, reject: float = 0.0) -> SampleConfig:
        """Return the sampling of a synthetic set of the large size."""
        return SampleConfig(
            GENERATOR, self.workspace, self._named(name), per_class=self.sizes.large, seed=self.stream(_SAMPLES_SEED),
            head=self.head(members or self.sizes.members), reject=reject,
            classifier="auto" if reject else "none",
        )  # fmt: skip

    def sampled(self, name: str, config: SampleConfig) -> str:
        """Sample a set under a name of its own."""
        return self._sample(replace(config, name=self._named(name)))

    def filtered(self, reference: str, view: str = "filtered") -> str:
        """Return a view without the most uncertain samples of each class."""
        config = FilterConfig(reference, self.workspace, view, self.sizes.drop_uncertain)
        return filter_dataset(config, self._report).address

    def test(self) -> str:
        """Return the real test pictures."""
        return str(write_renders(self.workspace, self._named(TEST), self.sizes.test, self._report, seed=self.seed))

    def shifted(self) -> str:
        """Return test pictures whose poses and shapes spread further."""
        name = self._named(SHIFTED)
        return str(
            write_renders(self.workspace, name, self.sizes.test, self._report, spread=_SHIFT, seed=self.stream(1))
        )

    def reference(self, per_class: int) -> str:
        """Return real pictures for FID, other ones than those of the test."""
        name = self._named(REFERENCE)
        return str(write_renders(self.workspace, name, per_class, self._report, seed=self.stream(2)))

    def _sample(self, config: SampleConfig) -> str:
        with torch_threads(1):
            return str(sample(config, self._report, self._runtime).folder)

    def _named(self, name: str) -> str:
        return f"{name}-{self.seed}" if self.seed else name


def first_of_each_class(reference: str, count: int, view: str) -> str:
    """Write a view with the first samples of each class; return its address."""
    dataset = open_dataset(reference)
    index = np.asarray(dataset.table["class_id"].to_numpy())
    kept = np.zeros(len(dataset), np.bool_)
    for class_id in np.unique(index):
        kept[np.flatnonzero(index == class_id)[:count]] = True
    rules = np.where(kept, "", f"first {count}")
    decisions = {"key": dataset.table["key"], "kept": kept, "rule": rules, "score": np.full(len(kept), np.nan)}
    write_view(dataset, view, pa.table(decisions))
    return f"{dataset.root}@{view}"


def _small(world: World) -> str:
    return first_of_each_class(world.sampled("shapes-sim", world.sampling("shapes-sim")), world.sizes.small, "small")


def _off_small(world: World) -> Arm:
    sets = (world.filtered(_small(world), "small-filtered"),)
    return Arm("off-1k", "a small synthetic set, filtered", sets)


def _large(world: World) -> str:
    return world.sampled("shapes-sim", world.sampling("shapes-sim"))


def _online(world: World) -> Arm:
    sampling = world.sampling("shapes-sim")
    config = SampleConfig(
        GENERATOR, world.workspace, head=sampling.head, seed=world.stream(ONLINE_SEED), classifier="none",
    )  # fmt: skip
    return Arm("on", "fresh samples at every step, filtered", online=Online(config, world.sizes.drop_uncertain))


def _one_head(world: World) -> Arm:
    return Arm(
        "one-head", "the large set, labelled by 1 head, not filtered",
        (world.sampled("shapes-sim-1", world.sampling("shapes-sim-1", members=1)),),
    )  # fmt: skip


def _rejection(world: World) -> Arm:
    rejecting = world.sampling("shapes-sim-rejected", reject=world.sizes.reject)
    config = replace(rejecting, per_class=world.sizes.small)
    sets = (world.filtered(world.sampled("shapes-sim-rejected", config)),)
    return Arm("rejection", f"a small set after rejection of {world.sizes.reject:.0%}, filtered", sets)


def _wild(world: World) -> str:
    config = replace(world.sampling("shapes-sim-wild"), per_class=world.sizes.small, draw=_WILD)
    return world.sampled("shapes-sim-wild", config)


ARMS: dict[str, Callable[[World], Arm]] = {
    "sup": lambda world: Arm("sup", "the annotated samples alone", (world.annotated(),)),
    "off-1k": _off_small,
    "off-10k": lambda world: Arm("off-10k", "a large synthetic set, filtered", (world.filtered(_large(world)),)),
    "both": lambda world: Arm(
        "both", "annotated and large synthetic set", (world.annotated(), world.filtered(_large(world)))
    ),
    "on": _online,
    "unfiltered": lambda world: Arm("unfiltered", "the large set, not filtered", (_large(world),)),
    "one-head": _one_head,
    "rejection": _rejection,
    "wild": lambda world: Arm("wild", "a small set at truncation 2, not filtered", (_wild(world),)),
    "wild-filtered": lambda world: Arm(
        "wild-filtered", "a small set at truncation 2, filtered", (world.filtered(_wild(world)),)
    ),
}
