"""What the files of a dataset mean: ``dataset.json``, keys, and the columns of the index.

This is the one place that defines the format; docs/dataset-format.md explains it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import pyarrow as pa

from bdgan_cli.dataset.fields import as_object, take, take_optional
from bdgan_cli.errors import DataError

FORMAT_VERSION = 1
KINDS = ("annotated", "sampled", "real", "unlabelled")
INFO_FILE = "dataset.json"
CARD_FILE = "README.md"
PREVIEW_FILE = "preview.png"
IGNORE_LABEL = 255

MEMBERS = ("image", "mask", "latent", "meta")
SCORE_COLUMNS = (
    "uncertainty",
    "uncertainty_mean",
    "uncertainty_top10",
    "uncertainty_area",
    "uncertainty_iou",
    "classifier_score",
)

INDEX_SCHEMA = pa.schema(
    [
        ("key", pa.string()),
        ("class_id", pa.int32()),
        ("wnid", pa.string()),
        ("split", pa.string()),
        ("shard", pa.string()),
        ("image_format", pa.string()),
        *[(f"{member}_{part}", pa.int64()) for member in MEMBERS for part in ("offset", "size")],
        ("height", pa.int32()),
        ("width", pa.int32()),
        ("area_px", pa.int64()),
        *[(f"bbox_{side}", pa.int32()) for side in "xywh"],
        ("components", pa.int32()),
        ("seed", pa.int64()),
        ("index", pa.int64()),
        ("truncation", pa.float32()),
        ("truncation_mode", pa.string()),
        *[(name, pa.float32()) for name in SCORE_COLUMNS],
        ("image_sha256", pa.string()),
        ("mask_sha256", pa.string()),
        ("latent_sha256", pa.string()),
        ("meta_sha256", pa.string()),
    ]
)
REQUIRED_COLUMNS = ("key", "class_id", "image_format", "image_offset", "image_size", "height", "width")

# A dot would end the key for WebDataset readers; a separator would leave the folder.
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_-]{0,71}")
_DEEPEST = 32
_MAX_CLASS_ID = 2**31 - 1  # the index keeps ids as int32
_UNSAFE = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True)
class ClassEntry:
    """A row of the class table.

    Attributes:
        id: The class id that the generator or the source uses.
        wnid: WordNet id such as ``n02123045``; may be empty.
        name: What people call it.
    """

    id: int
    wnid: str
    name: str


@dataclass(frozen=True)
class ModelRef:
    """Which weights took part."""

    name: str
    sha256: str


@dataclass(frozen=True)
class DatasetInfo:
    """What ``dataset.json`` says.

    Attributes:
        name: The dataset's name.
        kind: One of :data:`KINDS`.
        classes: The class table, ordered by id.
        image_size: Height and width in pixels of every image; None if they vary.
        generator: The generator of a sampled or annotated set.
        head: The head (ensemble) that made the masks.
        plan: The work this dataset consists of; decides whether a restart may continue. Plain JSON values.
        licence: SPDX identifier or words.
        provenance: Where the pictures and masks come from, in a sentence.
        label_names: Names of the mask values 0..K.
        format_version: Version of the format.
    """

    name: str
    kind: str
    classes: tuple[ClassEntry, ...]
    image_size: int | None
    generator: ModelRef | None
    head: ModelRef | None
    plan: dict[str, Any] = field(default_factory=dict)
    licence: str = ""
    provenance: str = ""
    label_names: tuple[str, ...] = ("background", "object")
    format_version: int = FORMAT_VERSION

    def __post_init__(self) -> None:
        where = f"dataset {self.name!r}"
        if self.kind not in KINDS:
            raise DataError(f"{where}: expected a kind of {', '.join(KINDS)}, got {self.kind!r}")
        if len({entry.id for entry in self.classes}) != len(self.classes):
            raise DataError(f"{where}: expected unique class ids, got {[entry.id for entry in self.classes]}")
        if self.image_size is not None and self.image_size < 1:
            raise DataError(f"{where}: expected an image size of at least 1 pixel, got {self.image_size}")
        if len(self.label_names) < 2:
            raise DataError(f"{where}: expected at least 2 label names (0 is background), got {self.label_names}")

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``dataset.json`` in a fixed order of fields; it shares nothing with this object."""
        content: dict[str, Any] = json.loads(json.dumps(asdict(self), allow_nan=False))
        return {"format_version": content.pop("format_version"), **content}

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str = INFO_FILE) -> DatasetInfo:
        """Check and take the content of ``dataset.json``.

        Args:
            data: The parsed file. Unknown fields are ignored: later writers of this version may add some.
            where: The file's name, for error messages.

        Raises:
            DataError: If a field is missing or wrong, or if the format is newer than this program.
        """
        data = as_object(data, where)
        version = take(data, "format_version", int, where)
        if version > FORMAT_VERSION:
            raise DataError(
                f"{where}: expected format_version up to {FORMAT_VERSION}, got {version}, made by a newer bdgan",
                "pip install --upgrade bdgan",
            )
        if version < 1:
            raise DataError(f"{where}: expected a format_version of at least 1, got {version}")
        labels = tuple(take(data, "label_names", list, where) if "label_names" in data else ("background", "object"))
        if not all(isinstance(label, str) for label in labels):
            raise DataError(f"{where}: expected 'label_names' to be strings, got {list(labels)}")
        fields: dict[str, Any] = {
            "name": take(data, "name", str, where),
            "kind": take(data, "kind", str, where),
            "classes": tuple(_class_entry(item, where) for item in take(data, "classes", list, where)),
            "image_size": take_optional(data, "image_size", int, where),
            "generator": _model_ref(data, "generator", where),
            "head": _model_ref(data, "head", where),
            "plan": take(data, "plan", dict, where),
            "licence": take(data, "licence", str, where),
            "provenance": take(data, "provenance", str, where),
        }
        try:
            info = cls(**fields, label_names=labels, format_version=version)
            _check_depth(info.plan, f"{where}: plan")
            json.dumps(info.to_json(), ensure_ascii=False).encode()  # what is read can be written again
        except ValueError as error:
            raise DataError(f"{where}: expected finite numbers and text in Unicode, got: {error}") from error
        except DataError as error:
            message = error.message if error.message.startswith(where) else f"{where}: {error.message}"
            raise DataError(message, error.hint) from error
        return info


