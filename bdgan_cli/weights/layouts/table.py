"""The layouts that are known, in the order in which a file is compared with them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Protocol

from torch import Tensor

from bdgan_cli.weights.layouts import bigdatasetgan, biggan, biggan_deep, biggan_v1, inception, resnet, vqgan


class Layout(Protocol):
    """What a layout's module offers.

    Attributes:
        NAME: How cards call it.
        SUMMARY: What such a file is, in one line.
    """

    NAME: str
    SUMMARY: str

    def matches(self, keys: Collection[str]) -> bool:
        """Tell whether a file with these keys is of this layout."""
        ...

    def convert(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Return what a builder loads, under its names.

        Raises:
            DataError: If a key is missing or a shape is wrong.
        """
        ...


LAYOUTS: tuple[Layout, ...] = (bigdatasetgan, biggan, biggan_v1, biggan_deep, vqgan, inception, resnet)


def _biggan_resolution(native: Mapping[str, Tensor]) -> int:
    return 4 << (len(biggan.read_widths(native).channels) - 1)


# The picture size that converted tensors tell, where they do: 0 or no entry if it is unknown.
RESOLUTIONS: dict[str, Callable[[Mapping[str, Tensor]], int]] = {
    **{layout.NAME: _biggan_resolution for layout in (bigdatasetgan, biggan, biggan_v1)},
    biggan_deep.NAME: biggan_deep.resolution,
}

# Files that people take for one of the above.
LOOK_ALIKES: tuple[tuple[Callable[[Collection[str]], bool], str], ...] = (
    (
        vqgan.matches_first_stage,
        "is a VQGAN's first stage alone, without a transformer to draw codes: expected a checkpoint that holds both "
        "under transformer.* and first_stage_model.*",
    ),
)
