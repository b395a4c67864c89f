"""LabelMe's JSON, one file for each picture: shapes with labels, in the order in which they were drawn.

``_background_`` takes away what was drawn before it, and ``__ignore__`` (255) leaves pixels out, as LabelMe's own
converters understand these two names.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from bdgan_cli.dataset.fields import as_object, short
from bdgan_cli.dataset.importers.coco_file import Drawn
from bdgan_cli.dataset.interchange.outlines import Ring
from bdgan_cli.dataset.interchange.shapes import Polygon, Stamp, Without, circle, read_points
from bdgan_cli.errors import DataError

BACKGROUND = "_background_"
IGNORE = "__ignore__"

# The version of the layout that is written; LabelMe compares its first number with its own.
_VERSION = "5.0.1"
_MOST_SIDE_PX = 1 << 20


class Labelled(NamedTuple):
    """A region with its label and its place in the file, for messages."""

    label: str
    region: Drawn
    place: str


class LabelmeFile(NamedTuple):
    """What a file says.

    Attributes:
        image_path: The picture's file as written, forward slashes; may be empty.
        size_hw: Height and width in pixels; 0 where the file does not say.
        shapes: Regions, without what was taken away from them.
    """

    image_path: str
    size_hw: tuple[int, int]
    shapes: list[Labelled]


def format_labelme(
    image_path: str,
    size_hw: tuple[int, int],
    rings: Iterable[tuple[str, Ring]],
    flags: Mapping[str, bool] | None = None,
) -> bytes:
    """Return the file for a picture.

    Args:
        image_path: From the JSON to the picture.
        size_hw: Height and width in pixels.
        rings: Label and (V, 2) x and y in pixels of each polygon.
        flags: Check boxes of the picture.
    """
    shapes = [
        {
            "label": label,
            "points": ring.tolist(),
            "group_id": None,
            "description": "",
            "shape_type": "polygon",
            "flags": {},
        }
        for label, ring in rings
    ]
    content = {
        "version": _VERSION, "flags": dict(flags or {}), "shapes": shapes, "imagePath": image_path, "imageData": None,
        "imageHeight": size_hw[0], "imageWidth": size_hw[1],
    }  # fmt: skip
    return (json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def parse_labelme(content: Any, where: str) -> tuple[LabelmeFile, list[DataError]]:
    """Read a file; a shape that is odd becomes an error and the next one is read.

    Args:
        content: The parsed JSON.
        where: The file's name for messages.

    Raises:
        DataError: If it is no file of LabelMe.
    """
    content = as_object(content, where)
    shapes = content.get("shapes")
    if not isinstance(shapes, list):
        raise DataError(f"{where}: expected a LabelMe file with a list of 'shapes', got {short(sorted(content)[:8])}")
    path = content.get("imagePath") or ""
    if not isinstance(path, str):
        raise DataError(f"{where}: expected 'imagePath' to be text, got {short(path)}")
    size_hw = _side(content, "imageHeight", where), _side(content, "imageWidth", where)
    found: list[Labelled] = []
    errors: list[DataError] = []
    for number, shape in enumerate(shapes, 1):
        try:
            shape = _shape(shape, f"{where}: shape {number}")
        except DataError as error:
            errors.append(error)
            continue
        if shape.label == BACKGROUND:
            found = [cut._replace(region=_cut(cut.region, shape.region)) for cut in found]
        else:
            found.append(shape)
    return LabelmeFile(path.replace("\\", "/"), size_hw, found), errors


def embedded_picture(content: Any, where: str) -> bytes | None:
    """Return the picture that a file carries in itself, None if it carries none.

    Raises:
        DataError: If what it carries is no base64.
    """
    data = content.get("imageData") if isinstance(content, dict) else None
    return None if data is None else _unbase(data, f"{where}: imageData")


def _cut(region: Drawn, hole: Drawn) -> Without:
    if isinstance(region, Without):
        return Without(region.region, (*region.holes, hole))
    return Without(region, (hole,))


def _shape(shape: Any, place: str) -> Labelled:
    shape = as_object(shape, place)
    label, kind = shape.get("label"), shape.get("shape_type") or "polygon"
    if not isinstance(label, str) or not label.strip() or not label.isprintable():
        raise DataError(f"{place}: expected a label in one line, got {short(label)}")
    if kind in ("polygon", "oriented_rectangle"):
        return Labelled(label, Polygon(read_points(shape.get("points"), 3, place)), place)
    if kind not in ("rectangle", "circle", "mask"):
        raise DataError(f"{place}: expected an area such as a polygon, got {short(kind)}", "draw an area")
    points = read_points(shape.get("points"), 2, place)
    if len(points) > 2:
        raise DataError(f"{place}: expected 2 points of a {kind}, got {len(points)}")
    (x0, y0), (x1, y1) = points.tolist()
    if kind == "circle":
        return Labelled(label, circle((x0, y0), (x1, y1)), place)
    if kind == "mask":
        return Labelled(label, Stamp(_unbase(shape.get("mask"), place), (int(x0), int(y0))), place)
    corners = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]]
    return Labelled(label, Polygon(read_points(corners, 4, place)), place)


def _unbase(value: Any, place: str) -> bytes:
    try:
        if not isinstance(value, str):
            raise DataError(f"{place}: expected base64 text, got {short(value)}")
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError) as error:
        raise DataError(f"{place}: expected base64 text, got: {error}") from error


def _side(content: Mapping[str, Any], name: str, where: str) -> int:
    value = content.get(name)
    if value is None:
        return 0
    if type(value) is not int or not 0 < value <= _MOST_SIDE_PX:
        raise DataError(f"{where}: expected {name!r} to be a number of pixels, got {short(value)}")
    return value
