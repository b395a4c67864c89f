"""Trains a segmenter step by step, in one process or several (supplement B.2).

The loss is the mean over all pixels of the global batch that are not ignored, however they fall on processes.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from bdgan_cli.errors import BdganError, DataError
from bdgan_cli.evaluation.losses import pixel_losses
from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.evaluation.segmenters import Segmenter
from bdgan_cli.runtime import Runtime
from bdgan_cli.training.norms import over_all_ranks
from bdgan_cli.training.order import step_seed
from bdgan_cli.training.schedules import polynomial


class SegmenterTrainer:
    """A training whose state can be taken and set between any two steps.

    Args:
        segmenter: The network with its initial weights; every process has the same.
        recipe: How to train.
        steps: Steps of the whole training.
        seed: Names the random numbers that the network draws, such as dropout's.
        runtime: The processes that train together.
    """

    def __init__(self, segmenter: Segmenter, recipe: Recipe, steps: int, seed: int, runtime: Runtime) -> None:
        self.step, self.steps, self.busy = 0, steps, False
        self.segmenter = segmenter.to(runtime.device)
        self._recipe, self._seed, self._runtime = recipe, seed, runtime
        self._wrapped = runtime.prepare(over_all_ranks(self.segmenter, runtime))
        self._optimizer = torch.optim.SGD(
            self.segmenter.parameters(),
            lr=recipe.learning_rate,
            momentum=recipe.momentum,
            weight_decay=recipe.weight_decay,
            foreach=True,
        )
        wants_half = recipe.precision == "auto" and runtime.device.type == "cuda"
        self._half = wants_half or recipe.precision == "bfloat16"

    def advance(self, batches: Iterator[tuple[Tensor, Tensor]]) -> dict[str, float]:
        """Make one step on this process's part of a batch.

        Args:
            batches: Give (N, 3, H, W) uint8 pictures and (N, H, W) int16 labels.

        Returns:
            The loss of the global batch, and the learning rate.

        Raises:
            BdganError: If the loss is not finite.
        """
        pictures, labels = next(batches)
        self.busy = True
        torch.manual_seed(step_seed(self._seed, self.step, self._runtime.rank))
        self._wrapped.train()
        rate = self._recipe.learning_rate * polynomial(self.step, self.steps, self._recipe.power)
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        self._optimizer.zero_grad(set_to_none=True)
        with torch.autocast(self._runtime.device.type, torch.bfloat16, enabled=self._half):
            logits = self._wrapped(pictures)
        total, count = pixel_losses(logits, labels.long(), self._recipe)
        pixels = self._runtime.all_sum(count).clamp(min=1)
        # Gradients are averaged over processes; the mean over all pixels is wanted.
        (total * (self._runtime.world_size / pixels)).backward()  # type: ignore[no-untyped-call]
        self._optimizer.step()
        self.step += 1
        self.busy = False
        return {"loss": self._finite(float(self._runtime.all_sum(total.detach()) / pixels)), "lr": rate}

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint needs."""
        return {
            "step": self.step,
            "segmenter": self.segmenter.state_dict(),
            "optimizer": self._optimizer.state_dict(),
        }

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            DataError: If it is another network's.
        """
        try:
            self.segmenter.load_state_dict(state["segmenter"])
            self._optimizer.load_state_dict(state["optimizer"])
            self.step = int(state["step"])
        except (KeyError, RuntimeError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"the checkpoint fits another segmenter: {reason}", "start again: --overwrite") from error

    def _finite(self, loss: float) -> float:
        if not math.isfinite(loss):
            raise BdganError(f"training diverged: the loss of step {self.step} is {loss}", "lower it: --lr 0.001")
        return loss
