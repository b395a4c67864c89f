"""Label Studio's JSON: a list of tasks, each a picture with annotations (or predictions), each a list of regions.

Regions are painted (``brushlabels``, run lengths) or polygons (``polygonlabels``, per cent of the picture's size).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import PurePosixPath
from typing import Any, NamedTuple
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import quoteattr

from bdgan_cli.dataset.fields import as_object, short
from bdgan_cli.dataset.importers.coco_file import Drawn
from bdgan_cli.dataset.interchange.brush import BoolMask, encode_brush
from bdgan_cli.dataset.interchange.labelme import IGNORE, Labelled
from bdgan_cli.dataset.interchange.shapes import Brush, Polygon, read_points
from bdgan_cli.errors import DataError

KEY_FIELD = "bdgan_key"

_PLAIN = re.compile(r"[A-Za-z0-9_-]{1,72}")
_UPLOADED = re.compile(r"[0-9a-f]{8}-(.+)")
_AREAS = ("brushlabels", "polygonlabels", "labels")
_OTHER_AREAS = ("rectanglelabels", "ellipselabels", "keypointlabels", "vectorlabels", "bitmasklabels", "magicwand")
_COLOURS = ("#00dcff", "#ff4081", "#ffd600", "#76ff03", "#d564f9", "#ff9100")


class Task(NamedTuple):
    """A picture and what was drawn in it.

    Attributes:
        names: What its file may be called, the likeliest first.
        key: The sample's key, where the task was made by bdgan; may be empty.
        size_hw: Height and width in pixels; 0 where nothing is drawn.
        regions: In the order of the file; None if nobody has annotated the picture.
        place: Its place in the file, for messages.
        split: Its split; may be empty.
    """

    names: tuple[str, ...]
    key: str
    size_hw: tuple[int, int]
    regions: list[Labelled] | None
    place: str
    split: str = ""


def format_task(
    key: str,
    image: str,
    size_hw: tuple[int, int],
    masks: Iterable[tuple[str, BoolMask]],
    *,
    predicted: bool = False,
) -> dict[str, Any]:
    """Return the task of a picture, as plain values.

    Args:
        key: The sample's key; Label Studio hands it back.
        image: Where Label Studio finds the picture.
        size_hw: Height and width in pixels.
        masks: Label and (H, W) bool of each region.
        predicted: Whether the regions are a model's guess that a person has not seen.
    """
    result = [
        {
            "id": f"{key}-{number}", "from_name": "brush", "to_name": "image", "type": "brushlabels",
            "original_width": size_hw[1], "original_height": size_hw[0], "image_rotation": 0,
            "value": {"format": "rle", "rle": list(encode_brush(mask)), "brushlabels": [label]},
        }
        for number, (label, mask) in enumerate(masks)
    ]  # fmt: skip
    told = {"model_version": "bdgan", "result": result} if predicted else {"result": result}
    return {"data": {"image": image, KEY_FIELD: key}, "predictions" if predicted else "annotations": [told]}


def local_file(path: str) -> str:
    """Return the address of a file below the folder that Label Studio serves local files from."""
    return f"/data/local-files/?d={quote(path)}"


def format_config(labels: Iterable[str]) -> str:
    """Return the labelling interface with a brush and a polygon for each label."""
    names = [*labels, IGNORE]
    lines = ["<View>", '  <Image name="image" value="$image" zoom="true"/>']
    for tag, name in (("BrushLabels", "brush"), ("PolygonLabels", "polygon")):
        lines.append(f'  <{tag} name="{name}" toName="image">')
        for number, label in enumerate(names):
            colour = "#9e9e9e" if label == IGNORE else _COLOURS[number % len(_COLOURS)]
            lines.append(f'    <Label value={quoteattr(label)} background="{colour}"/>')
        lines.append(f"  </{tag}>")
    return "\n".join([*lines, "</View>", ""])


def parse_tasks(content: Any, where: str) -> Iterator[tuple[Task | None, list[DataError]]]:
    """Read the tasks of an export one by one, each with what is odd in it; None where it is no task at all.

    Args:
        content: The parsed JSON.
        where: The file's name for messages.

    Raises:
        DataError: If it is no list of tasks.
    """
    if not isinstance(content, list):
        got = f"a JSON {type(content).__name__}"
        raise DataError(f"{where}: expected a list of tasks, got {got}", "export from Label Studio as JSON")
    for number, task in enumerate(content, 1):
        errors: list[DataError] = []
        try:
            yield _task(task, f"task {number}", errors), errors
        except DataError as error:
            yield None, [error]


def pack_brushes(entry: dict[str, Any]) -> dict[str, Any]:
    """Keep run lengths as bytes as soon as they are read: a twentieth of the memory of a list."""
    rle = entry.get("rle")
    if isinstance(rle, list) and all(type(value) is int and 0 <= value <= 255 for value in rle):
        entry["rle"] = bytes(rle)
    return entry


def _task(task: Any, place: str, errors: list[DataError]) -> Task:
    task = as_object(task, place)
    data = task.get("data")
    if not isinstance(data, dict):
        raise DataError(f"{place}: expected 'data' with the picture's address", "export as JSON, not as JSON-MIN")
    names = tuple(_names(task, data))
    if not names:
        raise DataError(f"{place}: expected the address of a picture in 'data', got {short(data)}")
    key = data.get(KEY_FIELD)
    result = _latest(task, place)
    regions: list[Labelled] = []
    sizes: set[tuple[int, int]] = set()
    for number, region in enumerate(result or [], 1):
        try:
            found = _region(region, f"{place}: region {number}")
        except DataError as error:
            errors.append(error)
            continue
        if found is not None:
            size, labelled = found
            sizes.add(size)
            regions.append(labelled)
    if len(sizes) > 1:
        raise DataError(f"{place}: expected one size of the picture, got {sorted(sizes)}")
    size_hw = sizes.pop() if sizes else (0, 0)
    told = [value if isinstance(value, str) and _PLAIN.fullmatch(value) else "" for value in (key, data.get("split"))]
    return Task(names, told[0], size_hw, None if result is None else regions, place, told[1])


def _names(task: Mapping[str, Any], data: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the picture's file may be called, as paths below a folder of pictures."""
    addresses = [value for name, value in data.items() if isinstance(value, str) and name != KEY_FIELD]
    address = data["image"] if isinstance(data.get("image"), str) else next(iter(addresses), "")
    try:
        parts = urlsplit(address if len(address) < 4096 and address.isprintable() else "")
    except ValueError:  # brackets that enclose no address of a computer
        parts = urlsplit("")
    local = parse_qs(parts.query).get("d", [""])[0]
    for path in (local, unquote(parts.path), task.get("file_upload")):
        if not isinstance(path, str) or not path:
            continue
        name = PurePosixPath(path.replace("\\", "/")).name
        yield name
        if match := _UPLOADED.fullmatch(name):  # Label Studio puts this before the names of uploaded files
            yield match[1]


