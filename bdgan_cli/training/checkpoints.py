"""The state of a training that has not ended, as one safetensors file, bound to what is trained and on what.

A state is a nest of dicts and lists with tensors and plain values, such as optimizers give. Tensors are stored as they
are, the nest as JSON in the file's metadata; nothing in the file can run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from bdgan_cli.atomic import write_atomically
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.weights.files import read_tensors

CHECKPOINT_FILE = "checkpoint.safetensors"
_TRAINING, _IDENTITY, _STATE = "training", "identity", "state"
_AGAIN = "start again: --overwrite"


def write_checkpoint(path: Path, state: Mapping[str, Any], identity: Mapping[str, Any]) -> None:
    """Replace a training's checkpoint, whole or not at all.

    Args:
        path: The file.
        state: What the training needs to go on.
        identity: What the training is bound to: plain JSON values.

    Raises:
        BdganError: If the machine refuses to write.
    """
    tensors: dict[str, Tensor] = {}
    told = {_IDENTITY: identity, _STATE: _outline(state, tensors)}
    # Under one name: safetensors writes several in an order of chance, and equal states must give equal bytes.
    write_atomically(path, save(tensors, {_TRAINING: json.dumps(told, sort_keys=True)}))


def read_checkpoint(path: Path, identity: Mapping[str, Any]) -> dict[str, Any] | None:
    """Read a training's checkpoint, None if there is none.

    Raises:
        UsageError: If it belongs to another training; names the first difference.
        DataError: If it is damaged.
    """
    if not path.is_file():
        return None
    tensors = read_tensors(path)
    told = read_json(path, read_metadata(path).get(_TRAINING, "{}"))
    if not isinstance(told, dict) or not {_IDENTITY, _STATE} <= told.keys():
        raise DataError(f"{path} does not say what was trained", _AGAIN)
    check_same(path, told[_IDENTITY], json.loads(json.dumps(identity)))
    try:
        state = _filled(told[_STATE], tensors)
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise DataError(f"{path}: expected the outline of a state, got another: {error}", _AGAIN) from error
    if not isinstance(state, dict):
        raise DataError(f"{path}: expected a state by names, got a {type(state).__name__}", _AGAIN)
    return state


def read_metadata(path: Path) -> dict[str, str]:
    """Return the words that a safetensors file carries.

    Raises:
        DataError: If it is damaged.
    """
    try:
        with safe_open(path, "pt") as stream:
            return dict(stream.metadata() or {})
    except (SafetensorError, OSError, ValueError) as error:
        raise DataError(f"{path} is no readable safetensors file: {error}", _AGAIN) from error


def read_json(path: Path, text: str) -> Any:
    """Parse JSON that a safetensors file carries among its words.

    Raises:
        DataError: If it is none.
    """
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: expected JSON in its metadata, got: {error}", _AGAIN) from error


def check_same(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse to go on with another training than the one that was begun.

    Raises:
        UsageError: If the two differ; names the first difference.
    """
    difference = _first_difference(found, wanted)
    if difference is not None:
        name, theirs, ours = difference
        raise UsageError(
            f"{path} belongs to a training with {name} {theirs!r}, this one has {ours!r}",
            "give the same options, another --name, or --overwrite",
        )


def _first_difference(found: Any, wanted: Any, name: str = "") -> tuple[str, Any, Any] | None:
    """Descend into what differs, so that one value is told and not two whole recipes."""
    if found == wanted:
        return None
    if isinstance(found, list) and isinstance(wanted, list) and len(found) == len(wanted):
        found, wanted = ({str(i): value for i, value in enumerate(values)} for values in (found, wanted))
    if not (isinstance(found, Mapping) and isinstance(wanted, Mapping)):
        return name, found, wanted
    key = next(key for key in sorted({*found, *wanted}) if found.get(key) != wanted.get(key))
    return _first_difference(found.get(key), wanted.get(key), f"{name}.{key}" if name else key)


def _outline(value: Any, tensors: dict[str, Tensor]) -> Any:
    """Replace tensors by their names; JSON keeps the type of a dict's keys only if they are strings."""
    if isinstance(value, Tensor):
        name = f"{len(tensors):06d}"
        # A copy: safetensors refuses tensors that share memory.
        tensors[name] = value.detach().cpu().clone().contiguous()
        return {"tensor": name}
    if isinstance(value, Mapping):
        return {"dict": [[key, _outline(item, tensors)] for key, item in value.items()]}
    if isinstance(value, (list, tuple)):
        return {"list": [_outline(item, tensors) for item in value]}
    return {"value": value}


def _filled(outline: Any, tensors: Mapping[str, Tensor]) -> Any:
    ((kind, content),) = outline.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {key: _filled(item, tensors) for key, item in content}
    if kind == "list":
        return [_filled(item, tensors) for item in content]
    return content
