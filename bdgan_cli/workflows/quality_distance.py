"""FID and KID of one dataset's pictures against another's, overall and for the classes that both have."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.analysis.distances import KernelDistance, frechet_distance, kernel_distance
from bdgan_cli.analysis.uncertainty import rows_by_class
from bdgan_cli.dataset.reader import Dataset
from bdgan_cli.progress import Reporter
from bdgan_cli.workflows.quality_features import Drawn, Extractor

# Below this, KID of a class is more noise than number.
LEAST_FOR_CLASS_KID = 20
KID_SCALE = 1000


@dataclass(frozen=True)
class KidOptions:
    """How KID is computed.

    Attributes:
        subsets: Random subsets.
        subset_size: Samples of each set in a subset, at most half of those there are.
        seed: Names the subsets.
    """

    subsets: int = 100
    subset_size: int = 1000
    seed: int = 0


class SetDistance(NamedTuple):
    """How far some pictures are from others.

    Attributes:
        samples: Pictures.
        reference_samples: Pictures of the reference.
        fid: NaN where there are too few samples; see ``fid_samples``.
        fid_samples: Pictures of each side that FID was computed from, 0 if there were too few.
        kid: Kernel distance.
    """

    samples: int
    reference_samples: int
    fid: float
    fid_samples: int
    kid: KernelDistance

    def figures(self) -> list[float]:
        """Return FID, and mean and spread of KID in thousandths."""
        return [self.fid, KID_SCALE * self.kid.mean, KID_SCALE * self.kid.std]

    def to_json(self) -> dict[str, Any]:
        """Return plain values; KID is raw and, beside it, in thousandths as papers print it."""
        kid = {**self.kid._asdict(), "mean_x1000": KID_SCALE * self.kid.mean, "std_x1000": KID_SCALE * self.kid.std}
        return {**self._asdict(), "kid": kid}


@dataclass(frozen=True)
class Distance:
    """A dataset's distance from the reference.

    Attributes:
        features: Name of the network.
        dimensions: Length of its features.
        reference: The reference, as commands take it.
        overall: Over all samples drawn.
        classes: For each class id of the dataset that the reference has, too.
        notes: What a reader of these figures must know.
    """

    features: str
    dimensions: int
    reference: str
    overall: SetDistance
    classes: dict[int, SetDistance]
    notes: tuple[str, ...]

    @property
    def is_rank_deficient(self) -> bool:
        """Whether FID had too few samples for covariances of full rank."""
        return self.overall.fid_samples <= self.dimensions

    def to_json(self, names: dict[int, str]) -> dict[str, Any]:
        """Return plain values; ``names`` are those of the classes."""
        return {
            "features": self.features,
            "dimensions": self.dimensions,
            "reference": self.reference,
            "rank_deficient": self.is_rank_deficient,
            **self.overall.to_json(),
            "classes": {str(i): {"name": names.get(i, str(i)), **found.to_json()} for i, found in self.classes.items()},
        }


class Side(NamedTuple):
    """A dataset and the features of what was drawn from it."""

    dataset: Dataset
    drawn: Drawn


def measure_distance(
    side: Side, reference: Side, extractor: Extractor, kid: KidOptions, asked: int, report: Reporter
) -> Distance:
    """Compare the drawn samples of two datasets; ``asked`` is how many were to be drawn."""
    whole = (side.drawn.features_ND, reference.drawn.features_ND)
    mine, theirs = _classes(side), _classes(reference)
    shared = [token for token in mine if token in theirs]
    classes = {}
    with report.task("FID and KID", 1 + len(shared), "sets") as task:
        overall = _compare(*whole, 2, kid)
        task.advance()
        for token in shared:
            class_id, rows = mine[token]
            pair = whole[0][rows], whole[1][theirs[token][1]]
            classes[class_id] = _compare(*pair, extractor.dimensions + 1, kid, LEAST_FOR_CLASS_KID)
            task.advance()
    notes = _notes(overall, classes, extractor)
    if overall.samples < asked:
        notes.append(f"{overall.samples} samples of each set instead of {asked}: the smaller set has no more")
    if len(shared) < max(len(mine), len(theirs)):
        notes.append(
            f"{len(shared)} classes are in both sets, {len(mine) - len(shared)} only here, "
            f"{len(theirs) - len(shared)} only in the reference: FID and KID tell this difference, too"
        )
    return Distance(
        extractor.name, extractor.dimensions, reference.dataset.reference, overall, classes, tuple(notes)
    )  # fmt: skip


def _compare(
    features: NDArray[Any], reference: NDArray[Any], least_fid: int, options: KidOptions, least_kid: int = 0
) -> SetDistance:
    """Compute both distances; FID from as many samples of the one as of the other, since its bias depends on them."""
    count = min(len(features), len(reference))
    fid_samples = count if count >= least_fid else 0
    fid = frechet_distance(features[:count], reference[:count]) if fid_samples else math.nan
    kid = kernel_distance(
        features, reference, subsets=options.subsets if count >= least_kid else 0, subset_size=options.subset_size,
        seed=options.seed,
    )  # fmt: skip
    return SetDistance(len(features), len(reference), fid, fid_samples, kid)


def _classes(side: Side) -> dict[str, tuple[int, NDArray[np.int64]]]:
    """Return id and positions of each class that was drawn, by wnid, or by name where there is no wnid."""
    entries = {entry.id: entry for entry in side.dataset.info.classes}
    ids = np.asarray(side.dataset.table["class_id"].to_numpy(), np.int64)[side.drawn.rows]
    found = {}
    for class_id, rows in rows_by_class(ids):
        entry = entries.get(class_id)
        found[(entry.wnid or entry.name) if entry else str(class_id)] = (class_id, rows)
    return found


def _notes(overall: SetDistance, classes: dict[int, SetDistance], extractor: Extractor) -> list[str]:
    notes = []
    if not overall.fid_samples:
        notes.append("too few samples for FID and KID: at least 2 and 4 of each set are needed")
    elif overall.fid_samples <= extractor.dimensions:
        notes.append(
            f"{overall.fid_samples} samples are fewer than needed for the {extractor.dimensions} dimensions of "
            f"{extractor.name}: covariances are rank-deficient and FID is too high; compare it only with FIDs of as "
            f"many samples, and rather trust KID"
        )
    without = sum(not found.fid_samples for found in classes.values())
    if without:
        notes.append(
            f"{without} of {len(classes)} classes have no FID of their own, which takes more than "
            f"{extractor.dimensions} samples of each set in the class: see --samples"
        )
    silent = sum(math.isnan(found.kid.mean) for found in classes.values())
    if silent:
        notes.append(f"{silent} of {len(classes)} classes have no KID, which takes {LEAST_FOR_CLASS_KID} samples each")
    return notes