def make_key(class_token: str, seed: int, index: int) -> str:
    """Name a sample: ``<wnid or class id>_<seed>_<index>``.

    Raises:
        DataError: If the token cannot be part of a file stem.
    """
    return check_key(f"{class_token}_{seed}_{index}")


def check_key(key: str) -> str:
    """Return the key if it can be a file stem in every tool.

    Raises:
        DataError: If it is empty, longer than 72 characters, or has other characters than A-Z a-z 0-9 _ -.
    """
    if not _KEY.fullmatch(key):
        raise DataError(f"expected a key of 1 to 72 characters A-Z a-z 0-9 _ -, got {key!r}")
    return key


def safe_key(text: str) -> str:
    """Turn a foreign file stem into a key: characters that a key cannot have become ``-``.

    Raises:
        DataError: If nothing usable is left, or the name is longer than 72 characters.
    """
    return check_key(_UNSAFE.sub("-", text).lstrip("-"))


def planned_counts(info: DatasetInfo) -> dict[int, int] | None:
    """Return the samples per class id that the plan asks for, or None if the plan does not say."""
    classes, per_class = info.plan.get("classes"), info.plan.get("per_class")
    if not isinstance(classes, list) or not isinstance(per_class, int):
        return None
    return {class_id: per_class for class_id in classes if isinstance(class_id, int)}


def _check_depth(plan: Any, place: str) -> None:
    """Refuse a plan nested so deep that it can be read here but not be written from elsewhere."""
    level = [plan]
    for _ in range(_DEEPEST):
        level = [
            inner
            for value in level
            for inner in (value.values() if isinstance(value, dict) else value if isinstance(value, list) else ())
        ]
        if not level:
            return
    raise DataError(f"{place}: expected values nested up to {_DEEPEST} deep, got more")


def _class_entry(value: object, where: str) -> ClassEntry:
    place = f"{where}: classes"
    item = as_object(value, place)
    number = take(item, "id", int, place)
    if not 0 <= number <= _MAX_CLASS_ID:
        raise DataError(f"{place}: expected an id of 0 to {_MAX_CLASS_ID}, got {number}")
    return ClassEntry(number, take(item, "wnid", str, place), take(item, "name", str, place))


def _model_ref(data: Mapping[str, Any], name: str, where: str) -> ModelRef | None:
    item = take_optional(data, name, dict, where)
    place = f"{where}: {name}"
    return None if item is None else ModelRef(take(item, "name", str, place), take(item, "sha256", str, place))
