"""Online sampling: labelled samples made fresh for every step, filtered by their uncertainty (paper: BigGAN-on).

The stream is a function of the plan and the task alone: round r holds one block of each of some classes, of which the
most uncertain samples are left out; the rest is shuffled and cut into batches. A training that goes on starts in the
round that it needs. Of several processes each makes every w-th round, so the stream depends on their number.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import count

import numpy as np
import torch
from torch import Tensor

from bdgan_cli.dataset.sample import Sample
from bdgan_cli.errors import DataError
from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.evaluation.views import as_labels, training_view
from bdgan_cli.filtering.rules import most_uncertain
from bdgan_cli.runtime import Runtime
from bdgan_cli.tasks.label_map import LabelMap
from bdgan_cli.training.feeder import FeedPlan
from bdgan_cli.training.order import own_part
from bdgan_cli.workflows.benchmark.parts import to_tensors
from bdgan_cli.workflows.labelling import Labeller
from bdgan_cli.workflows.pipeline import overlapped

ROUND_CLASSES = 32
_ROUND_STREAM = 5

View = tuple[Tensor, Tensor]


@dataclass
class OnlineFeeder:
    """Yields batches of fresh samples, as :class:`bdgan_cli.training.feeder.Feeder` does of stored ones.

    Attributes:
        labeller: Makes samples; its plan says how.
        labels: How its masks become the task's.
        drop_uncertain: Share of each block that the filter leaves out, in [0, 1).
        recipe: Size and scaling of the views.
        feed: Batch, steps and seed.
        runtime: Which part is this process's.
    """

    labeller: Labeller
    labels: LabelMap
    drop_uncertain: float
    recipe: Recipe
    feed: FeedPlan
    runtime: Runtime
    _waited_s: float = field(default=0.0, init=False)
    _total_s: float = field(default=0.0, init=False)

    @property
    def waiting_share(self) -> float:
        """Share of the time that steps waited for samples, in [0, 1], the first step not counted."""
        return self._waited_s / self._total_s if self._total_s else 0.0

    def __iter__(self) -> Iterator[View]:
        """Yield (N, 3, H, W) uint8 pictures and (N, H, W) int16 labels, N this process's part of the batch.

        Raises:
            DataError: If the filter leaves nothing, or the generator's pictures are not finite.
        """
        whole = own_part(self.feed.batch, self.runtime.rank, self.runtime.world_size)
        size = whole.stop - whole.start
        views = self._views(self.feed.first * size)
        for position in range(self.feed.steps - self.feed.first):
            started = time.perf_counter()
            pictures, labels = zip(*(next(views) for _ in range(size)), strict=True)
            batch = torch.stack(pictures).to(self.runtime.device), torch.stack(labels).to(self.runtime.device)
            made = time.perf_counter()
            yield batch
            if position:
                self._waited_s += made - started
                self._total_s += time.perf_counter() - started

    def _views(self, first: int) -> Iterator[View]:
        """Yield the views of this process from position ``first`` of its stream on."""
        per_round = self._kept * self._classes_of_round
        skipped, start = divmod(first, per_round)
        rounds = (number * self.runtime.world_size + self.runtime.rank for number in count(skipped))
        for views in overlapped(rounds, lambda number: [self._make(number)], lambda made: made, workers=1):
            yield from views[0][start:]
            start = 0

    @property
    def _kept(self) -> int:
        batch = self.labeller.plan.batch
        kept = batch - int(np.floor(batch * self.drop_uncertain + 0.5))
        if kept < 1:
            raise DataError(
                f"leaving out {self.drop_uncertain:.0%} of blocks of {batch} leaves nothing", "use --drop-uncertain 0.1"
            )
        return kept

    @property
    def _classes_of_round(self) -> int:
        return min(ROUND_CLASSES, len(self.labeller.plan.classes))

    def _make(self, number: int) -> list[View]:
        """Make the views of one round; runs in a thread of its own."""
        # Of this thread alone: the last bits of a picture must not depend on how many threads train.
        torch.set_num_threads(1)
        plan = self.labeller.plan
        rng = np.random.default_rng((self.feed.seed, number, _ROUND_STREAM))
        samples: list[Sample] = []
        for place in range(number * self._classes_of_round, (number + 1) * self._classes_of_round):
            block, position = divmod(place, len(plan.classes))
            order = np.random.default_rng((self.feed.seed, block, _ROUND_STREAM, 1)).permutation(plan.classes)
            made = self.labeller.make(plan.block(int(order[position]), block))
            samples += [made[row] for row in self._certain(made)]
        return [self._view(samples[row], rng) for row in rng.permutation(len(samples))]

    def _certain(self, made: list[Sample]) -> np.ndarray:
        scores = np.array([sample.scores.get("uncertainty", 0.0) for sample in made])
        return np.flatnonzero(~most_uncertain(scores, np.zeros(len(made), np.int64), self.drop_uncertain))

    def _view(self, sample: Sample, rng: np.random.Generator) -> View:
        assert sample.mask is not None
        labels = as_labels(self.labels.apply(sample.mask, sample.class_id))
        return to_tensors(*training_view(sample.image, labels, self.recipe.size_px, self.recipe.scale, rng))
