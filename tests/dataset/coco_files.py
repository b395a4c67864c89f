"""A small COCO file for tests: three pictures, three categories with gaps in their ids, every kind of mask."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

HEIGHT, WIDTH = 12, 20
CAT, DOG, KITE = 3, 7, 90
Content = dict[str, Any]


def box(x: int, y: int, w: int, h: int) -> list[float]:
    """The polygon of a rectangle of whole pixels."""
    return [float(value) for value in (x, y, x + w, y, x + w, y + h, x, y + h)]


def ring() -> Content:
    """Columns 2 to 6, rows 2 to 6, with a hole of 3x3: 16 pixels as plain run lengths."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    mask[2:7, 2:7] = True
    mask[3:6, 3:6] = False
    flat = mask.T.ravel()
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flat])))
    return {"size": [HEIGHT, WIDTH], "counts": np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()}


def annotation(number: int, image: int, category: int, segmentation: Any, **more: Any) -> Content:
    return {"id": number, "image_id": image, "category_id": category, "segmentation": segmentation, **more}


def content() -> Content:
    """``a`` has two cats, a crowd of cats and a dog in front of a cat; ``b`` a ring-shaped kite; ``c`` nothing."""
    names = {"a": "sub/a.jpg", "b": "b b.png", "c": "c.png"}
    return {
        "info": {"year": 2017},
        "licenses": [{"id": 4, "name": "Attribution License", "url": "http://example.org"}],
        "images": [
            {"id": number, "file_name": name, "height": HEIGHT, "width": WIDTH, "license": 4}
            for number, name in zip((11, 22, 33), names.values(), strict=True)
        ],
        "categories": [{"id": KITE, "name": "kite"}, {"id": CAT, "name": "cat"}, {"id": DOG, "name": "big dog"}],
        "annotations": [
            annotation(101, 11, CAT, [box(0, 0, 8, 6)], iscrowd=0, area=48.0, bbox=[0, 0, 8, 6]),
            annotation(102, 11, CAT, [box(10, 0, 2, 2), box(14, 0, 2, 2)], iscrowd=0, bbox=[10, 0, 6, 2]),
            annotation(103, 11, CAT, {"size": [HEIGHT, WIDTH], "counts": [120, 120]}, iscrowd=1),
            annotation(104, 11, DOG, [box(4, 2, 6, 4)], iscrowd=0),
            annotation(105, 22, KITE, ring()),
        ],
    }


def write(folder: Path, written: Content | None = None) -> Path:
    """Write the pictures and the JSON file; return the JSON file, the pictures are beside it in ``images``."""
    stream = np.random.default_rng(0)
    for name in ("sub/a.jpg", "b b.png", "c.png"):
        path = folder / "images" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        assert cv2.imwrite(str(path), stream.integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8))
    path = folder / "instances.json"
    path.write_text(json.dumps(content() if written is None else written))
    return path
