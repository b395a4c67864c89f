"""Public checkpoints in torch's own format, read without running anything in them.

A pickle is a program. Only ``torch.load(weights_only=True)`` opens one here: it builds tensors and plain containers and
knows no other instruction. Checkpoints of PyTorch Lightning also mention a few harmless classes beside their weights;
these are replaced by an empty one, never imported. Whatever else a file asks for makes it refused, by name.
"""

from __future__ import annotations

import pickle
import re
import struct
import warnings
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.serialization import safe_globals

from bdgan_cli.errors import DataError
from bdgan_cli.weights.sniff import START_BYTES, is_html, is_pickle, is_zip

EXPECTED = "expected a checkpoint (.pth, .bin, .ckpt) or .safetensors"
_NEXT = "fetch it again, and compare its size with that at the source"


class StandIn:
    """Takes the place of a class that a checkpoint mentions beside its weights: accepts everything, does nothing."""

    def __init__(self, *ignored: object) -> None:
        pass

    def __new__(cls, *ignored: object) -> StandIn:
        """Make one, whatever the arguments."""
        return object.__new__(cls)

    def __setstate__(self, ignored: object) -> None:
        """Forget the state."""


class StandInDict:
    """Takes the place of a kind of dict, whose entries are set afterwards: it makes a plain one."""

    def __new__(cls, *ignored: object) -> dict[object, object]:  # type: ignore[misc]
        """Make an empty dict, whatever the arguments."""
        return {}


_MENTIONED = (
    "argparse.Namespace",
    "builtins.bool",
    "builtins.dict",
    "builtins.float",
    "builtins.int",
    "builtins.list",
    "builtins.str",
    "numpy._core.multiarray.scalar",
    "numpy.core.multiarray.scalar",
    "numpy.dtype",
    "omegaconf.base.ContainerMetadata",
    "omegaconf.base.Metadata",
    "omegaconf.dictconfig.DictConfig",
    "omegaconf.listconfig.ListConfig",
    "omegaconf.nodes.AnyNode",
    "pathlib.PosixPath",
    "pytorch_lightning.callbacks.early_stopping.EarlyStopping",
    "pytorch_lightning.callbacks.lr_monitor.LearningRateMonitor",
    "pytorch_lightning.callbacks.model_checkpoint.ModelCheckpoint",
    "typing.Any",
)
_MENTIONED_DICTS = ("collections.defaultdict", "pytorch_lightning.utilities.parsing.AttributeDict")
_HARMLESS: list[Callable[..., Any] | tuple[Callable[..., Any], str]] = [
    *((StandIn, name) for name in _MENTIONED),
    *((StandInDict, name) for name in _MENTIONED_DICTS),
]

# What torch raises for files that are damaged or made to harm; its own text says little to a user.
_UNREADABLE = (
    RuntimeError, ValueError, TypeError, KeyError, IndexError, AttributeError, AssertionError,
    EOFError, OverflowError, MemoryError, struct.error, zipfile.BadZipFile,
)  # fmt: skip


def read_checkpoint(path: Path) -> dict[str, Tensor]:
    """Read the state dict in a checkpoint, mapped into memory where the format allows it.

    Raises:
        DataError: If the file is a web page, cut short, of another kind, or asks to run code.
    """
    start = _read_start(path)
    if is_zip(start):
        _check_archive(path)
    elif not is_pickle(start):
        raise DataError(f"{path} begins with {start[:8]!r}: {EXPECTED}", _NEXT)
    try:
        with safe_globals(_HARMLESS), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # torch's advice is for those who wrote the file
            content = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zip(start))
    except pickle.UnpicklingError as error:
        raise _refusal(path, str(error)) from error
    except _UNREADABLE as error:
        raise DataError(f"{path} is damaged or no checkpoint ({_first_line(error)}): {EXPECTED}", _NEXT) from error
    return _state_dict(path, content)


def _read_start(path: Path) -> bytes:
    """Read the first bytes.

    Raises:
        DataError: If there are none, or they begin a web page.
    """
    with path.open("rb") as stream:
        start = stream.read(START_BYTES)
    if not start:
        raise DataError(f"{path} is empty: {EXPECTED}", _NEXT)
    if is_html(start):
        raise DataError(f"{path} is a web page (HTML): {EXPECTED}", "open it in a browser: it may say why")
    return start


def _check_archive(path: Path) -> None:
    """Look at a zip archive's directory before anything is unpacked.

    Raises:
        DataError: If it is cut short, holds no checkpoint, or is compressed, which may unpack to any size.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, struct.error, EOFError) as error:
        raise DataError(
            f"{path} is cut short ({path.stat().st_size} bytes, no directory at its end): {EXPECTED}", _NEXT
        ) from error
    if not any(entry.filename.endswith("data.pkl") for entry in entries):
        raise DataError(f"{path} is a zip archive without a checkpoint in it: {EXPECTED}", "unpack it first")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise DataError(f"{path} is a compressed archive, which torch does not write: {EXPECTED}", _NEXT)


def _refusal(path: Path, text: str) -> DataError:
    """Name what a file wanted to run."""
    found = re.search(r"GLOBAL (\S+)", text)
    if found is None:
        what = _first_line(text.rpartition("WeightsUnpickler error: ")[2])
        return DataError(f"{path} is damaged or no checkpoint ({what}): {EXPECTED}", _NEXT)
    return DataError(
        f"{path} would run {found[1]} when opened: expected tensors and nothing else; it was not run",
        "do not open it with other programs; get the weights as safetensors, or from another place",
    )


def _state_dict(path: Path, content: object) -> dict[str, Tensor]:
    """Unwrap what was read.

    Raises:
        DataError: If it holds no tensors, or one that claims more numbers than the file has.
    """
    if isinstance(content, Mapping) and isinstance(content.get("state_dict"), Mapping):
        content = content["state_dict"]
    entries = content.items() if isinstance(content, Mapping) else ()
    tensors = {key: value.detach() for key, value in entries if isinstance(key, str) and isinstance(value, Tensor)}
    if not tensors:
        raise DataError(f"{path} holds no tensors by name: expected the state dict of a network", _NEXT)
    for key, tensor in tensors.items():
        is_plain = tensor.layout == torch.strided and tensor.device.type == "cpu" and not tensor.is_quantized
        if not is_plain or tensor.numel() * tensor.itemsize > tensor.untyped_storage().nbytes():
            raise DataError(
                f"{path}: {key} is no plain tensor: expected one number in the file for each element", _NEXT
            )
    return tensors


def _first_line(error: object) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else type(error).__name__)[:120].rstrip(".")
