"""One batch of labelled samples: draw, reject, synthesize, label, score.

The generator runs once for a batch whatever the number of heads; a batch is computed by one thread from start to end.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from bdgan_cli.dataset.sample import Sample
from bdgan_cli.dataset.schema import make_key
from bdgan_cli.errors import DataError
from bdgan_cli.filtering.rejection import keep_most_confident
from bdgan_cli.filtering.uncertainty import DEFAULT_SCORE, read_votes, score_votes
from bdgan_cli.interfaces import Generator, HeadEnsemble, KnowsTruth, Latents, Truncation, images_to_uint8
from bdgan_cli.workflows.compiling import compiled, compiling_explained
from bdgan_cli.workflows.sample_plan import Batch, SamplePlan


class Classifier(Protocol):
    """A classifier over the generator's classes."""

    def probabilities(self, images: Tensor) -> Tensor:
        """Map (N, 3, H, W) images in [-1, 1] to (N, classes) probabilities."""
        ...


@dataclass
class Labeller:
    """The models of one run, and the time they took.

    Attributes:
        generator: Makes the pictures.
        ensemble: Labels them; None for exact labels or none.
        classifier: Scores them; None for no score.
        plan: What to make.
        device: Where the networks compute.
        network_seconds: CPU time that the computing threads spent in generator, heads and classifier so far. On a GPU
            this is only the time of launching them.
    """

    generator: Generator
    ensemble: HeadEnsemble | None
    classifier: Classifier | None
    plan: SamplePlan
    device: torch.device = torch.device("cpu")  # noqa: RUF009  (a device is immutable)
    network_seconds: float = 0.0

    def __post_init__(self) -> None:
        self._synthesize, self._ensemble = self.generator.synthesize, self.ensemble
        if self.plan.compiled:
            self._synthesize = compiled(self._synthesize)
            self._ensemble = compiled(self._ensemble) if self._ensemble is not None else None

    def compile(self) -> None:
        """Compile the networks by a batch whose samples are dropped, before many threads call them.

        Raises:
            BdganError: If they cannot be compiled here.
        """
        with compiling_explained():
            self.make(self.plan.block(self.plan.classes[0], 0))
        self.network_seconds = 0.0

    @torch.inference_mode()
    def make(self, batch: Batch) -> list[Sample]:
        """Make the samples of one batch, in ascending order of index.

        Raises:
            DataError: If the generator's pictures are not finite.
        """
        indices, latents, confidence = self._select(batch)
        scores: dict[str, Tensor] = {}
        masks: Tensor | None = None
        with self._in_networks():
            images, features = self._synthesize(latents)
            logits = self._ensemble(features) if self._ensemble is not None else None
        if logits is not None:
            votes = read_votes(logits)
            masks, scores = votes.labels_NHW, score_votes(votes)
        if confidence is None and self.classifier is not None:
            confidence = self._confidence(images.float(), latents)
        # As one number: whatever is added to NaN stays it.
        made = {"pictures": images_to_uint8(images), "sum": images.sum(dtype=torch.float32), **scores}
        host = _to_host({**made, "labels": masks} if masks is not None else made)
        labels = host.get("labels")
        columns = {f"uncertainty_{name}": host[name] for name in scores}
        if scores:
            columns["uncertainty"] = columns[f"uncertainty_{DEFAULT_SCORE}"]

        if not np.isfinite(host["sum"]):
            raise DataError(
                f"{self.generator.name} made a picture that is not finite: class {batch.class_id}, index {indices[0]}",
                "verify its weights: bdgan models verify",
            )
        if self.plan.labels == "exact" and isinstance(self.generator, KnowsTruth):
            labels = self.generator.truth(latents).cpu().numpy()
        if confidence is not None:
            columns["classifier_score"] = confidence
        return self._samples(indices[: batch.wanted], latents, host["pictures"], labels, columns)

    @contextmanager
    def _in_networks(self) -> Iterator[None]:
        """Compute in the plan's precision, and count the time."""
        started = time.thread_time()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self.plan.precision == "bfloat16"):
            yield
        self.network_seconds += time.thread_time() - started

    def _select(self, batch: Batch) -> tuple[list[int], Latents, np.ndarray | None]:
        """Draw the candidates; with rejection, keep those the classifier trusts most."""
        indices = list(batch.candidates)
        classes = [batch.class_id] * len(indices)
        latents = self.generator.draw(classes, indices, self.plan.seed, self.plan.rule)
        if self.classifier is None or not self.plan.reject:
            return indices, latents, None
        confidence = np.concatenate(
            [self._candidate_confidence(latents, start, batch.keep) for start in range(0, len(indices), batch.keep)]
        )
        kept = keep_most_confident(confidence, batch.keep)
        return [indices[i] for i in kept], latents.take(torch.from_numpy(kept)), confidence[kept]

    def _candidate_confidence(self, latents: Latents, start: int, size: int) -> np.ndarray:
        part = latents.take(torch.arange(start, min(start + size, len(latents.class_ids))))
        with self._in_networks():
            images, _ = self._synthesize(part)
        return self._confidence(images.float(), part)

    def _confidence(self, images: Tensor, latents: Latents) -> np.ndarray:
        """Return the classifier's probability of the conditioning class, float32 (N,)."""
        assert self.classifier is not None
        started = time.thread_time()
        probabilities = self.classifier.probabilities(images)
        self.network_seconds += time.thread_time() - started
        chosen = probabilities.gather(1, latents.class_ids.to(probabilities.device).unsqueeze(1))
        result: np.ndarray = chosen.squeeze(1).float().cpu().numpy()
        return result

    def _samples(
        self,
        indices: list[int],
        latents: Latents,
        pictures: np.ndarray,
        labels: np.ndarray | None,
        columns: dict[str, np.ndarray],
    ) -> list[Sample]:
        """Cut a batch's arrays into samples, one for each index."""
        plan = self.plan
        truncation = plan.rule if isinstance(plan.rule, Truncation) else None
        values, classes = latents.values.cpu().numpy(), latents.class_ids.tolist()
        samples = []
        for row, index in enumerate(indices):
            info = self.generator.classes[classes[row]]
            samples.append(
                Sample(
                    key=make_key(info.wnid or str(info.id), plan.seed, index),
                    class_id=info.id,
                    wnid=info.wnid,
                    split="train",
                    image=pictures[row],
                    mask=None if labels is None else labels[row],
                    latent=values[row],
                    index=index,
                    seed=plan.seed,
                    truncation=truncation.value if truncation else math.nan,
                    truncation_mode=truncation.mode if truncation else "",
                    scores={name: float(column[row]) for name, column in columns.items()},
                )
            )
        return samples


def _to_host(tensors: dict[str, Tensor]) -> dict[str, np.ndarray]:
    """Copy tensors to the host and wait for all of them at once: a GPU computes other threads' batches meanwhile."""
    copies = {name: tensor.to("cpu", non_blocking=True) for name, tensor in tensors.items()}
    device = next(iter(tensors.values())).device
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()
    return {name: copy.numpy() for name, copy in copies.items()}
