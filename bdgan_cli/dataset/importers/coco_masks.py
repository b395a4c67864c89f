"""From the annotations of a picture to masks: which objects take part, and what each pixel becomes.

Annotations are decoded one at a time, as often as needed, and never held: a picture may have thousands of them.
Letters: H, W height and width of the picture in pixels.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.fields import short
from bdgan_cli.dataset.importers.coco_file import ANY_CATEGORY, CocoAnnotation
from bdgan_cli.dataset.importers.coco_rle import BoolMask, decode_rle, fill_polygons
from bdgan_cli.dataset.schema import IGNORE_LABEL
from bdgan_cli.errors import DataError

MODES = ("classes", "instances", "foreground", "semantic")
CROWD = ("ignore", "object", "drop")

# Annotators click at the very edge, and boxes are rounded: so far outside a coordinate is none the worse.
_EDGE_TOLERANCE_PX = 1.0


@dataclass(frozen=True)
class MaskRule:
    """How annotations become masks.

    Attributes:
        mode: One of :data:`MODES`; see :func:`paint`.
        crowd: One of :data:`CROWD`: crowd regions become ignored pixels, objects as the others, or nothing.
        min_area_px: Objects with fewer pixels become ignored pixels.
        labels: Label by category id; for ``semantic``.
    """

    mode: str = "classes"
    crowd: str = "ignore"
    min_area_px: int = 1
    labels: Mapping[int, int] = field(default_factory=dict)

    @property
    def dtype(self) -> type[np.uint8] | type[np.uint16]:
        """The masks' type: uint16 where the labels of ``semantic`` do not fit below 255."""
        return (
            np.uint16 if self.mode == "semantic" and max(self.labels.values(), default=0) >= IGNORE_LABEL else np.uint8
        )


class Roles(NamedTuple):
    """What the annotations of a picture are used as.

    Attributes:
        objects: Annotations with their areas in pixels.
        crowds: Crowd regions to ignore.
        small: Objects too small, to ignore.
        dropped: Crowd regions that are left out.
    """

    objects: list[tuple[CocoAnnotation, int]]
    crowds: list[CocoAnnotation]
    small: list[CocoAnnotation]
    dropped: list[CocoAnnotation]

    @property
    def ignored(self) -> list[CocoAnnotation]:
        """All annotations that become ignored pixels."""
        return [*self.crowds, *self.small]


class Plan(NamedTuple):
    """A sample to make: its class, and the annotations that are its object."""

    category_id: int
    objects: list[tuple[CocoAnnotation, int]]


def find_roles(
    annotations: Sequence[CocoAnnotation], size_hw: tuple[int, int], rule: MaskRule
) -> tuple[Roles, list[DataError]]:
    """Decode and measure the annotations of a picture; every one that is odd gives an error.

    Args:
        annotations: The chosen annotations of one picture.
        size_hw: Height and width in pixels of its file.
        rule: What crowds and small objects become.
    """
    roles, errors = Roles([], [], [], []), []
    for annotation in annotations:
        try:
            _check_box(annotation, size_hw)
            area = int(np.count_nonzero(decode(annotation, size_hw)))
        except DataError as error:
            errors.append(error)
            continue
        if annotation.is_crowd and rule.crowd != "object":
            (roles.crowds if rule.crowd == "ignore" else roles.dropped).append(annotation)
        elif area < max(rule.min_area_px, 1):
            roles.small.append(annotation)
        else:
            roles.objects.append((annotation, area))
    return roles, errors


def decode(annotation: CocoAnnotation, size_hw: tuple[int, int]) -> BoolMask:
    """Return the (H, W) bool mask of an annotation.

    Raises:
        DataError: If its polygons or run lengths are wrong.
    """
    where, segmentation = annotation.place or f"annotation {annotation.id}", annotation.segmentation
    if hasattr(segmentation, "draw"):
        mask: BoolMask = segmentation.draw(size_hw, where)
        return mask
    if isinstance(segmentation, dict):
        return decode_rle(segmentation, size_hw, where)
    if not isinstance(segmentation, list) or not segmentation:
        raise DataError(f"{where}: expected polygons or run lengths, got {short(segmentation)}")
    return fill_polygons([checked_polygon(polygon, size_hw, where) for polygon in segmentation], size_hw)


def plan_samples(roles: Roles, mode: str) -> list[Plan]:
    """Say which samples a picture gives; none if it has no object."""
    if not roles.objects:
        return []
    if mode == "instances":
        return [
            Plan(annotation.category_id, [(annotation, area)])
            for annotation, area in sorted(roles.objects, key=lambda entry: (entry[0].category_id, entry[0].id))
        ]
    areas: Counter[int] = Counter()
    for annotation, area in roles.objects:
        areas[annotation.category_id] += area
    if mode == "classes":
        return [
            Plan(category, [entry for entry in roles.objects if entry[0].category_id == category])
            for category in sorted(areas)
        ]
    largest = min(areas, key=lambda category: (-areas[category], category))
    return [Plan(largest, roles.objects)]


