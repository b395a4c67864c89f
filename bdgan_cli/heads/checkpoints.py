"""The state of a training that has not ended, as safetensors: bound to what is trained, and on what."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from torch import Tensor

from bdgan_cli.atomic import is_ours
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.heads.files import HEAD_FILE, WEIGHTS_FILE, write_tensors
from bdgan_cli.heads.turns import Turns
from bdgan_cli.training.checkpoints import CHECKPOINT_FILE, check_same, read_json, read_metadata
from bdgan_cli.training.loop import LOG_FOLDER, Figures
from bdgan_cli.weights.files import read_tensors

_IDENTITY, _TURNS, _RECENT = "identity", "turns", "recent"


def write_checkpoint(
    folder: Path,
    state: Mapping[str, Tensor],
    identity: Mapping[str, Any],
    turns: Turns | None = None,
    recent: Sequence[Figures] = (),
) -> None:
    """Replace a training's checkpoint, whole or not at all.

    Args:
        folder: Of the head.
        state: Of its trainer.
        identity: What the training is bound to.
        turns: How its steps are cut up; who goes on must cut them in the same way to get the same bytes.
        recent: Figures of its last steps.
    """
    told = {_IDENTITY: json.dumps(identity, sort_keys=True), _RECENT: json.dumps(list(recent))}
    if turns is not None:
        told[_TURNS] = json.dumps(asdict(turns), sort_keys=True)
    write_tensors(folder / CHECKPOINT_FILE, state, told)


def read_checkpoint(folder: Path, identity: Mapping[str, Any]) -> dict[str, Tensor] | None:
    """Read a training's checkpoint, None if there is none.

    Raises:
        UsageError: If it belongs to another training; names the first difference.
        DataError: If it is damaged.
    """
    path = folder / CHECKPOINT_FILE
    if not path.is_file():
        return None
    tensors = read_tensors(path)
    text = read_metadata(path).get(_IDENTITY)
    if text is None:
        raise DataError(f"{path} does not say what it was trained on", "start again: --overwrite")
    check_same(path, read_json(path, text), identity)
    return tensors


def read_turns(folder: Path) -> Turns | None:
    """Read how a training's steps are cut up, None if its checkpoint does not say or there is none.

    Raises:
        DataError: If it says something else.
    """
    path = folder / CHECKPOINT_FILE
    text = read_metadata(path).get(_TURNS) if path.is_file() else None
    if text is None:
        return None
    try:
        return Turns(**json.loads(text))
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path}: cannot read how its steps are cut up: {error}", "start again: --overwrite") from error


def read_recent(folder: Path) -> list[Figures]:
    """Read the figures of the last steps before a training's checkpoint; none if it does not hold them.

    Raises:
        DataError: If it holds something else.
    """
    path = folder / CHECKPOINT_FILE
    recent = read_json(path, read_metadata(path).get(_RECENT, "[]")) if path.is_file() else []
    if not isinstance(recent, list) or not all(isinstance(figures, dict) for figures in recent):
        raise DataError(f"{path}: expected figures of its last steps, got something else", "start again: --overwrite")
    return recent


def check_free(folder: Path) -> None:
    """Refuse to write where something lies that nobody asked to replace.

    Raises:
        UsageError: If the folder holds a head, an unfinished training, or anything else.
    """
    if (folder / CHECKPOINT_FILE).is_file():
        raise UsageError(
            f"{folder} holds an unfinished training", "go on with --resume, or start again with --overwrite"
        )
    if (folder / HEAD_FILE).is_file():
        raise UsageError(f"{folder} holds a trained head already", "choose another --name, or replace it: --overwrite")
    # What a training leaves that was killed before its first checkpoint, or while it wrote its weights.
    leftovers = {LOG_FOLDER, WEIGHTS_FILE}
    if folder.exists() and not (
        folder.is_dir() and all(path.name in leftovers or is_ours(path) for path in folder.iterdir())
    ):
        raise UsageError(f"{folder} holds something that is no head", "choose another --name")
