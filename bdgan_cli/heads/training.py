"""Training of an ensemble on annotated samples of a frozen generator (supplement A.1).

The members' losses are added, so one Adam over all parameters is M independent Adams: no gradient, moment or statistic
of a member depends on another. Where memory is short, groups of members are trained in turn on shared features, with
equal results, and a batch in several passes whose gradients are added up: that equals the whole batch but for batch
norm, which then takes its statistics (and spectral norm its power steps) pass by pass.
Axis legend: M members, N annotated samples, B samples of a batch, K output channels, H rows, W columns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from bdgan_cli.errors import BdganError, DataError
from bdgan_cli.heads.bagging import bag_counts, out_of_bag_labels
from bdgan_cli.heads.bank import FeatureBank
from bdgan_cli.heads.labels import sample_losses
from bdgan_cli.heads.presets import TrainingConfig
from bdgan_cli.heads.turns import Turns, member_groups
from bdgan_cli.training.order import batch_rows


class HeadTrainer:
    """Trains an ensemble step by step; its state can be taken and set between any two steps.

    Args:
        ensemble: Maps features to (M, N, K, H, W) logits, on the device of the bank's batches.
        bank: Features of the annotated samples.
        masks_NHW: Their uint8 labels, 255 is ignored.
        class_ids: (N,) int64; bags are drawn within a class.
        config: Steps, batch, learning rate.
        seed: Names the bags and the order of the batches.
        members: The members' ids.
        turns: How a step is cut up; by default not at all.
        build: Builds an ensemble of some of the members, by their positions; needed where members are trained in turn.
    """

    def __init__(
        self,
        ensemble: nn.Module,
        bank: FeatureBank,
        masks_NHW: Tensor,
        class_ids: Tensor,
        *,
        config: TrainingConfig,
        seed: int,
        members: Sequence[int],
        turns: Turns | None = None,
        build: Callable[[Sequence[int]], nn.Module] | None = None,
    ) -> None:
        self.ensemble, self.config, self.seed = ensemble, config, seed
        self.turns = turns or Turns(config.batch, len(members))
        self.step = 0
        self.busy = False
        self.features_kept = bank.cached
        self._bank = bank
        self._device = next(ensemble.parameters()).device
        self._masks = masks_NHW.to(self._device)
        self.counts_MN = bag_counts(class_ids.numpy().astype(np.int64), members, seed).to(self._device)
        self._groups = member_groups(ensemble, self.turns.members, build or _no_parts)
        self._optimizer = torch.optim.Adam(ensemble.parameters(), lr=config.learning_rate, foreach=True)

    def advance(self) -> float:
        """Make one step; return the loss, averaged over members and the batch.

        Raises:
            BdganError: If the loss is not finite.
        """
        # Whoever is interrupted inside must not save the state: it may be half updated.
        self.busy = True
        rows = torch.from_numpy(batch_rows(len(self._bank), self.config.batch, self.step, self.seed))
        self.set_training(True)
        # Gradients that are windows onto the ensemble's must stay where they are.
        self._optimizer.zero_grad(set_to_none=len(self._groups) == 1)
        loss = self.accumulate(rows)
        for group in self._optimizer.param_groups:
            group["lr"] = self.config.rate_at(self.step)
        self._optimizer.step()
        self.step += 1
        self.busy = False
        return self._finite(loss)

    def accumulate(self, rows_B: Tensor) -> float:
        """Add the gradients of a batch to the parameters', turn by turn; return its loss, averaged over members."""
        total = torch.zeros((), device=self._device)
        for part in torch.split(rows_B, self.turns.samples):
            features = self._bank.batch(part)
            here = part.to(self._device)
            for group in self._groups:
                losses_MB = sample_losses(group.module(features), self._masks[here])
                weights_MB = self.counts_MN[group.rows, here] if self.config.bagging else torch.ones_like(losses_MB)
                loss = (losses_MB * weights_MB).mean(1).sum() * (len(part) / len(rows_B))
                loss.backward()  # type: ignore[no-untyped-call]
                total += loss.detach()
        return total.item() / len(self.counts_MN)

    def _finite(self, loss: float) -> float:
        if not math.isfinite(loss):
            raise BdganError(f"training diverged: the loss of step {self.step} is {loss}", "lower it: --lr 0.001")
        return loss

    def judged_rows(self, limit: int) -> Tensor:
        """Return up to ``limit`` rows, evenly spread, that at least one member did not learn from."""
        if not self.config.bagging:
            return torch.empty(0, dtype=torch.int64)
        rows = (self.counts_MN == 0).any(0).nonzero().squeeze(1).cpu()
        if len(rows) <= limit:
            return rows
        return rows[torch.linspace(0, len(rows) - 1, limit).long()]

    @torch.no_grad()
    def out_of_bag(self, rows: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """Label samples by the members that did not learn from them, a turn at a time.

        Yields:
            Predicted labels and annotated masks, both (B, H, W) uint8 on the CPU.
        """
        self.set_training(False)
        for part in torch.split(rows, self.turns.samples):
            features = self._bank.batch(part)
            logits = torch.cat([group.module(features) for group in self._groups])
            here = part.to(self._device)
            yield out_of_bag_labels(logits, self.counts_MN[:, here]).cpu(), self._masks[here].cpu()

    def set_training(self, training: bool) -> None:
        """Take batch norm's statistics from the batch, or from what was gathered."""
        for module in (self.ensemble, *(group.module for group in self._groups)):
            module.train(training)

    def state(self) -> dict[str, Tensor]:
        """Return parameters, statistics, Adam's moments and the step, as tensors by name."""
        tensors = {f"ensemble.{name}": value for name, value in self.ensemble.state_dict().items()}
        for name, parameter in self.ensemble.named_parameters():
            for key, value in self._optimizer.state[parameter].items():
                tensors[f"adam.{key}.{name}"] = value
        tensors["step"] = torch.tensor(self.step)
        return {name: value.detach().cpu().contiguous() for name, value in tensors.items()}

    def set_state(self, tensors: dict[str, Tensor]) -> None:
        """Go on from a state.

        Raises:
            DataError: If a tensor is missing or of another shape.
        """
        try:
            self.step = int(tensors["step"].item())
            prefix = "ensemble."
            self.ensemble.load_state_dict({k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)})
            for name, parameter in self.ensemble.named_parameters():
                moments = {key: torch.empty_like(parameter) for key in ("exp_avg", "exp_avg_sq")} if self.step else {}
                for key, value in moments.items():
                    # Copied into the parameter's own memory layout: sums must run in the same order as before.
                    value.copy_(tensors[f"adam.{key}.{name}"])
                step = {"step": tensors[f"adam.step.{name}"].clone()} if self.step else {}
                self._optimizer.state[parameter] = {**step, **moments}
        except (KeyError, RuntimeError) as error:
            reason = str(error).splitlines()[0]
            raise DataError(f"the checkpoint does not fit these heads: {reason}", "start again: --overwrite") from error


def _no_parts(positions: Sequence[int]) -> nn.Module:
    raise ValueError(f"members {list(positions)} are trained in turn, which needs 'build'")
