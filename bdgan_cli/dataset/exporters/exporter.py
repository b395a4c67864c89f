"""What an exporter is: samples in, file contents out. It touches no disk, so that the driver can run it in threads.

The driver (``workflows/export_run.py``) reads samples, calls :meth:`Exporter.convert` for each, writes the files, keeps
the records of finished parts on disk, and hands them to :meth:`Exporter.finish` one after another at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO, Protocol

from numpy.typing import NDArray

from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo

Record = dict[str, Any]
Records = Callable[[str], Iterator[Record]]


@dataclass(frozen=True)
class ExportOptions:
    """What only some formats can do; the registry says which.

    Attributes:
        polygons: Objects as polygons instead of run lengths.
        panoptic: Panoptic annotations as well.
        tolerance: How far, in pixels, polygons may leave out points of an outline; 0 keeps every pixel.
        components: Each connected piece of a label is an object of its own; otherwise all pixels of a label are one.
    """

    polygons: bool = False
    panoptic: bool = False
    components: bool = False
    tolerance: float = 0.0


@dataclass(frozen=True)
class ExportPlan:
    """What an export consists of, known before the first sample is read.

    Attributes:
        info: The source, as its ``dataset.json`` says.
        name: What the export is called: the name of its folder.
        label_names: Names of the mask values 0..K on the way out; the first one is the background.
        category_ids: Ids of the labels 1..K where a format has ids of its own; 1..K, or what a task asks for.
        splits: Samples by split, in the order of the export; the only key is empty where there are no splits.
        parts: Parts by split.
        options: What only some formats can do.
        image_formats: The image formats that occur, sorted.
    """

    info: DatasetInfo
    name: str
    label_names: tuple[str, ...]
    category_ids: tuple[int, ...]
    splits: Mapping[str, int]
    parts: Mapping[str, int]
    options: ExportOptions = field(default_factory=ExportOptions)
    image_formats: tuple[str, ...] = ("png",)


@dataclass(frozen=True)
class Item:
    """A sample on its way out.

    Attributes:
        key: Unique in the export; 1 to 72 characters A-Z a-z 0-9 _ -.
        number: Counts the samples of the export from 0, over all splits.
        split: Its split; may be empty.
        entry: Its class.
        image: The picture's file.
        image_format: ``png``, ``jpg`` or ``webp``.
        size_hw: Height and width in pixels.
        mask: (H, W) uint8 (uint16 beyond 254 labels): 0 background, 1..K labels, the type's largest value ignore; None
            if the sample has no mask.
        row: Its index row.
        extra: What its JSON keeps of the source: licence, addresses, file.
    """

    key: str
    number: int
    split: str
    entry: ClassEntry
    image: bytes
    image_format: str
    size_hw: tuple[int, int]
    mask: NDArray[Any] | None
    row: Mapping[str, Any]
    extra: Mapping[str, Any]


@dataclass(frozen=True)
class Converted:
    """What a sample becomes.

    Attributes:
        files: File contents by path below the export's folder.
        record: Plain JSON values for :meth:`Exporter.finish`.
        agreement: IoU in [0, 1] of the mask with what a reader of the export gets; None where nothing is lost.
        ignored_px: Pixels to ignore for which the format has no word: a reader takes them for background.
        packed: Values for the format's :class:`Packing`.
    """

    files: Mapping[str, bytes] = field(default_factory=dict)
    record: Record = field(default_factory=dict)
    agreement: float | None = None
    ignored_px: int = 0
    packed: Mapping[str, Any] | None = None


class Packing(Protocol):
    """How a format puts the samples of a part into one file."""

    def path(self, split: str, number: int) -> str:
        """Return the file of a split's part ``number`` (from 0)."""
        ...

    def write(self, file: BinaryIO, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write the rows one by one; the file is closed by the caller."""
        ...


class Exporter(Protocol):
    """One format."""

    @property
    def owns(self) -> Sequence[str]:
        """Names of files and folders directly below the export's folder; ``--overwrite`` removes nothing else."""
        ...

    @property
    def packing(self) -> Packing | None:
        """How samples of a part share a file; None where each has files of its own."""
        ...

    def convert(self, item: Item) -> Converted:
        """Convert a sample; a function of the item alone, called from several threads at once.

        Raises:
            DataError: If the format cannot hold it.
        """
        ...

    def finish(self, records: Records) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the files that are made of all samples, as path and content in pieces.

        Args:
            records: Called with a split, gives the records of its samples in order; may be called several times.
        """
        ...


def in_split(folder: str, split: str, name: str) -> str:
    """Return ``folder/split/name``, or ``folder/name`` where there are no splits."""
    return "/".join(part for part in (folder, split, name) if part)
