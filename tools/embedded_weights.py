"""Write a network's weights into the package and their size and hash into its card."""

from __future__ import annotations

import hashlib
import re
from pathlib import Path

from safetensors.torch import save_file
from torch import nn

from bdgan_cli.weights.card import CARDS_FOLDER
from bdgan_cli.weights.files import EMBEDDED_FOLDER


def write_weights(name: str, network: nn.Module, figures: dict[str, float]) -> Path:
    """Save ``name.safetensors`` and update the card ``name.toml``, which must exist.

    Args:
        name: The model's name.
        network: Its weights.
        figures: Measured properties for the card's [figures] table; other entries of the table are kept.
    """
    path = EMBEDDED_FOLDER / f"{name}.safetensors"
    tensors = {key: tensor.detach().contiguous() for key, tensor in network.state_dict().items()}
    save_file({key: tensor for key, tensor in tensors.items() if not key.endswith("num_batches_tracked")}, path)
    card = CARDS_FOLDER / f"{name}.toml"
    text = card.read_text(encoding="utf-8")
    data = path.read_bytes()
    text = re.sub(r'^sha256 = ".*"$', f'sha256 = "{hashlib.sha256(data).hexdigest()}"', text, flags=re.MULTILINE)
    text = re.sub(r"^size = .*$", f"size = {len(data)}", text, flags=re.MULTILINE)
    for figure, value in figures.items():
        text = re.sub(rf'^"{re.escape(figure)}" = .*$', f'"{figure}" = {value}', text, flags=re.MULTILINE)
    card.write_text(text, encoding="utf-8")
    return path
