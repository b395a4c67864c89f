"""Files that appear complete or not at all, and a lock against a second writer.

A file is written under a temporary name beside its final one, synced and renamed. A killed writer leaves at most files
that begin with :data:`TEMPORARY`; readers do not see them and the next writer removes them.
"""

from __future__ import annotations

import errno
import functools
import glob
import hashlib
import itertools
import os
import platform
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from bdgan_cli.errors import BdganError

TEMPORARY = ".tmp-"
LOCK_FILE = ".lock"

_HINTS = {
    errno.ENOSPC: "free some space and run the same command again: finished shards are kept",
    errno.EDQUOT: "free some of your quota and run the same command again: finished shards are kept",
    errno.EFBIG: "raise the file size limit (ulimit -f) and run the same command again: finished shards are kept",
    errno.EROFS: "choose a folder on a writable file system",
    errno.EACCES: "choose a folder that you may write to",
    errno.EPERM: "choose a folder that you may write to",
}
_counter = itertools.count()


@contextmanager
def refusals_explained(path: Path) -> Iterator[None]:
    """Turn what the machine refuses while writing (full disk, no permission) into an error with a hint.

    Raises:
        BdganError: In place of the :class:`OSError`.
    """
    try:
        yield
    except OSError as error:
        if error.errno is None:
            raise
        raise BdganError(f"cannot write {path}: {os.strerror(error.errno)}", _HINTS.get(error.errno, "")) from error


@contextmanager
def temporary_file(path: Path) -> Iterator[tuple[Path, BinaryIO]]:
    """Open a temporary file beside ``path``, gone at the end unless :func:`put_in_place` has renamed it.

    Yields:
        Its name and the open file.
    """
    name = path.parent / f"{TEMPORARY}{_machine()}-{os.getpid()}-{next(_counter)}-{path.name}"
    try:
        with name.open("wb") as file:  # a file of this name is of a dead process whose number this one got
            yield name, file
    finally:
        with suppress(OSError):
            name.unlink(missing_ok=True)


def seal(file: BinaryIO) -> None:
    """Bring a written file to the disk and close it."""
    file.flush()
    os.fsync(file.fileno())
    file.close()


def put_in_place(temporary: Path, path: Path) -> None:
    """Rename a sealed temporary file to its final name and sync the folder."""
    temporary.replace(path)
    sync_folder(path.parent)


def write_atomically(path: Path, data: bytes) -> None:
    """Write a whole file into a folder, made if need be, or leave the one that was there.

    Raises:
        BdganError: If the machine refuses.
    """
    with refusals_explained(path):
        path.parent.mkdir(parents=True, exist_ok=True)
    with refusals_explained(path), temporary_file(path) as (temporary, file):
        file.write(data)
        seal(file)
        put_in_place(temporary, path)


def sync_folder(folder: Path) -> None:
    """Make renames in a folder last through a power cut, where the system can."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with suppress(OSError):  # some network file systems cannot sync folders
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_ours(path: Path) -> bool:
    """Return whether a file is a lock or a temporary file of this module."""
    return path.name == LOCK_FILE or path.name.startswith(TEMPORARY)


def sweep_temporary(folder: Path, name: str = "", *, locked: bool = True) -> int:
    """Remove what killed writers left in a folder, and return how many files; those of running processes stay.

    Whether a process of another machine or container runs cannot be seen from here. The lock decides: who holds it
    knows that no other job is at work.

    Args:
        folder: Where to look.
        name: Only what was to become the file of that name; by default all.
        locked: Whether the caller holds the lock, and the other processes of its job write nothing at this moment.
    """
    pattern = f"{TEMPORARY}*-{glob.escape(name)}" if name else f"{TEMPORARY}*"
    stale = [path for path in folder.glob(pattern) if not _belongs_to_living(path, locked)]
    for path in stale:
        path.unlink(missing_ok=True)
    return len(stale)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the folder's lock file; the system frees it however the process ends.

    Raises:
        BdganError: If another writer holds it.
    """
    descriptor = _open_locked(folder / LOCK_FILE)
    try:
        yield
    finally:
        (folder / LOCK_FILE).unlink(missing_ok=True)
        os.close(descriptor)


@contextmanager
def sole_writer(folder: Path) -> Iterator[None]:
    """Make a folder, keep other writers out of it, and remove what killed ones left there.

    Raises:
        BdganError: If another writer holds it, or the machine refuses.
    """
    with ExitStack() as until_done:
        with refusals_explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            until_done.enter_context(folder_lock(folder))
            sweep_temporary(folder)
        yield


def _open_locked(path: Path) -> int:
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        try:
            _lock(descriptor, path)
            # The holder before us removes the file when done: a lock on a removed file protects nothing.
            if path.exists() and os.fstat(descriptor).st_ino == path.stat().st_ino:
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int, path: Path) -> None:
    try:
        import fcntl
    except ImportError:  # the lock is a courtesy: without it two writers still never mix their files
        return
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        message = f"another process is writing to {path.parent}"
        raise BdganError(message, "wait until it is done, or write to another place") from error
    except OSError as error:
        if error.errno not in (errno.ENOLCK, errno.EOPNOTSUPP):
            raise


def _belongs_to_living(path: Path, locked: bool) -> bool:
    machine, _, rest = path.name.removeprefix(TEMPORARY).partition("-")
    pid = rest.split("-", 1)[0]
    if machine != _machine() or not pid.isdigit():
        return not locked
    return int(pid) != os.getpid() and _is_alive(int(pid))


@functools.cache
def _machine() -> str:
    """Name the table of processes that numbers are looked up in: this machine since it started, or this container."""
    facts = [platform.node()]
    with suppress(OSError):
        facts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii"))
        facts.append(str(Path("/proc/self/ns/pid").stat().st_ino))
    return hashlib.blake2s("/".join(facts).encode(), digest_size=6).hexdigest()


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state not in ("Z", "X")  # killed, and not yet buried by its parent
