"""The table of head architectures: a new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from torch import nn

from bdgan_cli.errors import UsageError, near_names
from bdgan_cli.heads import multilevel, official, vqgan_head
from bdgan_cli.heads.members import member_seed
from bdgan_cli.interfaces import FeatureSpec

Builder: TypeAlias = Callable[[FeatureSpec, int, int, Sequence[int]], nn.Module]

ARCHITECTURES: dict[str, Builder] = {
    "multilevel": multilevel.build,
    "official": official.build,
    "vqgan": vqgan_head.build,
}


def build_ensemble(
    arch: str, spec: FeatureSpec, image_size: int, labels: int, members: int | Sequence[int], seed: int
) -> nn.Module:
    """Build an ensemble of heads with its initial weights.

    Args:
        arch: A name in ``ARCHITECTURES``.
        spec: The generator's taps.
        image_size: Height and width of the masks in pixels.
        labels: Output channels K; 1 is foreground against background.
        members: Their number M, or the ids of the members wanted: ``[5]`` is the sixth of any ensemble of this seed.
        seed: With a member's id, all that its initial weights depend on.

    Returns:
        A module with ``members``, ``for_inference()`` and ``forward(Features)`` to (M, N, K, H, W) logits.

    Raises:
        UsageError: There is no such architecture.
    """
    if arch not in ARCHITECTURES:
        raise UsageError(f"no head architecture is called {arch!r}", near_names(arch, sorted(ARCHITECTURES)))
    return ARCHITECTURES[arch](spec, image_size, labels, [member_seed(seed, m) for m in member_ids(members)])


def member_ids(members: int | Sequence[int]) -> list[int]:
    """Return the ids that a number of members, or a list of ids, stands for."""
    return list(range(members)) if isinstance(members, int) else list(members)
