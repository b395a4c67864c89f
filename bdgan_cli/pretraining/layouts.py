"""Names of a residual network's tensors in other tools; ours are torchvision's."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from torch import Tensor

Tensors = dict[str, Tensor]

_BLOCK = re.compile(r"layer(\d)\.(\d+)\.(.+)")


def same_names(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors as they are: torchvision's names are timm's and those of MMSegmentation's plain ``ResNet``."""
    return dict(tensors)


def detectron2_names(tensors: Mapping[str, Tensor]) -> Tensors:
    """Return the tensors under Detectron2's names: ``stem``, ``res2`` to ``res5``, norms inside their convolutions."""
    return {_detectron2_name(name): tensor for name, tensor in tensors.items()}


LAYOUTS: dict[str, Callable[[Mapping[str, Tensor]], Tensors]] = {
    "torchvision": same_names,
    "timm": same_names,
    "detectron2": detectron2_names,
    "mmseg": same_names,
}


def _detectron2_name(name: str) -> str:
    inside = _BLOCK.fullmatch(name)
    if inside is None:
        return "stem." + _norm_inside(name)
    stage, block, rest = inside.groups()
    rest = rest.replace("downsample.0.", "shortcut.").replace("downsample.1.", "shortcut.norm.")
    return f"res{int(stage) + 1}.{block}.{_norm_inside(rest)}"


def _norm_inside(name: str) -> str:
    return re.sub(r"^bn(\d)\.", r"conv\1.norm.", name)