def paint(roles: Roles, size_hw: tuple[int, int], rule: MaskRule) -> Iterator[tuple[Plan, NDArray[Any]]]:
    """Draw the masks of a picture's samples, in the order of :func:`plan_samples`.

    - ``classes``: one sample per category; 1 where an object of it is, as annotated, whatever lies in front.
    - ``instances``: one sample per object; 1 where it is, 255 where others of its category are.
    - ``foreground``: one sample; 1 where any object is; its class is the category with the largest area.
    - ``semantic``: one sample; the label of the category, of smaller objects where several overlap; class as above.

    Crowds and small objects are 255 where no object is; in the first two modes, only those of the sample's category.

    Yields:
        The plan, and the mask (H, W) of the rule's type.
    """
    for category, plans in groupby(plan_samples(roles, rule.mode), key=lambda plan: plan.category_id):
        alone = rule.mode in ("classes", "instances")
        ignored = [entry for entry in roles.ignored if not alone or entry.category_id in (category, ANY_CATEGORY)]
        samples = list(plans)
        if rule.mode == "instances":
            ignored += [annotation for plan in samples for annotation, _ in plan.objects]
        ground = np.zeros(size_hw, rule.dtype)
        for annotation in ignored:
            ground[decode(annotation, size_hw)] = np.iinfo(rule.dtype).max
        for plan in samples:
            mask = ground.copy()
            for annotation, _ in sorted(plan.objects, key=_order):
                label = rule.labels[annotation.category_id] if rule.mode == "semantic" else 1
                mask[decode(annotation, size_hw)] = label
            yield plan, mask


def _order(entry: tuple[CocoAnnotation, int]) -> tuple[int, int]:
    """Larger objects first, so that smaller ones end up on top; equal ones by id."""
    return -entry[1], entry[0].id


def checked_polygon(polygon: Any, size_hw: tuple[int, int], where: str) -> NDArray[np.float64]:
    """Return a polygon that can be filled.

    Args:
        polygon: What should be (2N,) coordinates x, y, x, y, ... in pixels.
        size_hw: Height and width in pixels of the picture.
        where: What it belongs to, for messages.

    Raises:
        DataError: If it is no such array, has fewer than 3 points, or points that are not finite or far outside.
    """
    if not isinstance(polygon, np.ndarray) or polygon.ndim != 1:
        raise DataError(f"{where}: expected a polygon as a list of numbers x, y, x, y, ..., got {short(polygon)}")
    if polygon.size % 2 or polygon.size < 6:
        raise DataError(f"{where}: expected a polygon of at least 3 points x, y, got {polygon.size} numbers")
    points = polygon.astype(np.float64).reshape(-1, 2)
    if not np.isfinite(points).all():
        raise DataError(f"{where}: expected finite coordinates, got NaN or infinity")
    _check_inside(points.min(axis=0), points.max(axis=0), size_hw, f"{where}: expected a polygon")
    return points.reshape(-1)


def _check_box(annotation: CocoAnnotation, size_hw: tuple[int, int]) -> None:
    """Refuse a box that cannot be one of this picture; it serves as a check alone."""
    if annotation.bbox is None:
        return
    where = f"annotation {annotation.id}: expected a box"
    box = annotation.bbox
    if not isinstance(box, list) or len(box) != 4 or not all(type(side) in (int, float) for side in box):
        raise DataError(f"{where} of 4 numbers x, y, width, height, got {short(box)}")
    if not all(-1e9 < side < 1e9 for side in box) or min(box[2:]) < 0:  # NaN compares as False
        raise DataError(f"{where} of finite numbers with a size, got {short(box)}")
    low, size = np.array(box[:2], np.float64), np.array(box[2:], np.float64)
    _check_inside(low, low + size, size_hw, where)


def _check_inside(low: NDArray[np.float64], high: NDArray[np.float64], size_hw: tuple[int, int], what: str) -> None:
    size = np.array(size_hw[::-1], np.float64)
    if (low < -_EDGE_TOLERANCE_PX).any() or (high > size + _EDGE_TOLERANCE_PX).any():
        got = f"x {low[0]:g} to {high[0]:g}, y {low[1]:g} to {high[1]:g}"
        raise DataError(f"{what} inside the picture of {size_hw[1]}x{size_hw[0]} pixels, got {got}")
