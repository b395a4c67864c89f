"""The files behind a card: where they lie, whether they are whole, and how they are read.

Only safetensors is read. A pickle can run code, so one is refused whatever its name.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import platformdirs
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bdgan_cli.errors import DataError, MissingError
from bdgan_cli.weights.card import ModelCard, WeightFile

EMBEDDED_FOLDER = Path(__file__).parent / "files"
_PICKLE_STARTS = (b"\x80", b"PK\x03\x04")


def locate(card: ModelCard) -> list[Path]:
    """Find a card's files in the package or in the user's cache.

    Raises:
        MissingError: If a file is in neither place.
    """
    cache = Path(platformdirs.user_cache_dir("bdgan")) / "models"
    paths = []
    for file in card.files:
        places = [folder / file.name for folder in (EMBEDDED_FOLDER, cache)]
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            raise MissingError(f"{card.name}: file {file.name} is missing", f"put it into {cache}")
        paths.append(found)
    return paths


def check(path: Path, expected: WeightFile) -> None:
    """Compare a file's size and sha256 with its card.

    Raises:
        DataError: If they differ.
    """
    size = path.stat().st_size
    if size != expected.size:
        raise DataError(f"{path}: {size} bytes, expected {expected.size}", "the file is incomplete; fetch it again")
    digest = file_sha256(path)
    if digest != expected.sha256:
        raise DataError(f"{path}: sha256 {digest[:12]}..., expected {expected.sha256[:12]}...", "the file was changed")


def file_sha256(path: Path) -> str:
    """Return a file's sha256 in hex."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def read_tensors(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file.

    Raises:
        DataError: If it is a pickle, cut short, or anything else.
    """
    with path.open("rb") as stream:
        start = stream.read(4)
    if start.startswith(_PICKLE_STARTS):
        raise DataError(
            f"{path} is a pickle, which can run code; expected safetensors", "convert it where it came from"
        )
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        raise DataError(
            f"{path} is no readable safetensors file: {error}", "the file is damaged; fetch it again"
        ) from error


def load_weights(module: nn.Module, path: Path) -> None:
    """Load a safetensors file into a module, every key and shape as expected.

    Raises:
        DataError: If a key is missing, left over or of another shape.
    """
    tensors = read_tensors(path)
    # Counters of batch norm say nothing about the function and are not stored.
    expected = {k: v for k, v in module.state_dict().items() if not k.endswith("num_batches_tracked")}
    missing, extra = sorted(expected.keys() - tensors.keys()), sorted(tensors.keys() - expected.keys())
    if missing or extra:
        raise DataError(f"{path}: {len(missing)} keys missing {missing[:3]}, {len(extra)} unknown {extra[:3]}")
    for key, tensor in tensors.items():
        if tensor.shape != expected[key].shape:
            raise DataError(f"{path}: {key} has shape {tuple(tensor.shape)}, expected {tuple(expected[key].shape)}")
    module.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, strict=False)
