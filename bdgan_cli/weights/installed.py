"""What has been installed into the user's cache: one folder per model with its weights and the record of where from.

<cache>/models/NAME/weights.safetensors     what the model's builder loads
<cache>/models/NAME/installed.json          size, sha256, layout and origin
<cache>/downloads/NAME/                     downloads that are not finished or not yet converted
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import platformdirs

from bdgan_cli.atomic import folder_lock, is_ours, sweep_temporary, write_atomically
from bdgan_cli.errors import BdganError, DataError

FORMAT_VERSION = 1
WEIGHTS_FILE = "weights.safetensors"
RECORD_FILE = "installed.json"


@dataclass(frozen=True)
class InstalledRecord:
    """What is known of an installed model.

    Attributes:
        sha256: Of the weights, in hex.
        size: Of the weights, in bytes.
        mtime_ns: When the weights were written; big files of that time and size are not hashed at each load.
        layout: The layout in which they came.
        came_from: Name of the file they came from.
        came_from_sha256: Its sha256 in hex.
    """

    sha256: str
    size: int
    mtime_ns: int
    layout: str
    came_from: str
    came_from_sha256: str


def cache_folder() -> Path:
    """Return the user's cache: ``$BDGAN_CACHE``, or the platform's folder for caches."""
    return Path(os.environ.get("BDGAN_CACHE") or platformdirs.user_cache_dir("bdgan"))


def model_folder(name: str) -> Path:
    """Return where the model of that name is or will be installed."""
    return cache_folder() / "models" / name


def download_folder(name: str) -> Path:
    """Return where the files of that model are downloaded to."""
    return cache_folder() / "downloads" / name


def read_record(name: str) -> InstalledRecord | None:
    """Read the record of an installed model, None if it is not installed.

    Raises:
        DataError: If the record is damaged.
    """
    path = model_folder(name) / RECORD_FILE
    try:
        fields = json.loads(path.read_text(encoding="utf-8"))
        version = fields.pop("format_version")
        if version != FORMAT_VERSION:
            raise ValueError(f"format version {version}, expected {FORMAT_VERSION}")
        record = InstalledRecord(**fields)
        texts = (record.sha256, record.layout, record.came_from, record.came_from_sha256)
        if not all(isinstance(text, str) for text in texts) or {type(record.size), type(record.mtime_ns)} != {int}:
            raise TypeError("expected size and time as integers, and the rest as text")
        return record
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DataError(
            f"{path} is no valid record of an installed model: {error}",
            f"delete {path.parent} and install {name} again: bdgan models pull {name}",
        ) from error


def write_record(folder: Path, record: InstalledRecord) -> None:
    """Write the record into a model's folder, whole or not at all."""
    content = json.dumps({"format_version": FORMAT_VERSION, **asdict(record)}, indent=2) + "\n"
    write_atomically(folder / RECORD_FILE, content.encode())


@contextlib.contextmanager
def installing(name: str) -> Iterator[None]:
    """Let one process at a time fetch and install a model, and remove what killed ones left.

    Raises:
        BdganError: If another process installs it.
    """
    downloads = download_folder(name)
    downloads.mkdir(parents=True, exist_ok=True)
    with folder_lock(downloads):
        for left in model_folder(name).parent.glob(f".{name}.*"):
            shutil.rmtree(left, ignore_errors=True)
        sweep_temporary(downloads)
        yield


def tidy(name: str, *, downloads: bool = False) -> None:
    """Remove what a killed process left that installed a model; nothing while one is at work or in a read-only cache.

    Args:
        name: A model that is installed.
        downloads: Remove the files, too, that it was made from.
    """
    folder = download_folder(name)
    if not folder.is_dir():
        return
    with contextlib.suppress(BdganError, OSError), installing(name):
        for path in folder.iterdir() if downloads else ():
            if not is_ours(path):
                path.unlink()


@contextlib.contextmanager
def staging(name: str) -> Iterator[Path]:
    """Yield an empty folder beside the installed models; it is gone afterwards unless :func:`install` took it."""
    models = cache_folder() / "models"
    models.mkdir(parents=True, exist_ok=True)
    folder = Path(tempfile.mkdtemp(prefix=f".{name}.", dir=models))
    # Others may read what is installed, as they may read any file of the cache.
    folder.chmod(0o777 & ~_umask())
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def install(folder: Path, name: str) -> Path:
    """Move a staged folder to where the model of that name belongs, in place of an earlier one.

    Returns:
        The model's folder.
    """
    final, earlier = model_folder(name), folder.with_name(f"{folder.name}.earlier")
    if final.exists():
        final.rename(earlier)
    try:
        folder.rename(final)
    except BaseException:  # an interrupt, too, must not leave the user without the earlier one
        if earlier.exists() and not final.exists():
            earlier.rename(final)
        raise
    shutil.rmtree(earlier, ignore_errors=True)
    return final


def _umask() -> int:
    mask = os.umask(0o022)
    os.umask(mask)
    return mask
