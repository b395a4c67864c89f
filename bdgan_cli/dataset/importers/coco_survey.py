"""The first reading of a COCO import: every entry and every picture is checked before anything is written."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath
from typing import Any

from bdgan_cli.dataset.importers.coco_file import ANY_CATEGORY, CocoAnnotation, CocoFile, CocoPicture
from bdgan_cli.dataset.importers.coco_masks import MaskRule, Plan, Roles, find_roles, plan_samples
from bdgan_cli.dataset.importers.coco_result import CocoCounts
from bdgan_cli.dataset.importers.names import is_file
from bdgan_cli.dataset.importers.pairs import Fault
from bdgan_cli.dataset.importers.upright import UprightPicture, read_upright
from bdgan_cli.dataset.schema import ClassEntry, safe_key
from bdgan_cli.errors import DataError, UsageError, near_names
from bdgan_cli.progress import Reporter

# So long may a picture's part of a key be: the id of an annotation has to fit behind it.
_LONGEST_STEM, _STEM_BESIDE_ID = 50, 28
_OTHER_IDS = "a task's COCO ids and the names of its labels are in its file: see docs/tasks.md"


@dataclass(frozen=True)
class GivenLabels:
    """Labels that come from elsewhere, such as a task, instead of being numbered after the categories.

    Attributes:
        names: Names of the labels 1, 2, ...
        labels: Label by category id, of the labels that have a category.
        words: What the category of that id may be called in the file: ids of another file mean other things.
    """

    names: tuple[str, ...]
    labels: Mapping[int, int]
    words: Mapping[int, tuple[str, ...]]

    def of_file(self, known: Mapping[int, str]) -> dict[int, int]:
        """Return the label by category id, of the categories that a file has.

        Args:
            known: The file's categories: names by id.

        Raises:
            UsageError: If the file has none of them, or one by another name.
        """
        found = {number: label for number, label in self.labels.items() if number in known}
        if not found:
            numbers = ", ".join(map(str, self.labels))
            raise UsageError(f"expected categories with the ids {numbers}, the file has none of them", _OTHER_IDS)
        for number in found:
            words = self.words[number]
            if known[number].lower() not in [word.lower() for word in words]:
                raise UsageError(
                    f"expected category {number} to be called {' or '.join(words)}, the file calls it {known[number]}",
                    _OTHER_IDS,
                )
        return found


class CocoSource:
    """A file of annotations, its folder of pictures, and which of them take part.

    Args:
        images: The folder of pictures.
        coco: The file's content.
        rule: What annotations become; its labels are set here, from 1 in the order of category ids, or as given.
        categories: Names or ids of the categories to take, with commas; ``all`` takes all. Or labels that are given.
        fetch: Returns a picture's file, or raises :class:`DataError`; by default from the folder.

    Raises:
        UsageError: If the file has no such category.
    """

    def __init__(
        self,
        images: Path,
        coco: CocoFile,
        rule: MaskRule,
        categories: str | GivenLabels = "all",
        fetch: Callable[[CocoPicture], bytes] | None = None,
    ) -> None:
        if isinstance(categories, GivenLabels):
            labels = categories.of_file(coco.categories)
        else:
            labels = {number: label for label, number in enumerate(select_categories(categories, coco.categories), 1)}
        self.rule = replace(rule, labels=labels)
        self.images = images
        self.coco = coco
        self.fetch = fetch or self._fetch
        self._keys = _keys(coco.pictures)

    def chosen(self, picture: CocoPicture) -> list[CocoAnnotation]:
        """Return the annotations of a picture whose category takes part."""
        known = {ANY_CATEGORY, *self.rule.labels}
        return [entry for entry in self.coco.annotations.get(picture.id, ()) if entry.category_id in known]

    def read(self, picture: CocoPicture) -> UprightPicture:
        """Read a picture's file.

        Raises:
            DataError: If it is missing, damaged or of another size than the JSON says; begins with its name.
        """
        name = picture.file_name
        upright = read_upright(self.fetch(picture), name)
        height, width = upright.pixels.shape[:2]
        if picture.height and (height, width) != (picture.height, picture.width):
            expected = f"{picture.width}x{picture.height}"
            raise DataError(f"{name}: expected {expected} pixels as the JSON says, got a picture of {width}x{height}")
        return upright

    def _fetch(self, picture: CocoPicture) -> bytes:
        path = self.images / picture.file_name
        if not is_file(path):
            raise DataError(f"{picture.file_name}: no such picture in {self.images}")
        try:
            return path.read_bytes()
        except OSError as error:
            raise DataError(f"{picture.file_name}: cannot be read: {error.strerror}") from error

    def key(self, picture: CocoPicture, plan: Plan) -> str:
        """Name a sample after its picture, and after its category or annotation where the picture has several."""
        key = self._keys[picture.id]
        if self.rule.mode == "instances":
            return f"{key}_{plan.objects[0][0].id}"
        return f"{key}_{plan.category_id}" if self.rule.mode == "classes" else key


@dataclass
class Survey:
    """What the first reading found.

    Attributes:
        pictures: The pictures that give samples.
        samples: How many samples each of them gives.
        per_class: Samples by class id.
        edges: Heights and widths in pixels that occur.
        counts: What the annotations were used as.
        faults: Everything that is odd.
        digest: Of the pictures' files.
    """

    pictures: list[CocoPicture] = field(default_factory=list)
    samples: list[int] = field(default_factory=list)
    per_class: Counter[int] = field(default_factory=Counter)
    edges: set[int] = field(default_factory=set)
    counts: CocoCounts = field(default_factory=CocoCounts)
    faults: list[Fault] = field(default_factory=list)
    digest: Any = field(default_factory=hashlib.sha256)

    def add(self, picture: CocoPicture, upright: UprightPicture, plans: list[Plan], roles: Roles) -> None:
        """Count a picture that is right."""
        self.counts.add(roles)
        if not plans:
            self.counts.without_object += 1
            return
        self.pictures.append(picture)
        self.samples.append(len(plans))
        self.per_class.update(plan.category_id for plan in plans)
        self.edges |= set(upright.pixels.shape[:2])
        content = upright.kept or upright.pixels.tobytes()
        self.digest.update(len(content).to_bytes(8, "little") + content)

    def classes(self, coco: CocoFile) -> tuple[ClassEntry, ...]:
        """Return the classes that have samples, with the file's ids and names."""
        return tuple(ClassEntry(number, "", coco.categories[number]) for number in sorted(self.per_class))


