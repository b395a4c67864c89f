"""Finds masks, latents and pictures of the released annotations; exactly by stem within a class, never by order.

The public layout, below one folder::

    annotations/biggan512/<wnid>/<stem>.<png, ...>    masks
    latents/biggan512/<wnid>/<stem>.npy               what made the pictures
    images/biggan512/<wnid>/<stem>.png                pictures, only after they were made again
    annotations/real-random-list.txt                  names of real pictures, whose masks were never released

A stem ends in ``_<class index 0-999>_<number>`` and holds no dot.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from bdgan_cli.dataset.importers.pairs import IMAGE_SUFFIXES, Fault
from bdgan_cli.dataset.schema import safe_key
from bdgan_cli.errors import DataError, MissingError
from bdgan_cli.imagenet import ImageNetClass, classes_by_wnid, imagenet_classes

MASKS = "annotations/biggan512"
LATENTS = "latents/biggan512"
IMAGES = "images/biggan512"
REAL_LIST = "annotations/real-random-list.txt"

_STEM = re.compile(r"(?:.*_)?([0-9]+)_([^_]+)")

# A file's place: its class and its stem.
_Place = tuple[str, str]


@dataclass(frozen=True)
class ReleaseItem:
    """One annotated sample of the release.

    Attributes:
        key: Its key in the dataset: the stem, with the wnid in front.
        entry: Its class.
        number: The sample's number as its stem ends, -1 if that is no number.
        mask: The mask's file.
        latent: The latent's file.
        image: The picture's file; None if it must be made again.
    """

    key: str
    entry: ImageNetClass
    number: int
    mask: Path
    latent: Path
    image: Path | None


def find_items(source: Path) -> tuple[list[ReleaseItem], list[Fault]]:
    """List the complete samples of a release, ordered by class and key, and every file that belongs to none.

    Raises:
        MissingError: If the folder of masks or of latents is not there.
    """
    for part in (MASKS, LATENTS):
        if not (source / part).is_dir():
            hint = f"unpack annotations.zip and latents.zip so that {source.name} holds annotations/ and latents/"
            raise MissingError(f"expected the released folder {source / part}, got none", hint)
    faults: list[Fault] = []
    masks = _scan(source, MASKS, IMAGE_SUFFIXES, faults)
    latents = _scan(source, LATENTS, (".npy",), faults)
    images = _scan(source, IMAGES, (".png",), faults)
    faults += _unpaired(source, masks, latents, images)
    items: dict[str, ReleaseItem] = {}
    for place in sorted(set(masks) & set(latents)):
        key = sample_key(*place)
        entry, number = classes_by_wnid()[place[0]], place[1].rsplit("_", 1)[1]
        index = int(number) if number.isdecimal() else -1
        item = ReleaseItem(key, entry, index, masks[place], latents[place], images.get(place))
        if items.setdefault(key, item) is not item:
            first = items[key].mask.relative_to(source).as_posix()
            faults.append(Fault(item.mask.relative_to(source).as_posix(), f"gets the same key {key} as {first}"))
    return sorted(items.values(), key=lambda item: (item.entry.id, item.key)), faults


def sample_key(wnid: str, stem: str) -> str:
    """Return a sample's key, which begins with its wnid.

    Raises:
        DataError: If the stem is too long.
    """
    return safe_key(stem if stem.startswith(f"{wnid}_") else f"{wnid}_{stem}")


def real_list_entries(source: Path) -> int | None:
    """Count the names in the list of real pictures; None if the list is not there."""
    path = source / REAL_LIST
    return len(path.read_text(encoding="utf-8", errors="replace").split()) if path.is_file() else None


def _scan(source: Path, part: str, suffixes: tuple[str, ...], faults: list[Fault]) -> dict[_Place, Path]:
    """Return the files of one part by place; what does not belong there becomes a fault."""
    found: dict[_Place, Path] = {}
    for folder in _visible(source / part):
        if not folder.is_dir():
            faults.append(Fault(f"{part}/{folder.name}", "stray file: expected folders of classes (wnids) here"))
            continue
        files = list(_visible(folder))
        if not files and folder.name not in classes_by_wnid():
            faults.append(Fault(f"{part}/{folder.name}", _unknown_wnid(folder.name)))
        for path in files:
            name, place = f"{part}/{folder.name}/{path.name}", (folder.name, path.stem)
            reason = _odd_place(path, suffixes) or _odd_name(*place)
            if not reason and place in found:
                reason = f"has the same stem as {found[place].name}"
            if reason:
                faults.append(Fault(name, reason))
            else:
                found[place] = path
    return found


def _visible(folder: Path) -> Iterator[Path]:
    """List a folder in order, without the hidden files that file managers leave; nothing if it is not there."""
    if folder.is_dir():
        yield from (path for path in sorted(folder.iterdir()) if not path.name.startswith("."))


def _odd_place(path: Path, suffixes: tuple[str, ...]) -> str:
    if not path.is_file():
        return "stray folder: expected files here"
    if path.suffix.lower() not in suffixes:
        return f"stray file: expected {', '.join(suffixes)}"
    return ""


def _odd_name(wnid: str, stem: str) -> str:
    """Return why a file of that name cannot be of that class; empty if it can."""
    entry = classes_by_wnid().get(wnid)
    if entry is None:
        return _unknown_wnid(wnid)
    match = _STEM.fullmatch(stem)
    if match is None or "." in stem:
        return f"expected a name ending in _<class index>_<number>, without a dot, got {stem!r}"
    index = int(match[1])
    if index != entry.id:
        named = imagenet_classes()[index].wnid if index < len(imagenet_classes()) else "none"
        return f"expected class index {entry.id}, that of {wnid}, got {index} ({named})"
    try:
        sample_key(wnid, stem)
    except DataError as error:
        return error.message
    return ""


def _unknown_wnid(wnid: str) -> str:
    return f"expected a wnid of the 1000 ImageNet classes, got {wnid!r}"


def _unpaired(
    source: Path, masks: dict[_Place, Path], latents: dict[_Place, Path], images: dict[_Place, Path]
) -> Iterator[Fault]:
    for files, others, what, part, suffix in (
        (masks, latents, "latent", LATENTS, "npy"),
        (latents, masks, "mask", MASKS, "png"),
        (images, masks, "mask", MASKS, "png"),
    ):
        for wnid, stem in sorted(set(files) - set(others)):
            name = files[wnid, stem].relative_to(source).as_posix()
            yield Fault(name, f"no {what}: expected {part}/{wnid}/{stem}.{suffix}")
