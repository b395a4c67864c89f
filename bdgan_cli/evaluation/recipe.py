"""How a segmenter is trained (supplement B.2): numbers only, with the paper's as defaults."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from bdgan_cli.errors import UsageError, near_names

LOSSES = ("cross-entropy", "focal")
PRECISIONS = ("auto", "float32", "bfloat16")


@dataclass(frozen=True)
class Recipe:
    """A training of a segmenter.

    Attributes:
        segmenter: Name of the architecture.
        size_px: Height and width of the pictures that it sees, for training and testing.
        batch: Samples of a step, over all processes.
        epochs: How often each training sample is seen; not used where ``steps`` is given.
        steps: Steps of every training, whatever its set; None goes by ``epochs``.
        learning_rate: At the start; it decays as ``(1 - t) ** power``.
        momentum: Of SGD.
        weight_decay: Of SGD, on all parameters.
        power: Of the polynomial decay.
        scale: Least and largest factor of the random resize.
        loss: One of :data:`LOSSES`.
        focal_gamma: Exponent of the focal loss. The paper gives none; 2 is that of its source (arXiv:1708.02002).
        focal_alpha: Weight of object pixels in the focal loss, that of the background being one less this. None weights
            all alike; the paper gives none.
        precision: ``float32``, ``bfloat16`` for autocast networks, or ``auto``: bfloat16 on GPUs.
    """

    segmenter: str = "deeplabv3-resnet50"
    size_px: int = 224
    batch: int = 64
    epochs: int = 200
    steps: int | None = None
    learning_rate: float = 0.01
    momentum: float = 0.9
    weight_decay: float = 1e-4
    power: float = 0.9
    scale: tuple[float, float] = (0.5, 2.0)
    loss: str = "cross-entropy"
    focal_gamma: float = 2.0
    focal_alpha: float | None = None
    precision: str = "auto"

    def __post_init__(self) -> None:
        _check_choice("--loss", self.loss, LOSSES)
        _check_choice("--precision", self.precision, PRECISIONS)
        if self.size_px < 32:
            raise UsageError(f"--size {self.size_px}: expected at least 32 pixels", "the paper's is --size 224")
        if self.batch < 2:
            raise UsageError(f"--batch {self.batch}: expected at least 2, for batch norm", "the paper's is --batch 64")
        if min(self.epochs, 1 if self.steps is None else self.steps) < 1:
            raise UsageError("--epochs and --steps: expected at least 1", "the paper has --epochs 200")
        if not self.learning_rate > 0:
            raise UsageError(f"--lr {self.learning_rate}: expected a positive number", "the paper's is --lr 0.01")
        if not self.focal_gamma >= 0:
            raise UsageError(f"--focal-gamma {self.focal_gamma}: expected at least 0", "its source has --focal-gamma 2")
        if self.focal_alpha is not None and not 0 < self.focal_alpha < 1:
            raise UsageError(f"--focal-alpha {self.focal_alpha}: expected a number between 0 and 1")

    def to_json(self) -> dict[str, Any]:
        """Return the recipe as plain values."""
        return {**asdict(self), "scale": list(self.scale)}


def _check_choice(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"{option} {value!r}: expected {', '.join(known)}", near_names(value, list(known)))


# In a small world pictures are small and objects fill them: less scaling, and as many steps for every set, so that
# sets of different sizes are compared at equal cost.
PRESETS: dict[str, Recipe] = {
    "paper": Recipe(),
    "tiny": Recipe("lraspp-tiny", size_px=64, batch=16, steps=800, learning_rate=0.1, scale=(0.75, 1.5)),
}


def find_preset(name: str) -> Recipe:
    """Return a preset.

    Raises:
        UsageError: If there is none of that name.
    """
    if name not in PRESETS:
        raise UsageError(f"unknown preset {name!r}", near_names(name, list(PRESETS)))
    return PRESETS[name]