def select_categories(spec: str, known: Mapping[int, str]) -> list[int]:
    """Return the ids of the categories that are asked for, in ascending order.

    Args:
        spec: ``all``, or names and ids with commas; capital letters make no difference.
        known: Names by id.

    Raises:
        UsageError: If one is not known.
    """
    if spec == "all":
        return sorted(known)
    chosen: set[int] = set()
    for part in (part.strip() for part in spec.split(",")):
        found = {number for number, name in known.items() if part.lower() == name.lower() or part == str(number)}
        if not found:
            raise UsageError(f"the file has no category {part!r}", near_names(part, [*known.values()]))
        chosen |= found
    return sorted(chosen)


def survey_source(source: CocoSource, report: Reporter) -> Survey:
    """Read and check every picture that has an annotation of a chosen category."""
    survey = Survey(faults=list(source.coco.faults))
    with report.task("check", len(source.coco.pictures), "pictures") as task:
        for picture in source.coco.pictures.values():
            _check(source, picture, survey)
            task.advance()
    return survey


def _check(source: CocoSource, picture: CocoPicture, survey: Survey) -> None:
    chosen, is_odd = source.chosen(picture), picture.id in source.coco.odd_pictures
    if not chosen:
        survey.counts.without_object += not is_odd
        return
    try:
        upright = source.read(picture)
    except DataError as error:
        reason = error.message.removeprefix(f"{picture.file_name}: ")
        survey.faults.append(Fault(picture.file_name, reason, error.hint))
        return
    roles, errors = find_roles(chosen, (upright.pixels.shape[0], upright.pixels.shape[1]), source.rule)
    survey.faults += [Fault(picture.file_name, error.message, error.hint) for error in errors]
    if not errors and not is_odd:
        survey.add(picture, upright, plan_samples(roles, source.rule.mode), roles)


def _keys(pictures: dict[int, CocoPicture]) -> dict[int, str]:
    """Name pictures by file stem; with their id where a stem repeats, is long or has no usable letter."""
    stems = {number: PurePosixPath(picture.file_name).stem for number, picture in pictures.items()}
    plain = {number: _safe(stem) for number, stem in stems.items()}
    times = Counter(plain.values())
    keys = {}
    for number, stem in stems.items():
        is_fit = len(stem) <= _LONGEST_STEM and times[plain[number]] == 1 and plain[number]
        keys[number] = plain[number] if is_fit else f"{_safe(stem[:_STEM_BESIDE_ID]) or 'id'}_{number}"
    if len(set(keys.values())) < len(keys):
        return {number: f"id_{number}" for number in pictures}
    return keys


def _safe(stem: str) -> str:
    try:
        return safe_key(stem[:_LONGEST_STEM])
    except DataError:  # nothing of it may stand in a key
        return ""
