"""Pictures of a dataset as feature vectors and as signatures, in batches of fixed composition.

The composition of a batch depends on the draw alone, and each batch is computed by one thread, so that the same draw
gives the same features with any number of workers.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from bdgan_cli.analysis import duplicates
from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.dataset.selection import draw_rows
from bdgan_cli.evaluation.inception import InceptionFeatures
from bdgan_cli.progress import Reporter
from bdgan_cli.runtime import Runtime
from bdgan_cli.weights.card import ModelCard, companion, find_card
from bdgan_cli.weights.files import load_weights
from bdgan_cli.weights.registry import load_model
from bdgan_cli.workflows.models import introduce
from bdgan_cli.workflows.pipeline import overlapped

FALLBACK = "inception-fid"
_BATCH = 32
_SIGNED = 128

Made = TypeVar("Made")
Image = NDArray[np.uint8]


class Extractor(NamedTuple):
    """A network that turns pictures into features.

    Attributes:
        name: Its name in the registry, which every figure must carry: features of different networks do not compare.
        dimensions: Length of a feature vector.
        network: Maps (N, 3, H, W) images in [-1, 1] to (N, dimensions).
    """

    name: str
    dimensions: int
    network: nn.Module


class Drawn(NamedTuple):
    """Features of the samples that were drawn from a dataset.

    Attributes:
        rows: (N,) rows of the dataset's table, ascending.
        features_ND: (N, D) float32.
    """

    rows: NDArray[np.int64]
    features_ND: NDArray[np.float32]


class Run(NamedTuple):
    """Where pictures are read and computed on, and who hears of it.

    Attributes:
        runtime: Device and workers.
        report: Shows progress.
        seed: Names the draws.
    """

    runtime: Runtime
    report: Reporter
    seed: int

    def over_pictures(
        self, label: str, dataset: Dataset, rows: NDArray[Any], make: Callable[[list[Image]], Made], batch: int
    ) -> Iterator[Made]:
        """Yield what is made of each batch of pictures, in order.

        Raises:
            DataError: If a sample is damaged.
        """
        pieces = [rows[start : start + batch] for start in range(0, len(rows), batch)]
        with self.report.task(label, len(rows), "images") as task:
            done = overlapped(pieces, lambda piece: [make(_read(dataset, piece))], _as_it_is, self.runtime.workers)
            for piece, made in zip(pieces, done, strict=True):
                yield made[0]
                task.advance(len(piece))


def build_inception(card: ModelCard, files: list[Path], device: torch.device) -> InceptionFeatures:
    """Load the Inception network of FID."""
    network = InceptionFeatures()
    load_weights(network, files[0])
    return network.eval().requires_grad_(False).to(device)


def choose_extractor(asked: str, datasets: Iterable[Dataset]) -> str:
    """Name the network whose features are compared.

    Args:
        asked: ``auto``, or a name.
        datasets: All that take part; if those of known generators are of one domain, its own network is taken.

    Raises:
        MissingError: If there is no model of that name.
        UsageError: If it is no network for features.
    """
    if asked != "auto":
        return find_card(asked, "features").name
    return extractor_for({dataset.info.generator.name for dataset in datasets if dataset.info.generator is not None})


def extractor_for(generators: Iterable[str]) -> str:
    """Name the network that fits the pictures of generators: that of their domain if they have one in common."""
    fitting = {companion(name, "features") for name in generators}
    only = fitting.pop() if len(fitting) == 1 else None
    return only or FALLBACK


def load_extractor(name: str, run: Run) -> Extractor:
    """Load a network for features.

    Raises:
        MissingError: If its weights are not installed; the hint gets them.
        DataError: If they are damaged.
    """
    network = load_model(name, "features", run.runtime.device)
    introduce(name, run.report)
    run.report.note(f"features: {name}, {network.dimensions} dimensions")
    return Extractor(name, int(network.dimensions), network)


def draw_features(dataset: Dataset, count: int, extractor: Extractor, run: Run) -> Drawn:
    """Draw samples evenly over the classes and compute their features.

    Raises:
        DataError: If a sample is damaged.
    """
    rows = _draw(dataset, count, run.seed)
    label = f"features of {dataset.info.name}"
    parts = run.over_pictures(label, dataset, rows, lambda images: _features(images, extractor, run.runtime), _BATCH)
    return Drawn(rows, np.concatenate([np.zeros((0, extractor.dimensions), np.float32), *parts]))


def same_draw(dataset: Dataset, count: int, larger: Drawn, seed: int) -> Drawn:
    """Return a smaller draw from a larger one of the same seed, whose rows hold those of the smaller."""
    rows = _draw(dataset, count, seed)
    return Drawn(rows, larger.features_ND[np.searchsorted(larger.rows, rows)])


def signatures(dataset: Dataset, run: Run) -> duplicates.Signatures:
    """Return the signatures of all pictures of a dataset, in the order of its table.

    Raises:
        DataError: If a sample is damaged.
    """
    label = f"near-duplicates of {dataset.info.name}"
    return duplicates.join(list(run.over_pictures(label, dataset, np.arange(len(dataset)), duplicates.sign, _SIGNED)))


def _draw(dataset: Dataset, count: int, seed: int) -> NDArray[np.int64]:
    return np.array(draw_rows(dataset.table["class_id"].to_pylist(), count, seed), np.int64)


def _as_it_is(made: Made) -> Made:
    return made


def _read(dataset: Dataset, rows: NDArray[Any]) -> list[Image]:
    some = dataset.restricted(rows)
    return [record.image for record in some.iterate(("image",)) if record.image is not None]


@torch.inference_mode()
def _features(images: Sequence[Image], extractor: Extractor, runtime: Runtime) -> NDArray[np.float32]:
    """Compute the features of pictures; those of one size go through the network together."""
    features = np.empty((len(images), extractor.dimensions), np.float32)
    sizes = [image.shape for image in images]
    for size in dict.fromkeys(sizes):
        chosen = [i for i, other in enumerate(sizes) if other == size]
        pixels = torch.from_numpy(np.stack([images[i] for i in chosen])).to(runtime.device)
        features[chosen] = extractor.network(pixels.permute(0, 3, 1, 2).float() / 127.5 - 1).float().cpu().numpy()
    return features
