"""The files behind a card: where they lie, whether they are whole, and how they are read.

Only safetensors is read. A pickle can run code, so one is refused whatever its name.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from bdgan_cli.errors import DataError, MissingError
from bdgan_cli.weights.card import ModelCard, WeightFile
from bdgan_cli.weights.installed import model_folder, read_record
from bdgan_cli.weights.sniff import START_BYTES, is_pickle, is_safetensors, is_zip

EMBEDDED_FOLDER = Path(__file__).parent / "files"
ALWAYS_HASHED_BYTES = 64_000_000


def locate(card: ModelCard) -> list[Path]:
    """Find a card's files in the package or in the user's cache.

    Raises:
        MissingError: If the model is not installed, or a file is in neither place; the hint says how to get it.
        DataError: If the record of its installation is damaged.
    """
    if not card.is_installed:
        read_record(card.name)
        raise MissingError(f"the weights of {card.name} are not installed", by_hand(card))
    paths = []
    for file in card.files:
        places = [model_folder(card.name) / file.name]
        if not card.sources:
            places.insert(0, EMBEDDED_FOLDER / file.name)
        found = next((place for place in places if place.is_file()), None)
        if found is None:
            missing = f"{card.name}: file {file.name} is missing"
            raise MissingError(missing, by_hand(card) if card.sources else f"put it into {places[-1].parent}")
        paths.append(found)
    return paths


def by_hand(card: ModelCard) -> str:
    """Return the commands and addresses by which a model's weights are got, in several lines."""
    lines = [f"bdgan models pull {card.name}", "or fetch one of these files where there is a network, and add it:"]
    for source in card.sources:
        lines += [f"    {source.file}  from  {url}" for url in source.urls]
    lines += [f"    see also  {page}" for page in card.pages]
    lines += [f"bdgan models add {file} --as {card.name}" for file in dict.fromkeys(s.file for s in card.sources)]
    return "\n".join(lines)


def check(path: Path, expected: WeightFile, thorough: bool = False) -> None:
    """Compare a file's size and sha256 with its card.

    Hashing gigabytes at each load would cost seconds: a big file that has the size and the time of its installation is
    taken for whole, unless the check is to be thorough.

    Raises:
        DataError: If they differ.
    """
    status = path.stat()
    if status.st_size != expected.size:
        raise DataError(
            f"{path}: {status.st_size} bytes, expected {expected.size}", "the file is incomplete; fetch it again"
        )
    untouched = expected.mtime_ns != 0 and status.st_mtime_ns == expected.mtime_ns
    if untouched and expected.size >= ALWAYS_HASHED_BYTES and not thorough:
        return
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
        start = stream.read(START_BYTES)
    if not is_safetensors(start, path.stat().st_size) and (is_pickle(start) or is_zip(start)):
        raise DataError(
            f"{path} is a pickle, which can run code; expected safetensors", "convert it where it came from"
        )
    try:
        return load_file(path)
    except (SafetensorError, ValueError) as error:
        raise DataError(
            f"{path} is no readable safetensors file: {error}", "the file is damaged; fetch it again"
        ) from error


def load_weights(module: nn.Module, path: Path, *, as_stored: bool = False) -> None:
    """Load a safetensors file into a module, every key and shape as expected.

    Args:
        module: What the weights are for; it may lie on torch's ``meta`` device if ``as_stored``.
        path: The file.
        as_stored: Take the tensors themselves, in the file's precision, instead of copying them as float32.

    Raises:
        DataError: If a key is missing, left over or of another shape.
    """
    tensors = check_shapes(module, path)
    if as_stored:
        module.load_state_dict(tensors, strict=False, assign=True)
    else:
        module.load_state_dict({key: tensor.float() for key, tensor in tensors.items()}, strict=False)


def check_shapes(module: nn.Module, path: Path) -> dict[str, Tensor]:
    """Read a safetensors file and check that every key and shape is as a module expects.

    Args:
        module: What the weights are for; it may lie on torch's ``meta`` device.
        path: The file.

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
    return tensors
