"""Keeps the test set out of the training: no test picture, latent or near-duplicate may be learnt from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from bdgan_cli.analysis.duplicates import Signatures, across
from bdgan_cli.errors import DataError
from bdgan_cli.tasks.task import Task
from bdgan_cli.workflows.benchmark.parts import Part, open_part
from bdgan_cli.workflows.quality_features import Run, signatures

_LISTED = 10


@dataclass(frozen=True)
class Leaks:
    """Samples of a training set that the test set has, too; they are left out of the training.

    Attributes:
        pictures: With the very picture of a test sample.
        latents: With the very latent.
        near_duplicates: Whose picture looks almost like a test picture.
        listed: Keys of some of them with the test sample's key and what they share.
    """

    pictures: int
    latents: int
    near_duplicates: int
    listed: tuple[tuple[str, str, str], ...]

    @property
    def count(self) -> int:
        """Samples that were left out."""
        return self.pictures + self.latents + self.near_duplicates

    def joined(self, other: Leaks | None) -> Leaks:
        """Return these leaks and those of another set of the same arm."""
        if other is None:
            return self
        return Leaks(
            self.pictures + other.pictures,
            self.latents + other.latents,
            self.near_duplicates + other.near_duplicates,
            (other.listed + self.listed)[:_LISTED],
        )

    def to_json(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "pictures": self.pictures,
            "latents": self.latents,
            "near_duplicates": self.near_duplicates,
            "listed": [list(row) for row in self.listed],
        }


class LeakCheck:
    """Compares training sets with one test set, whose signatures are computed once.

    Args:
        test: The test set.
        run: Where signatures are computed.
    """

    def __init__(self, test: Part, run: Run) -> None:
        self._test, self._run = test, run
        self._signatures: Signatures | None = None

    def clean(self, part: Part) -> tuple[Part, Leaks]:
        """Return a training set without what it shares with the test set.

        Raises:
            DataError: If nothing is left.
        """
        if self._signatures is None:
            self._signatures = signatures(self._test.dataset, self._run)
        same_picture = self._same(part, "image_sha256")
        same_latent = self._same(part, "latent_sha256")
        found = across(signatures(part.dataset, self._run), self._signatures)
        near = {int(mine): int(theirs) for mine, theirs in found.pairs_P2[::-1]}
        close = set(np.flatnonzero(found.affected_N).tolist()) - same_picture.keys() - same_latent.keys()
        listed = [
            *((row, other, "same picture") for row, other in same_picture.items()),
            *((row, other, "same latent") for row, other in same_latent.items()),
            *((row, near[row], "near-duplicate") for row in sorted(close) if row in near),
        ]
        keys, test_keys = part.dataset.keys(), self._test.dataset.keys()
        told = tuple((keys[row], test_keys[other], what) for row, other, what in listed[:_LISTED])
        leaks = Leaks(len(same_picture), len(same_latent), len(close), told)
        rest = part.without(sorted({*same_picture, *same_latent, *close}))
        if not len(rest):
            raise DataError(
                f"all {len(part)} samples of {part.dataset.reference} are in the test set "
                f"{self._test.dataset.reference}, too",
                "train and test on different sets: --synthetic, --annotated, --test",
            )
        return rest, leaks

    def _same(self, part: Part, column: str) -> dict[int, int]:
        """Map rows of the training set to the row of the test set with the same hash."""
        theirs = {value: row for row, value in enumerate(self._test.dataset.table[column].to_pylist()) if value}
        mine = part.dataset.table[column].to_pylist()
        return {row: theirs[value] for row, value in enumerate(mine) if value in theirs}


class TrainingSets:
    """Opens training sets without what any test set has, too; a set that several arms share is compared once.

    Args:
        task: What they are read for.
        tests: The test sets, by name.
        run: Where signatures are computed, and where notes go.
    """

    def __init__(self, task: Task, tests: Mapping[str, Part], run: Run) -> None:
        self._task, self._report = task, run.report
        self._checks = {name: LeakCheck(part, run) for name, part in tests.items()}
        self._opened: dict[str, tuple[Part, dict[str, Leaks]]] = {}

    def open(self, references: Sequence[str]) -> tuple[list[Part], dict[str, Leaks]]:
        """Return the sets of an arm, and what they shared with each test set, by its name.

        Raises:
            UsageError: If a set has none of the task's classes and labels.
            DataError: If nothing of it is left.
            MissingError: If there is no such dataset or view.
        """
        parts: list[Part] = []
        found: dict[str, Leaks] = {}
        for reference in references:
            if reference not in self._opened:
                self._opened[reference] = self._clean(reference)
            part, leaks = self._opened[reference]
            parts.append(part)
            found = {name: mine.joined(found.get(name)) for name, mine in leaks.items()}
        return parts, found

    def _clean(self, reference: str) -> tuple[Part, dict[str, Leaks]]:
        part, found = open_part(reference, self._task), {}
        for name, check in self._checks.items():
            part, found[name] = check.clean(part)
            if found[name].count:
                count = found[name].count
                self._report.note(f"{reference}: {count} samples are like pictures of {name} and are left out")
        return part, found
