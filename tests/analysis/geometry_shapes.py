"""Masks for tests: drawn at random, and real ones where the shared data are."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.conftest import ROOT

DATA = ROOT.parent / "shared" / "data"


def blob(stream, size=64):
    """A random star-shaped object, with small pieces and a hole now and then."""
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    waves = sum(stream.normal(0, 0.3 / k) * np.cos(k * angle + stream.uniform(0, 6.3)) for k in range(1, 9))
    radius = size * 0.27 * np.clip(1 + waves, 0.2, 1.7)
    points = size / 2 + np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
    mask = np.zeros((size, size), np.uint8)
    cv2.fillPoly(mask, [np.round(points).astype(np.int32)], 1)
    for value in (1, 0):
        if stream.random() < 0.4:
            x, y = stream.integers(0, size, 2).tolist()
            cv2.circle(mask, (x, y), int(stream.integers(1, 6)), value, -1)
    return mask


def noise(stream, size=32):
    """Random pixels: many pieces, holes, pieces within holes, and contours that touch themselves."""
    return (stream.random((size, size)) < stream.uniform(0.1, 0.9)).astype(np.uint8)


def pet_masks():
    """Read the masks of the pet photos as they are, with 255 where a pixel is to be ignored."""
    folder = DATA / "pets" / "masks"
    if not folder.is_dir():
        pytest.skip("needs ../shared/data/pets")
    return [read(path) for path in sorted(folder.glob("*.png"))[:40]]


def coco_masks():
    """Paint the polygons of some COCO objects."""
    path = DATA / "coco" / "annotations" / "instances_val2017.json"
    if not path.is_file():
        pytest.skip("needs ../shared/data/coco")
    content = json.loads(path.read_text(encoding="utf-8"))
    sizes = {image["id"]: (image["height"], image["width"]) for image in content["images"]}
    masks = []
    for entry in [entry for entry in content["annotations"] if not entry["iscrowd"]][::9]:
        mask = np.zeros(sizes[entry["image_id"]], np.uint8)
        rings = [np.round(np.array(ring).reshape(-1, 2)).astype(np.int32) for ring in entry["segmentation"]]
        cv2.fillPoly(mask, rings, 1)
        masks.append(mask)
    return masks[:40]


def read(path: Path):
    mask = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert mask is not None
    return mask
