"""Cuts a dataset into train, val and test: by class, drawn by a seed, no picture in two of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bdgan_cli.errors import DataError, UsageError

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,39}")
_ROUNDING = 1e-6
_EXAMPLE = "for example train=0.8,val=0.1,test=0.1"


class Fraction(NamedTuple):
    """A split and its share of the samples."""

    name: str
    share: float


def parse_fractions(text: str) -> tuple[Fraction, ...]:
    """Read ``train=0.8,val=0.1,test=0.1``.

    Raises:
        UsageError: If a part has another form, a name is there twice, or the shares do not add up to 1.
    """
    fractions: list[Fraction] = []
    for part in text.replace(" ", "").split(","):
        name, _, share = part.partition("=")
        if not _NAME.fullmatch(name) or not re.fullmatch(r"\d*\.?\d+", share) or not 0 < float(share) <= 1:
            raise UsageError(f"expected splits as NAME=SHARE with shares above 0 and up to 1, got {part!r}", _EXAMPLE)
        if name in (fraction.name for fraction in fractions):
            raise UsageError(f"expected each split once, got {name} twice", _EXAMPLE)
        fractions.append(Fraction(name, float(share)))
    total = sum(fraction.share for fraction in fractions)
    if abs(total - 1) > _ROUNDING:
        raise UsageError(f"expected shares that add up to 1, got {total:g}", _EXAMPLE)
    return tuple(fractions)


def check_split(name: str, where: str) -> str:
    """Return a split's name if it can be the name of a folder; the empty name means no split.

    Raises:
        DataError: If it cannot.
    """
    if name and not _NAME.fullmatch(name):
        raise DataError(f"{where}: expected a split of 1 to 40 characters A-Z a-z 0-9 _ -, got {name!r}")
    return name


def draw_splits(table: pa.Table, fractions: Sequence[Fraction], seed: int) -> list[str]:
    """Draw a split for each sample.

    Each class is divided by the shares; what does not come out whole is carried on to the next class, so that the
    totals are right even where classes have few samples. Samples of one picture (equal sha256 of the image) stay
    together, and count as the class of the first of them.

    Args:
        table: Index rows with key, class_id and image_sha256.
        fractions: The splits and their shares.
        seed: Names the draw.

    Returns:
        The split's name of each row.
    """
    groups: dict[str, list[int]] = {}
    keys, hashes = table["key"].to_pylist(), table["image_sha256"].to_pylist()
    for row, (key, sha256) in enumerate(zip(keys, hashes, strict=True)):
        groups.setdefault(sha256 or f"key {key}", []).append(row)
    class_ids = table["class_id"].to_pylist()
    by_class: dict[int, list[list[int]]] = {}
    for rows in groups.values():
        by_class.setdefault(class_ids[rows[0]], []).append(rows)
    splits = [""] * len(table)
    owed = np.zeros(len(fractions))
    shares = np.array([fraction.share for fraction in fractions])
    for class_id, members in sorted(by_class.items()):
        owed += shares * len(members)
        counts = _whole(owed, len(members))
        owed -= counts
        order = np.random.default_rng([seed, class_id]).permutation(len(members))
        names = np.repeat([fraction.name for fraction in fractions], counts)
        for place, name in zip(order, names, strict=True):
            for row in members[place]:
                splits[row] = str(name)
    return splits


def _whole(owed: NDArray[np.float64], count: int) -> NDArray[np.int64]:
    """Return whole numbers near what is owed, none negative, that add up to the count."""
    counts = np.floor(owed + _ROUNDING).clip(0).astype(np.int64)
    while counts.sum() < count:
        counts[np.argmax(owed - counts)] += 1
    while counts.sum() > count:
        counts[np.argmin(np.where(counts > 0, owed - counts, np.inf))] -= 1
    return counts
