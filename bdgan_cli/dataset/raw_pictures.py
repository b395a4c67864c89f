"""Pictures for trainings that need no more than pictures: any folder of them, datasets, and several of these as one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import decode_image
from bdgan_cli.dataset.importers.pairs import IMAGE_SUFFIXES
from bdgan_cli.dataset.reader import Dataset, decode_row, open_dataset, split_reference
from bdgan_cli.dataset.schema import INFO_FILE
from bdgan_cli.dataset.tar import Shard
from bdgan_cli.errors import DataError, MissingError

Picture = NDArray[np.uint8]


class Pictures(Protocol):
    """Pictures by row, (H, W, 3) uint8 RGB.

    Attributes:
        sha256: Of their names: two runs on the same pictures see the same, wherever the pictures lie.
    """

    sha256: str

    def __len__(self) -> int:
        """Return how many there are."""
        ...

    def name(self, row: int) -> str:
        """Return the name of one, for messages."""
        ...

    def read(self, row: int) -> Picture:
        """Read one.

        Raises:
            DataError: If it is damaged.
        """
        ...


class FolderPictures:
    """All pictures below a folder, in the order of their paths; ImageNet's layout is one such tree.

    Args:
        root: The folder.

    Raises:
        DataError: If it holds no picture.
    """

    def __init__(self, root: Path) -> None:
        self._root = root
        names = sorted(_walk(str(root)))
        if not names:
            raise DataError(f"{root} holds no pictures: expected {' '.join(IMAGE_SUFFIXES)} at any depth")
        # One array, not a million strings: those would be copied into every worker as their counters are touched.
        encoded = [os.fsencode(name) for name in names]
        self._ends = np.cumsum([len(name) for name in encoded], dtype=np.int64)
        self._text = np.frombuffer(b"".join(encoded), np.uint8)
        self.sha256 = names_sha256(encoded)

    def __len__(self) -> int:
        return len(self._ends)

    def name(self, row: int) -> str:
        """Return a picture's path."""
        begin = self._ends[row - 1] if row else 0
        return str(self._root / os.fsdecode(self._text[begin : self._ends[row]].tobytes()))

    def read(self, row: int) -> Picture:
        """Read a picture, upright.

        Raises:
            DataError: If it is damaged, or cannot be opened.
        """
        path = Path(self.name(row))
        try:
            data = path.read_bytes()
        except OSError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from error
        return decode_image(data, str(path), upright=True)


class DatasetPictures:
    """The pictures of a dataset or view.

    Args:
        dataset: As it was opened.

    Raises:
        DataError: If it is empty.
    """

    def __init__(self, dataset: Dataset) -> None:
        if not len(dataset):
            raise DataError(f"{dataset.reference} is empty", f"bdgan data info {dataset.reference}")
        self._dataset = dataset
        self._rows = dataset.table.select(
            ["key", "shard", "image_format", "image_offset", "image_size", "height", "width"]
        ).combine_chunks()
        self.sha256 = names_sha256(key.encode() for key in self._rows["key"].to_pylist())

    def __len__(self) -> int:
        return len(self._rows)

    def name(self, row: int) -> str:
        """Return the dataset and the sample's key."""
        return f"{self._dataset.reference}: {self._rows['key'][row].as_py()}"

    def read(self, row: int) -> Picture:
        """Read a picture.

        Raises:
            DataError: If it is damaged.
        """
        values = self._rows.slice(row, 1).to_pylist()[0]
        with Shard(self._dataset.root / "shards" / f"{values['shard']}.tar") as shard:
            image = decode_row(shard, values, ("image",), len(self._dataset.info.label_names)).image
        assert image is not None
        return image


class JoinedPictures:
    """Several sources as one, in their order."""

    def __init__(self, sources: Sequence[Pictures]) -> None:
        self._sources = list(sources)
        self._ends = np.cumsum([len(source) for source in sources])
        self.sha256 = names_sha256(source.sha256.encode() for source in sources)

    def __len__(self) -> int:
        return int(self._ends[-1])

    def name(self, row: int) -> str:
        """Return the name of a picture in its own source."""
        source, own = self._find(row)
        return source.name(own)

    def read(self, row: int) -> Picture:
        """Read a picture.

        Raises:
            DataError: If it is damaged.
        """
        source, own = self._find(row)
        return source.read(own)

    def _find(self, row: int) -> tuple[Pictures, int]:
        number = int(np.searchsorted(self._ends, row, side="right"))
        return self._sources[number], row - (int(self._ends[number - 1]) if number else 0)


def open_pictures(references: Sequence[str]) -> Pictures:
    """Open folders of pictures and datasets (``PATH`` or ``PATH@view``), at least one.

    Raises:
        MissingError: If one does not exist.
        DataError: If one holds no pictures, or is broken.
    """
    opened = [_open(reference) for reference in references]
    return opened[0] if len(opened) == 1 else JoinedPictures(opened)


def _open(reference: str) -> Pictures:
    root, _ = split_reference(reference)
    if (root / INFO_FILE).is_file():
        return DatasetPictures(open_dataset(reference))
    if not Path(reference).is_dir():
        raise MissingError(f"no folder of pictures and no dataset at {reference}", "check the path")
    return FolderPictures(Path(reference))


def _walk(root: str) -> Iterable[str]:
    """Yield the paths of pictures relative to the root; hidden folders and files are left out."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not name.startswith(".")]
        inside = os.path.relpath(folder, root)
        for name in files:
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield name if inside == "." else f"{inside}/{name}"


def names_sha256(names: Iterable[bytes]) -> str:
    """Return one hash of many names, in their order."""
    digest = hashlib.sha256()
    for name in names:
        digest.update(len(name).to_bytes(4, "little") + name)
    return digest.hexdigest()
