"""``bdgan models pull``: the files of a model fetched and installed; what stopped halfway goes on from there."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from bdgan_cli.errors import DataError, MissingError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.weights.card import ModelCard, find_card
from bdgan_cli.weights.fetch import fetch
from bdgan_cli.weights.files import by_hand
from bdgan_cli.weights.installed import download_folder, installing, tidy
from bdgan_cli.workflows.model_install import AddConfig, AddResult, install_file
from bdgan_cli.workflows.models import introduce


class PullResult(NamedTuple):
    """What became of one model: ``installed``, ``already installed``, ``embedded`` or ``would be fetched``."""

    name: str
    state: str
    card: ModelCard
    added: AddResult | None = None


def pull_models(
    names: list[str], workspace: Path, *, overwrite: bool = False, dry_run: bool = False, report: Reporter | None = None
) -> list[PullResult]:
    """Download and install models; what stopped halfway goes on from there.

    Args:
        names: The models.
        workspace: See :class:`AddConfig`.
        overwrite: Fetch and install again what is installed.
        dry_run: Fetch nothing.
        report: Shows progress.

    Raises:
        MissingError: If a name is unknown or no address can be reached.
        DataError: If what came is not the model's weights.
    """
    report = report or Silent()
    results = []
    for card in [find_card(name) for name in dict.fromkeys(names)]:
        if not card.sources:
            results.append(PullResult(card.name, "embedded", card))
        elif card.is_installed and not overwrite:
            if not dry_run:
                tidy(card.name, downloads=True)
            results.append(PullResult(card.name, "already installed", card))
        elif dry_run:
            results.append(PullResult(card.name, "would be fetched", card))
        else:
            introduce(card.name, report)
            with installing(card.name):
                added = _add_fetched(card, _fetched(card, report), workspace, report)
            results.append(PullResult(card.name, "installed", card, added))
    return results


def _fetched(card: ModelCard, report: Reporter) -> Path:
    """Download the first of a model's files that can be had.

    Raises:
        MissingError: If none can.
        DataError: If what came instead of the last is no such file.
    """
    failures: list[DataError | MissingError] = []
    for source in card.sources:
        try:
            return fetch(source, download_folder(card.name), report, by_hand(card))
        except (DataError, MissingError) as error:
            failures.append(error)
    wrong = any(isinstance(failure, DataError) for failure in failures)
    message = "; ".join(failure.message for failure in failures)
    raise (DataError if wrong else MissingError)(message, by_hand(card))


def _add_fetched(card: ModelCard, path: Path, workspace: Path, report: Reporter) -> AddResult:
    """Install a download and remove it, also if it is not what it should be: the next try must fetch another.

    Raises:
        DataError: If it is not the model's weights.
    """
    try:
        added = install_file(card, AddConfig(path, card.name, workspace, overwrite=True), report)
    except DataError as error:
        path.unlink()
        raise DataError(f"{error.message}; the download was removed", by_hand(card)) from error
    path.unlink()
    return added
