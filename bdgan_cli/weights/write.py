"""Writes safetensors files one tensor at a time, so that a file of any size needs the memory of its largest tensor.

The library's own writer copies all tensors first. The order and the bytes depend on names and values alone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from torch import Tensor

from bdgan_cli.atomic import put_in_place, refusals_explained, seal, temporary_file
from bdgan_cli.errors import DataError
from bdgan_cli.weights.card import WeightFile

_NAMES = {torch.float32: "F32", torch.bfloat16: "BF16", torch.float16: "F16"}


def write_tensors(path: Path, tensors: Mapping[str, Tensor], dtype_of: Callable[[str], torch.dtype]) -> WeightFile:
    """Write tensors as safetensors.

    Args:
        path: The file, which is replaced by the whole new one or not at all.
        tensors: May be mapped from another file; each is read once.
        dtype_of: The type in which the tensor of that name is stored: float32, bfloat16 or float16.

    Returns:
        Name, sha256 and size of what was written.

    Raises:
        DataError: If a tensor holds something else than finite numbers.
        BdganError: If the machine refuses to write.
    """
    # Wide types first keeps every tensor aligned to its type, and names make the order the same each time.
    keys = sorted(tensors, key=lambda key: (-dtype_of(key).itemsize, key))
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    end = 0
    for key in keys:
        begin, end = end, end + tensors[key].numel() * dtype_of(key).itemsize
        shape = list(tensors[key].shape)
        entries[key] = {"dtype": _NAMES[dtype_of(key)], "shape": shape, "data_offsets": [begin, end]}
    header = json.dumps(entries, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)

    digest = hashlib.sha256()
    with refusals_explained(path), temporary_file(path) as (temporary, file):
        for block in [len(header).to_bytes(8, "little"), header]:
            digest.update(block)
            file.write(block)
        for key in keys:
            block_NB = _bytes(key, tensors[key], dtype_of(key))
            digest.update(block_NB)
            file.write(block_NB)
        size = file.tell()
        seal(file)
        put_in_place(temporary, path)
    return WeightFile(path.name, digest.hexdigest(), size, path.stat().st_mtime_ns)


def _bytes(key: str, tensor: Tensor, dtype: torch.dtype) -> memoryview:
    """Return a tensor's numbers as they are stored.

    Raises:
        DataError: If it is no tensor of real numbers, or one of them is not finite.
    """
    if tensor.is_complex() or tensor.dtype == torch.bool:
        raise DataError(f"{key} holds {tensor.dtype}, expected real numbers")
    stored = tensor.detach().to(dtype).reshape(-1).contiguous()
    if not torch.isfinite(stored).all():
        raise DataError(f"{key} holds numbers that are not finite", "the file is damaged; fetch it again")
    return stored.view(torch.uint8).numpy().data
