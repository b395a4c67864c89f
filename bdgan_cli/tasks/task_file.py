"""Reads a task from TOML, the package's own and those that users write alike; docs/tasks.md describes the format."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

from bdgan_cli.dataset.class_lists import list_classes, split_list
from bdgan_cli.dataset.fields import as_object, take, take_optional
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.imagenet import ImageNetClass, imagenet_classes
from bdgan_cli.tasks.task import BACKGROUND, EVERY_CLASS, Task

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

FIELDS = ("title", "domain", "note", "labels", "each", "aliases", "coco", "published")
DOMAINS = ("imagenet", "shapes", "")
SPLITS = ("train", "test")
HINT = "the format is described in docs/tasks.md"


def parse_task(text: str, name: str, where: str) -> Task:
    """Read a task.

    Args:
        text: TOML.
        name: The task's name.
        where: The file, for error messages.

    Raises:
        DataError: If it is no TOML, a field is unknown, missing or wrong, or a class is unknown or listed twice.
    """
    try:
        data = tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # too many digits or brackets are no error of TOML's own
        raise DataError(f"{where}: expected TOML: {error}", HINT) from error
    try:
        return _task(data, name, where)
    except DataError as error:
        message = error.message if error.message.startswith(where) else f"{where}: {error.message}"
        raise DataError(message, error.hint or HINT) from error


def _task(data: dict[str, Any], name: str, where: str) -> Task:
    unknown = [field for field in data if field not in FIELDS]
    if unknown:
        raise DataError(f"{where}: expected the fields {', '.join(FIELDS)}, got {unknown[0]!r}")
    if ("labels" in data) == ("each" in data):
        raise DataError(f"{where}: expected either [labels] or each, got {'both' if 'each' in data else 'neither'}")
    domain = take_optional(data, "domain", str, where) or ""
    if domain not in DOMAINS:
        raise DataError(f"{where}: expected a domain of {', '.join(filter(None, DOMAINS))} or none, got {domain!r}")
    names, labels = _one_label_each(data["each"], domain, where) if "each" in data else _listed(data, domain, where)
    aliases, coco, published = (_table(data, field, where) for field in ("aliases", "coco", "published"))
    odd = [split for split in published if split not in SPLITS]
    if odd:
        raise DataError(f"{where}: published: expected {' and '.join(SPLITS)}, got {odd[0]!r}")
    return Task(
        name=name,
        title=take_optional(data, "title", str, where) or name,
        domain=domain,
        label_names=(BACKGROUND, *names),
        labels=labels,
        aliases={label: tuple(_parts(value, f"{where}: aliases: {label}")) for label, value in aliases.items()},
        coco_ids={label: take(coco, label, int, f"{where}: coco") for label in coco},
        published={split: take(published, split, int, f"{where}: published") for split in published},
        note=take_optional(data, "note", str, where) or "",
    )


def _listed(data: Mapping[str, Any], domain: str, where: str) -> tuple[list[str], dict[str, int]]:
    """Read [labels]: the order of the file gives the labels 1, 2, ..."""
    table = as_object(data["labels"], f"{where}: labels")
    labels: dict[str, int] = {}
    for label, (name, classes) in enumerate(table.items(), 1):
        place = f"{where}: labels: {name}"
        for token, _ in _classes(_parts(classes, place), domain, place):
            _add(token, label, labels, place)
    return list(table), labels


def _one_label_each(classes: Any, domain: str, where: str) -> tuple[list[str], dict[str, int]]:
    """Read each: every class of the list is a label of its own, in the order of the list."""
    place, names = f"{where}: each", []
    labels: dict[str, int] = {}
    for token, name in _classes(_parts(classes, place), domain, place):
        if token == EVERY_CLASS:
            raise DataError(f"{place}: expected classes, got {EVERY_CLASS!r}, which stands in [labels] alone")
        names.append(name)
        _add(token, len(names), labels, place)
    return names, labels


def _add(token: str, label: int, labels: dict[str, int], place: str) -> None:
    if token in labels:
        raise DataError(f"{place}: expected each class once, got {token!r} again")
    labels[token] = label


def _classes(parts: list[str], domain: str, place: str) -> list[tuple[str, str]]:
    """Return token and name of the classes that are listed; only ImageNet's have ids."""
    if parts == [EVERY_CLASS] or domain != "imagenet":
        numbers = [part for part in parts if part.replace("-", "").isdigit()]
        if numbers:
            raise DataError(
                f"{place}: expected wnids or names of classes, got the number {numbers[0]}",
                'ids are those of ImageNet\'s classes: say domain = "imagenet"',
            )
        return [(part, part) for part in parts]
    table: tuple[ImageNetClass, ...] = imagenet_classes()
    try:
        found = list_classes(parts, table)
    except UsageError as error:
        raise DataError(f"{place}: {error.message}", error.hint.replace("use --classes all", HINT)) from error
    return [(table[class_id].wnid, table[class_id].name) for class_id in found]


def _parts(value: Any, place: str) -> list[str]:
    """Return the parts of ``"a, b"`` or ``["a", "b"]``; ids in a list may be integers."""
    if isinstance(value, str):
        parts = split_list(value)
    elif isinstance(value, list) and all(type(part) in (str, int) for part in value):
        parts = [str(part).strip() for part in value]
    else:
        raise DataError(f"{place}: expected text with commas or a list, got {value!r}")
    if not all(parts) or not parts:
        raise DataError(f"{place}: expected at least one entry and none empty, got {value!r}")
    return parts


def _table(data: Mapping[str, Any], field: str, where: str) -> dict[str, Any]:
    return as_object(data.get(field, {}), f"{where}: {field}")
