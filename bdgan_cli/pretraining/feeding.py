"""What a step is fed with: two views of each picture and, in the joint stage, labelled pictures.

A picture that cannot be read is replaced by another one, drawn from its own row, so that every run replaces it alike;
the caller counts. Pictures are (H, W, 3) uint8 RGB.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.errors import DataError
from bdgan_cli.pretraining.views import Picture, ViewRule, contrastive_view, segmentation_view, view_stream
from bdgan_cli.training.order import Visit

READABLE = -1

_SUBSTITUTE_STREAM = 6
_SUBSTITUTES = 10
_LABELLED_VIEW = 2

Read = TypeVar("Read")


class Pictures(Protocol):
    """Pictures by row."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def read(self, row: int) -> Picture:
        """Read one.

        Raises:
            DataError: If it is damaged.
        """
        ...


class LabelledPictures(Protocol):
    """Pictures with masks by row."""

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def read(self, row: int) -> tuple[Picture, NDArray[np.int16]]:
        """Read one with its mask of labels 0..L-1, or -1 to be ignored.

        Raises:
            DataError: If it is damaged.
        """
        ...


class TwoViews:
    """Two views of each picture, for a :class:`bdgan_cli.training.feeder.Feeder`.

    Args:
        pictures: Where they come from.
        rule: How views are drawn.
        seed: Names the views.
    """

    def __init__(self, pictures: Pictures, rule: ViewRule, seed: int) -> None:
        self._pictures, self._rule, self._seed = pictures, rule, seed

    def __len__(self) -> int:
        return len(self._pictures)

    def load(self, visit: Visit) -> tuple[Picture, Picture, int]:
        """Return two views, and the picture's row if it could not be read, else ``READABLE``."""
        picture, unreadable = read_or_replace(self._pictures.read, visit.row, len(self), self._seed)
        query, key = (contrastive_view(picture, self._rule, view_stream(self._seed, visit, view)) for view in (0, 1))
        return query, key, unreadable


class Labelled:
    """One view of each labelled picture with its mask.

    Args:
        pictures: Where they come from.
        rule: How views are drawn; colours stay.
        seed: Names the views.
    """

    def __init__(self, pictures: LabelledPictures, rule: ViewRule, seed: int) -> None:
        self._pictures, self._rule, self._seed = pictures, rule, seed

    def __len__(self) -> int:
        return len(self._pictures)

    def load(self, visit: Visit) -> tuple[Picture, NDArray[Any], int]:
        """Return a view, its mask, and the picture's row if it could not be read, else ``READABLE``."""
        (picture, mask), unreadable = read_or_replace(self._pictures.read, visit.row, len(self), self._seed)
        view, cut = segmentation_view(picture, mask, self._rule, view_stream(self._seed, visit, _LABELLED_VIEW))
        return view, cut, unreadable


def read_or_replace(read: Callable[[int], Read], row: int, count: int, seed: int) -> tuple[Read, int]:
    """Read a row, or another one in its place.

    Returns:
        What was read, and the row if it could not be, else ``READABLE``.

    Raises:
        DataError: If ten others cannot be read, either; the reason is the first row's.
    """
    try:
        return read(row), READABLE
    except DataError as error:
        reason = error
    stream = np.random.Generator(np.random.Philox(np.random.SeedSequence((seed, row, _SUBSTITUTE_STREAM))))
    for other in stream.integers(0, count, _SUBSTITUTES):
        try:
            return read(int(other)), row
        except DataError:
            continue
    raise DataError(f"{reason.message}; so are {_SUBSTITUTES} others drawn in its place", reason.hint) from reason
