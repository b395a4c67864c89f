"""The arms of a benchmark: what each training learns from (paper 5.2: Sup, BigGAN-off, BigGAN-on)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bdgan_cli.errors import UsageError, near_names
from bdgan_cli.workflows.sampler import SampleConfig


@dataclass(frozen=True)
class Online:
    """Samples made fresh for every step.

    Attributes:
        sampling: Generator, head, classes and how samples are drawn; ``per_class`` is not looked at.
        drop_uncertain: Share of each block of samples that the uncertainty filter leaves out.
    """

    sampling: SampleConfig
    drop_uncertain: float = 0.1


@dataclass(frozen=True)
class Arm:
    """What one kind of training learns from.

    Attributes:
        name: Names its folder; unique in a study.
        title: What it is, in a few words.
        sets: ``PATH`` or ``PATH@view`` of the datasets, taken together.
        online: Fresh samples instead of stored ones.
    """

    name: str
    title: str
    sets: tuple[str, ...] = ()
    online: Online | None = None


def arms_named(names: tuple[str, ...], known: dict[str, Any]) -> list[str]:
    """Return the names of the arms to run, all if none is named.

    Raises:
        UsageError: If one is unknown or named twice.
    """
    for name in names:
        if name not in known:
            raise UsageError(f"unknown arm {name!r}", near_names(name, list(known)))
    if len(set(names)) < len(names):
        raise UsageError(f"an arm is named twice: {', '.join(names)}", "name each once")
    return list(names or known)
