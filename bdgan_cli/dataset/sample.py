"""One sample, as arrays and as the bytes and facts that go into a shard."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import encode_image, encode_latent, encode_mask
from bdgan_cli.dataset.masks import NO_MASK, MaskFacts, mask_facts
from bdgan_cli.dataset.schema import MEMBERS, SCORE_COLUMNS, check_key
from bdgan_cli.errors import DataError


@dataclass(frozen=True)
class Sample:
    """A picture with its mask, its latent and what is known of it.

    Attributes:
        key: Unique in the dataset; the file stem everywhere.
        class_id: Id in the class table.
        wnid: The class's WordNet id; may be empty.
        split: Such as ``train``; may be empty.
        image: (H, W, 3) uint8 RGB in [0, 255].
        mask: (H, W) uint8 (uint16 beyond 254 labels): 0 background, 1..K labels, 255 ignore. None if unlabelled.
        latent: Any shape, float or integer; None if there is none.
        index: Number of the sample in its class, -1 if there is none.
        seed: Seed of the random stream, -1 if there is none.
        truncation: Truncation value, NaN if there is none.
        truncation_mode: ``scale``, ``threshold`` or empty.
        scores: Values of the index's score columns; absent ones are NaN.
        extra: Further facts for the sample's JSON, such as its source file.
    """

    key: str
    class_id: int
    wnid: str
    split: str
    image: NDArray[np.uint8]
    mask: NDArray[Any] | None = None
    latent: NDArray[Any] | None = None
    index: int = -1
    seed: int = -1
    truncation: float = math.nan
    truncation_mode: str = ""
    scores: Mapping[str, float] = field(default_factory=dict)
    extra: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class EncodedSample:
    """A sample ready to be written.

    Attributes:
        key: The sample's key.
        members: File bytes by member: image, mask, latent, meta.
        row: The index row, without shard, offsets and sizes.
    """

    key: str
    members: Mapping[str, bytes]
    row: Mapping[str, Any]


def encode_sample(sample: Sample, image_format: str = "png", image_bytes: bytes | None = None) -> EncodedSample:
    """Encode a sample; pure, so that threads may do it while others compute.

    Args:
        sample: What to encode.
        image_format: ``png``, ``jpg`` or ``webp``.
        image_bytes: The image as a file of that format, where it exists already: kept as it is, without loss.

    Raises:
        DataError: If shapes or types are wrong or the latent holds NaN.
        ValueError: If a score has no column.
    """
    _check_sample(sample)
    members = {"image": image_bytes or encode_image(sample.image, image_format)}
    if sample.mask is not None:
        members["mask"] = encode_mask(sample.mask)
    if sample.latent is not None:
        members["latent"] = encode_latent(sample.latent, sample.key)
    members["meta"] = _encode_meta(sample)
    facts = NO_MASK if sample.mask is None else mask_facts(sample.mask)
    hashes = {f"{name}_sha256": _sha256(members.get(name)) for name in MEMBERS}
    return EncodedSample(sample.key, members, {**_row(sample, facts), "image_format": image_format, **hashes})


def _check_sample(sample: Sample) -> None:
    check_key(sample.key)
    image = sample.image
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(f"{sample.key}: expected an (H, W, 3) uint8 image, got {image.shape} {image.dtype}")
    mask = sample.mask
    if mask is not None and (mask.shape != image.shape[:2] or mask.dtype not in (np.uint8, np.uint16)):
        expected = f"({image.shape[0]}, {image.shape[1]}) uint8 mask"
        raise DataError(f"{sample.key}: expected an {expected}, got {mask.shape} {mask.dtype}")
    unknown = sorted(set(sample.scores) - set(SCORE_COLUMNS))
    if unknown:
        raise ValueError(f"{sample.key}: expected scores of {', '.join(SCORE_COLUMNS)}, got {', '.join(unknown)}")


def _row(sample: Sample, facts: MaskFacts) -> dict[str, Any]:
    return {
        "key": sample.key,
        "class_id": sample.class_id,
        "wnid": sample.wnid,
        "split": sample.split,
        "height": sample.image.shape[0],
        "width": sample.image.shape[1],
        "area_px": facts.area_px,
        **{f"bbox_{side}": value for side, value in zip("xywh", facts.bbox, strict=True)},
        "components": facts.components,
        "seed": sample.seed,
        "index": sample.index,
        "truncation": sample.truncation,
        "truncation_mode": sample.truncation_mode,
        **{name: sample.scores.get(name, math.nan) for name in SCORE_COLUMNS},
    }


def _encode_meta(sample: Sample) -> bytes:
    """Return the JSON that travels in the tar, for readers that do not know the index."""
    meta = {
        "key": sample.key,
        "class_id": sample.class_id,
        "wnid": sample.wnid,
        "split": sample.split,
        "height": sample.image.shape[0],
        "width": sample.image.shape[1],
        "seed": sample.seed,
        "index": sample.index,
        "truncation": _finite(sample.truncation),
        "truncation_mode": sample.truncation_mode,
        "scores": {name: _finite(sample.scores[name]) for name in sorted(sample.scores)},
        **({"extra": dict(sample.extra)} if sample.extra else {}),
    }
    return json.dumps(meta, sort_keys=True, ensure_ascii=False, allow_nan=False).encode()


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _sha256(data: bytes | None) -> str:
    return "" if data is None else hashlib.sha256(data).hexdigest()
