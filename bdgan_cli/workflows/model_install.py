"""``bdgan models add``: public weights into the cache, checked by building the model from them.

Nothing is installed before the model stands: a file is read without running anything in it, recognised by its keys,
converted into a folder of its own, and loaded there by the model's builder; only then that folder takes its place.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch

from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.weights.card import ModelCard, WeightFile, find_card
from bdgan_cli.weights.convert import PublicFile, convert, read_public
from bdgan_cli.weights.files import by_hand, file_sha256
from bdgan_cli.weights.installed import (
    WEIGHTS_FILE,
    InstalledRecord,
    install,
    installing,
    model_folder,
    staging,
    tidy,
    write_record,
)
from bdgan_cli.weights.registry import resolve
from bdgan_cli.workflows.models import introduce
from bdgan_cli.workflows.released_head import ReleasedHead, is_released, plan_released_head


@dataclass(frozen=True)
class AddConfig:
    """What to install.

    Attributes:
        path: The file that the user brought.
        name: The model whose weights it holds.
        workspace: Where a segmentation head goes that the file holds beside the generator.
        overwrite: Replace an installed model and head.
        dry_run: Check everything, install nothing.
    """

    path: Path
    name: str
    workspace: Path = Path()
    overwrite: bool = False
    dry_run: bool = False


class AddResult(NamedTuple):
    """What was found and installed.

    Attributes:
        name: The model.
        layout: The layout that the file is of.
        what: That layout in one line.
        tensors: Tensors in the file.
        parameters: Numbers in them.
        resolution: Height and width in pixels of the pictures that the model makes.
        sha256: Of the converted weights.
        size: Of the converted weights, in bytes.
        folder: Where the model is, or would be.
        head: Where the head is that came with it, or would be; None if there was none.
        installed: False for a dry run.
    """

    name: str
    layout: str
    what: str
    tensors: int
    parameters: int
    resolution: int
    sha256: str
    size: int
    folder: Path
    head: Path | None
    installed: bool


def add_model(config: AddConfig, report: Reporter | None = None) -> AddResult:
    """Install a model from a file.

    Raises:
        MissingError: If the file or the model's name does not exist.
        UsageError: If the model comes with its package, or is installed already and is not to be replaced.
        DataError: If the file is damaged, hostile, of another layout or of another model.
    """
    report = report or Silent()
    card = find_card(config.name)
    _refuse(card, config)
    introduce(card.name, report)
    with installing(card.name):
        return install_file(card, config, report)


def install_file(card: ModelCard, config: AddConfig, report: Reporter) -> AddResult:
    """Read, convert, build, and only then install; for one process at a time, see ``weights.installed.installing``.

    Raises:
        DataError: If the file is damaged, hostile, of another layout or of another model.
    """
    found = read_public(config.path)
    tensors, parameters = len(found.tensors), found.parameters
    report.note(
        f"{config.path.name}: {found.layout.NAME}, {found.layout.SUMMARY}; "
        f"{tensors} tensors, {parameters / 1e6:.1f} million parameters"
    )
    head = (
        plan_released_head(config.workspace, config.path, card.name, config.overwrite) if is_released(found) else None
    )
    with staging(card.name) as folder:
        weights = convert(found, card, folder / WEIGHTS_FILE)
        model = _trial(card, config.path, folder / weights.name, weights)
        if not config.dry_run:
            _install(card, found, folder, weights, head, model)
    return AddResult(
        card.name, found.layout.NAME, found.layout.SUMMARY, tensors, parameters, _size(model, card), weights.sha256,
        weights.size, model_folder(card.name), head.folder if head else None, not config.dry_run,
    )  # fmt: skip


def _refuse(card: ModelCard, config: AddConfig) -> None:
    """Refuse what cannot be installed.

    Raises:
        UsageError: If the model takes no weights or has some.
        MissingError: If there is no such file.
    """
    if not card.sources:
        raise UsageError(f"{card.name} comes with its package and takes no other weights", "see bdgan models list")
    if not config.path.is_file():
        raise MissingError(f"no file {config.path}", by_hand(card))
    if card.is_installed and not (config.overwrite or config.dry_run):
        tidy(card.name)
        raise UsageError(
            f"{card.name} is installed already in {model_folder(card.name)}",
            f"replace it: bdgan models add {config.path} --as {card.name} --overwrite",
        )


def _trial(card: ModelCard, origin: Path, path: Path, weights: WeightFile) -> Any:
    """Build the model from converted weights, as it will be built at each use.

    Raises:
        DataError: If a key is missing, a shape is wrong, or the pictures are of another size.
    """
    try:
        model = resolve(card)(replace(card, files=(weights,)), [path], torch.device("cpu"))
    except DataError as error:
        text = error.message.replace(f"{path}: ", "")
        raise DataError(f"{origin} does not fit {card.name}: {text}", error.hint or "see bdgan models list") from error
    if card.resolution and _size(model, card) != card.resolution:
        raise DataError(
            f"{origin} makes {_size(model, card)}-pixel pictures, {card.name} expects {card.resolution}",
            "see bdgan models list",
        )
    return model


def _size(model: Any, card: ModelCard) -> int:
    return int(getattr(model, "image_size", card.resolution))


def _install(
    card: ModelCard, found: PublicFile, folder: Path, weights: WeightFile, head: ReleasedHead | None, model: Any
) -> None:
    """Write the record, and put model and head in place; the head first, since it may still be refused."""
    record = InstalledRecord(
        weights.sha256, weights.size, weights.mtime_ns, found.layout.NAME, found.path.name, file_sha256(found.path)
    )
    write_record(folder, record)
    if head is not None:
        head.write(found.tensors, model, weights.sha256)
    install(folder, card.name)