def _latest(task: Mapping[str, Any], place: str) -> list[Any] | None:
    """Return the regions of the annotation changed last, None if there is none that somebody has submitted."""
    annotations = task.get("annotations")
    if annotations is None:
        return None
    if not isinstance(annotations, list) or not all(isinstance(entry, dict) for entry in annotations):
        raise DataError(f"{place}: expected 'annotations' to be a list of objects, got {short(annotations)}")
    kept = [entry for entry in annotations if not entry.get("was_cancelled")]
    if not kept:
        return None
    latest = max(enumerate(kept), key=lambda pair: (str(pair[1].get("updated_at") or ""), pair[0]))[1]
    result = latest.get("result")
    if not isinstance(result, list):
        raise DataError(f"{place}: expected 'result' to be a list of regions, got {short(result)}")
    return result


def _region(region: Any, place: str) -> tuple[tuple[int, int], Labelled] | None:
    """Return size and region; None for what has no area, such as a choice or a relation."""
    region = as_object(region, place)
    kind = str(region.get("type")).lower()
    if kind in _OTHER_AREAS:
        raise DataError(f"{place}: expected a brush or a polygon, got {kind}", "draw with BrushLabels or PolygonLabels")
    value = region.get("value")
    if kind not in _AREAS or not isinstance(value, dict):
        return None
    labels = value.get(kind)
    if not isinstance(labels, list) or len(labels) != 1 or not isinstance(labels[0], str) or not labels[0].strip():
        raise DataError(f"{place}: expected one label, got {short(labels)}")
    rotation = region.get("image_rotation") or 0
    if rotation != 0:
        raise DataError(f"{place}: expected a picture that was not turned, got image_rotation {short(rotation)}")
    size = tuple(region.get(side) for side in ("original_height", "original_width"))
    if not all(type(side) is int and 0 < side < 1 << 20 for side in size):
        raise DataError(f"{place}: expected original_height and original_width in pixels, got {short(size)}")
    height, width = (int(side) for side in size)
    return (height, width), Labelled(labels[0], _area(value, place), place)


def _area(value: Mapping[str, Any], place: str) -> Drawn:
    if "points" in value:
        return Polygon(read_points(value["points"], 3, place), full=100.0)
    rle = value.get("rle")
    if value.get("format") != "rle" or not isinstance(rle, bytes):
        raise DataError(f"{place}: expected a brush as a list of numbers 0 to 255, got {short(rle)}")
    return Brush(rle)
