"""A step of pre-training: views in, three losses, SGD, keys into the queues (supplement D.1, arXiv:2011.09157).

Axis legend: N pictures of this process, B of all processes, S cells, C channels, D numbers of a projection, H rows,
W columns.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from copy import deepcopy
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from bdgan_cli.backbones import ResNet, find_architecture
from bdgan_cli.errors import BdganError, DataError
from bdgan_cli.pretraining.losses import dense_info_nce, info_nce, match_cells, take_cells
from bdgan_cli.pretraining.negatives import Negatives
from bdgan_cli.pretraining.networks import PROJECTION_DIM, OnlineNet, Projections, normalised, segmentation_loss
from bdgan_cli.pretraining.presets import Recipe
from bdgan_cli.runtime import Runtime
from bdgan_cli.training.order import own_part
from bdgan_cli.training.schedules import cosine

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}

_SHUFFLE_STREAM = 7


class Pair(NamedTuple):
    """Two views of N pictures, (N, H, W, 3) uint8 each."""

    queries_NHWC: Tensor
    keys_NHWC: Tensor


class LabelledBatch(NamedTuple):
    """N pictures, (N, H, W, 3) uint8, with (N, H, W) integer masks: labels, or ``networks.IGNORED``."""

    pictures_NHWC: Tensor
    masks_NHW: Tensor


class PretrainTrainer:
    """Trains a backbone step by step; its state can be taken and set between any two steps.

    Args:
        recipe: How.
        steps: Of the whole training, for the schedule.
        labels: Mask labels with background in the joint stage, 0 in the contrastive one.
        seed: Names initial weights, first negatives and the shuffling of keys.
        runtime: Where, and among which processes.
        precision: A name in ``PRECISIONS``: what convolutions compute in; losses, queues and weights are float32.
    """

    def __init__(
        self, recipe: Recipe, steps: int, labels: int, seed: int, runtime: Runtime, *, precision: str = "float32"
    ) -> None:
        self.recipe, self.steps, self.seed = recipe, steps, seed
        self.step = 0
        self.busy = False
        self._runtime, self._dtype = runtime, PRECISIONS[precision]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            online = OnlineNet(find_architecture(recipe.arch), recipe.norm_group, labels)
        self.online = online.to(runtime.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.keys = deepcopy(self.online.contrastive).requires_grad_(False)
        self.pictures, self.cells = (
            Negatives(recipe.queue, PROJECTION_DIM, seed + number).to(runtime.device) for number in (0, 1)
        )
        self._wrapped = runtime.prepare(self.online)
        self._optimizer = torch.optim.SGD(
            self.online.parameters(), recipe.learning_rate, recipe.momentum, weight_decay=recipe.weight_decay
        )

    @property
    def backbone(self) -> ResNet:
        """What the training is for."""
        backbone: ResNet = self.online.contrastive.backbone
        return backbone

    def advance(self, pair: Pair, labelled: LabelledBatch | None = None) -> dict[str, float]:
        """Make one step.

        Args:
            pair: This process's part of the batch.
            labelled: In the joint stage, its part of the labelled pictures.

        Returns:
            The losses over all processes: ``loss``, ``global_loss``, ``dense_loss`` and ``segmentation_loss``.

        Raises:
            BdganError: If the loss is not finite.
        """
        # Whoever is interrupted inside must not save the state: it may be half updated.
        self.busy = True
        self._follow()
        keys = self._encode_keys(pair.keys_NHWC)
        with torch.autocast(self._runtime.device.type, self._dtype, enabled=self._dtype != torch.float32):
            pictures = None if labelled is None else normalised(labelled.pictures_NHWC)
            queries, logits_NLHW = self._wrapped(normalised(pair.queries_NHWC), pictures)
        losses = self._losses(queries, keys)
        if labelled is not None:
            losses["segmentation_loss"] = segmentation_loss(logits_NLHW, labelled.masks_NHW)
        total = self._total(losses)
        self._optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        for group in self._optimizer.param_groups:
            group["lr"] = self.recipe.learning_rate * cosine(self.step, self.steps)
        self._optimizer.step()
        self.pictures.push(keys.whole_ND)
        self.cells.push(keys.pooled_ND)
        self._share_statistics()
        self.step += 1
        self.busy = False
        return self._figures({"loss": total, **losses})

    def _losses(self, queries: Projections, keys: Projections) -> dict[str, Tensor]:
        """Return both contrastive losses of this process's part against the keys of all."""
        part = own_part(len(keys.whole_ND), self._runtime.rank, self._runtime.world_size)
        cells_NS = match_cells(queries.features_NCS, keys.features_NCS[part])
        positives_NDS = take_cells(keys.cells_NDS[part], cells_NS)
        temperature = self.recipe.temperature
        return {
            "global_loss": info_nce(queries.whole_ND, keys.whole_ND[part], self.pictures.keys_QD, temperature),
            "dense_loss": dense_info_nce(queries.cells_NDS, positives_NDS, self.cells.keys_QD, temperature),
        }

    def _total(self, losses: Mapping[str, Tensor]) -> Tensor:
        share = self.recipe.dense_weight
        contrastive = (1 - share) * losses["global_loss"] + share * losses["dense_loss"]
        if "segmentation_loss" not in losses:
            return contrastive
        weighted = self.recipe.segmentation_weight * losses["segmentation_loss"]
        return self.recipe.contrastive_weight * contrastive + weighted

    @torch.no_grad()
    def _encode_keys(self, keys_NHWC: Tensor) -> Projections:
        """Project the key views of all processes, shuffled between the groups of batch norm, in their own order."""
        everyone_BHWC = self._runtime.all_gather(keys_NHWC)
        order = torch.from_numpy(shuffled(len(everyone_BHWC), self.step, self.seed)).to(everyone_BHWC.device)
        own = order[own_part(len(order), self._runtime.rank, self._runtime.world_size)]
        with torch.autocast(self._runtime.device.type, self._dtype, enabled=self._dtype != torch.float32):
            made = self.keys(normalised(everyone_BHWC[own]))
        back = order.argsort()
        return Projections(*(self._runtime.all_gather(values)[back] for values in made))

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the key network a little towards the online one."""
        followers, leaders = list(self.keys.parameters()), list(self.online.contrastive.parameters())
        torch._foreach_lerp_(followers, leaders, 1 - self.recipe.key_momentum)

    @torch.no_grad()
    def _share_statistics(self) -> None:
        """Average batch norm's running statistics over the processes."""
        if self._runtime.world_size == 1:
            return
        buffers = list(self.online.buffers())
        mean = self._runtime.all_sum(torch.cat(buffers)) / self._runtime.world_size
        for buffer, values in zip(buffers, torch.split(mean, [len(buffer) for buffer in buffers]), strict=True):
            buffer.copy_(values)

    def _figures(self, losses: Mapping[str, Tensor]) -> dict[str, float]:
        stacked = torch.stack([loss.detach() for loss in losses.values()])
        figures = dict(zip(losses, (self._runtime.all_sum(stacked) / self._runtime.world_size).tolist(), strict=True))
        if not math.isfinite(figures["loss"]):
            raise BdganError(f"training diverged: the loss of step {self.step} is {figures['loss']}", "lower --lr")
        return figures

    def memory(self) -> dict[str, Any]:
        """Return what a further stage goes on with: both networks with their projection heads, and the queues."""
        return {
            "online": self.online.contrastive.state_dict(),
            "keys": self.keys.state_dict(),
            "queues": {"pictures": self.pictures.state_dict(), "cells": self.cells.state_dict()},
        }

    def set_memory(self, memory: Mapping[str, Any]) -> None:
        """Go on from what an earlier stage left.

        Raises:
            DataError: If a tensor is missing or of another shape.
        """
        try:
            self.online.contrastive.load_state_dict(memory["online"])
            self.keys.load_state_dict(memory["keys"])
            self.pictures.set_state(**memory["queues"]["pictures"])
            self.cells.set_state(**memory["queues"]["cells"])
        except (KeyError, RuntimeError, TypeError) as error:
            raise _unfit(error) from error

    def set_backbone(self, tensors: Mapping[str, Tensor]) -> None:
        """Begin both networks with a backbone's tensors; the heads and queues stay as they are."""
        self.backbone.load_state_dict(tensors)
        self.keys.load_state_dict(self.online.contrastive.state_dict())

    def state(self) -> dict[str, Any]:
        """Return all that the next step depends on."""
        branch = self.online.branch.state_dict() if self.online.branch is not None else {}
        moments = [self._optimizer.state[p]["momentum_buffer"] for p in self.online.parameters()] if self.step else []
        return {"step": self.step, "memory": self.memory(), "branch": branch, "moments": moments}

    def set_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a state.

        Raises:
            DataError: If a tensor is missing or of another shape.
        """
        try:
            self.step = int(state["step"])
            self.set_memory(state["memory"])
            if self.online.branch is not None:
                self.online.branch.load_state_dict(state["branch"])
            parameters = list(self.online.parameters()) if self.step else []
            for parameter, moment in zip(parameters, state["moments"], strict=True):
                own = torch.empty_like(parameter).copy_(moment)
                self._optimizer.state[parameter] = {"momentum_buffer": own}
        except (KeyError, RuntimeError, ValueError) as error:
            raise _unfit(error) from error


def shuffled(count: int, step: int, seed: int) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Return the order in which a step's keys meet in batch norm's groups, the same in every process."""
    key = np.random.SeedSequence((seed, step, _SHUFFLE_STREAM))
    return np.random.Generator(np.random.Philox(key)).permutation(count)


def _unfit(error: Exception) -> DataError:
    reason = str(error).splitlines()[0]
    return DataError(f"the saved state does not fit this training: {reason}", "start again: --overwrite")
