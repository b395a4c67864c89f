"""What an annotation tool is to ``bdgan annotate``: files to hand out, and a result to read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.importers.regions import unknown_label
from bdgan_cli.dataset.interchange.labelme import IGNORE, Labelled
from bdgan_cli.dataset.interchange.polygons import repaint
from bdgan_cli.dataset.schema import IGNORE_LABEL
from bdgan_cli.errors import DataError

SizeHW = tuple[int, int]
Mask = NDArray[Any]


class Pick(NamedTuple):
    """A picture to annotate.

    Attributes:
        key: Its key; the file stem in every tool.
        image: The picture's file.
        image_format: ``png``, ``jpg`` or ``webp``.
        size_hw: Height and width in pixels.
        guess: (H, W) mask that an ensemble has made; None if there is none.
    """

    key: str
    image: bytes
    image_format: str
    size_hw: SizeHW
    guess: Mask | None


class Returned(NamedTuple):
    """What a tool has of a picture.

    Attributes:
        key: Whose it is.
        file: Where it stands, for messages.
        mask: (H, W) uint8; None if nobody has annotated it.
        picture: The picture's file as the tool has it; None if the result carries no pictures.
    """

    key: str
    file: str
    mask: Mask | None
    picture: bytes | None


class Tool(Protocol):
    """One annotation tool."""

    def hand_out(self, picks: Iterable[Pick], labels: Sequence[str], folder: str) -> Iterator[tuple[str, bytes]]:
        """Yield the files that the tool opens, as path and content.

        Args:
            picks: The pictures.
            labels: Names of the mask values 0..K.
            folder: Name of the folder that the files go to.
        """
        ...

    def read(
        self, result: Path, planned: Mapping[str, SizeHW], labels: Sequence[str], faults: list[Fault]
    ) -> Iterator[Returned]:
        """Yield what there is of each picture; what is odd becomes a fault.

        Args:
            result: Where the tool's result lies.
            planned: Height and width of the pictures by key.
            labels: Names of the mask values 0..K.
            faults: What is odd is added here.

        Raises:
            MissingError: If there is no result.
            DataError: If it is none of this tool.
        """
        ...


def paint(regions: Sequence[Labelled], labels: Sequence[str], size_hw: SizeHW) -> tuple[Mask, list[DataError]]:
    """Draw regions into a mask: where they overlap the smaller is on top, ignored ones are below all.

    Args:
        regions: In the order in which they were drawn.
        labels: Names of the mask values 0..K.
        size_hw: Height and width in pixels.

    Returns:
        (H, W) uint8, and what is odd in regions.
    """
    values = {name: value for value, name in enumerate(labels) if value} | {IGNORE: IGNORE_LABEL}
    drawn: list[tuple[int, _Pixels]] = []
    errors: list[DataError] = []
    for region in regions:
        try:
            if region.label not in values:
                raise unknown_label(region, labels[1:])
            drawn.append((values[region.label], _Pixels(region.region.draw(size_hw, region.place))))
        except DataError as error:
            errors.append(error)
    return repaint(drawn, size_hw, np.uint8), errors


def fault(file: str, error: DataError) -> Fault:
    """Return an error as a fault of a file."""
    return Fault(file, error.message.removeprefix(f"{file}: ")[:300], error.hint)


class _Pixels(NamedTuple):
    """A region that is drawn already."""

    mask: NDArray[np.bool_]

    def draw(self, size_hw: SizeHW, where: str) -> NDArray[np.bool_]:
        """Return it."""
        return self.mask
