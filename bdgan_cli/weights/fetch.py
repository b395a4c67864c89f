"""Downloads of weights: resumed where they stopped, checked, from the first address that works.

The bytes go into ``FILE.part``, which outlives Ctrl-C, a cut connection and the process. A server that cannot continue,
or whose file has changed since, makes the download start anew.
"""

from __future__ import annotations

import errno
import math
import re
import time
import urllib.error
import urllib.parse
import urllib.request
from http.client import HTTPException, IncompleteRead
from pathlib import Path
from typing import Any

from bdgan_cli import __version__
from bdgan_cli.errors import DataError, MissingError
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.weights.card import Source
from bdgan_cli.weights.files import file_sha256
from bdgan_cli.weights.partial import Partial
from bdgan_cli.weights.sniff import is_html

TIMEOUT_S = 30.0
RETRY_PAUSE_S = 2.0
FRUITLESS_ATTEMPTS = 3
_MB = 1_000_000
_BLOCK = 1 << 20
_SCHEMES = ("http", "https", "file")
_DISK_ERRORS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EACCES, errno.EPERM, errno.EROFS})


class _WrongContent(Exception):
    """What the server sent is not the file."""


class _Cut(Exception):
    """The connection ended too early; asking again may help."""


def fetch(source: Source, folder: Path, report: Reporter | None = None, by_hand: str = "") -> Path:
    """Download a file from the first of its addresses that works, going on where an earlier run stopped.

    Args:
        source: The file, its addresses, and its checksum and size where they are known.
        folder: Where it is put; ``FILE.part`` and ``FILE.part.json`` lie there until it is complete.
        report: Shows megabytes, rate and time left.
        by_hand: The hint of an error: how the user can get the file in another way.

    Raises:
        DataError: If an address sent something else than the file, and no other had it.
        MissingError: If no address could be reached.
    """
    folder.mkdir(parents=True, exist_ok=True)
    target = folder / source.file
    if target.is_file() and file_sha256(target).startswith(source.sha256):
        return target
    failures, has_wrong_content = [], False
    for url in source.urls:
        place = urllib.parse.urlsplit(url).netloc or url
        try:
            return _from_address(url, source, Partial(target), report or Silent())
        except (_WrongContent, _Cut) as error:
            has_wrong_content |= isinstance(error, _WrongContent)
            failures.append(f"{place}: {error}")
        except (OSError, HTTPException, ValueError) as error:
            if isinstance(error, OSError) and error.errno in _DISK_ERRORS:
                raise
            failures.append(f"{place}: {_reason(error)}")
    kind = DataError if has_wrong_content else MissingError
    raise kind(f"cannot fetch {source.file}: {'; '.join(failures) or 'no address is known'}", by_hand)


def _from_address(url: str, source: Source, partial: Partial, report: Reporter) -> Path:
    """Download from one address, asking again as long as bytes come.

    Raises:
        _WrongContent: If what came is not the file.
        _Cut: If the connection ends early again and again.
    """
    if urllib.parse.urlsplit(url).scheme not in _SCHEMES:
        raise _WrongContent(f"no address of a kind that can be fetched ({', '.join(_SCHEMES)})")
    joined = partial.size > 0
    fruitless = 0
    while True:
        before = partial.size
        try:
            _download_rest(url, source, partial, report)
        except (_Cut, ConnectionError, TimeoutError, IncompleteRead) as error:
            fruitless = 0 if partial.size > before else fruitless + 1
            if fruitless == FRUITLESS_ATTEMPTS:
                raise _Cut(_reason(error)) from error
            joined = True
            report.note(f"{source.file}: {_reason(error)}; asking again")
            time.sleep(RETRY_PAUSE_S)
            continue
        try:
            _check_whole(partial, source)
        except _WrongContent:
            partial.discard()
            if not joined:
                raise
            joined, fruitless = False, 0  # the halves may be of two files: one more try, from the start
            continue
        return partial.finish()


def _download_rest(url: str, source: Source, partial: Partial, report: Reporter) -> None:
    """Ask for what is missing and append it.

    Raises:
        _WrongContent: If a web page or a file of another size is offered.
        _Cut: If less comes than was announced.
    """
    headers = partial.headers_to_resume(url, any_address=bool(source.sha256))
    if headers and str(partial.size) == partial.notes.get("total"):
        return  # complete: an earlier run stopped between the last byte and the renaming
    identity = {"User-Agent": f"bdgan/{__version__}", "Accept-Encoding": "identity"}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=identity | headers), timeout=TIMEOUT_S)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and headers:
            partial.discard()
            raise _Cut("the file has become shorter") from error
        raise
    with response:
        start = _first_byte(response, partial) if headers else 0
        length = response.headers.get("Content-Length")
        total = start + int(length) if length else None
        if response.headers.get_content_type() == "text/html":
            raise _WrongContent("sent a web page (HTML), expected weights")
        if source.size and total not in (None, source.size):
            raise _WrongContent(f"offers {total} bytes, expected {source.size}")
        partial.begin(url, response.headers, total)
        _copy(response, partial, start, total, report)
    if total is not None and partial.size != total:
        raise _Cut(f"the connection ended after {partial.size} of {total} bytes")


def _first_byte(response: Any, partial: Partial) -> int:
    """Return from where the answer goes on: 0 if the server sends everything anew.

    Raises:
        _Cut: If it is neither the rest that was asked for nor the whole.
    """
    if response.status != 206:
        return 0
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    totals = {match[2], partial.notes.get("total", "0")} - {"*", "0"} if match else set()
    if match is None or int(match[1]) != partial.size or len(totals) > 1:
        partial.discard()
        raise _Cut("the server continued a file of another size")
    return partial.size


def _copy(response: Any, partial: Partial, start: int, total: int | None, report: Reporter) -> None:
    """Append the answer to the partial file, or begin it anew.

    Raises:
        _WrongContent: If it begins like a web page.
    """
    megabytes = max(math.ceil((total or 0) / _MB), 1)
    done = start
    with (
        report.task(f"fetching {partial.target.name}", megabytes, "MB", start // _MB) as task,
        partial.path.open("ab" if start else "wb") as file,
    ):
        told = start // _MB
        while block := response.read(_BLOCK):
            if done == 0 and is_html(block):
                raise _WrongContent("sent a web page (HTML), expected weights")
            file.write(block)
            done += len(block)
            if done // _MB > told:
                task.advance(done // _MB - told)
                told = done // _MB
        if done == total and told < megabytes:
            task.advance(megabytes - told)


def _check_whole(partial: Partial, source: Source) -> None:
    """Compare a complete download with what is known of the file.

    Raises:
        _WrongContent: If it is empty, or its size or sha256 differ.
    """
    if partial.size == 0:
        raise _WrongContent("sent nothing, expected weights")
    if source.size and partial.size != source.size:
        raise _WrongContent(f"sent {partial.size} bytes, expected {source.size}")
    if not (digest := file_sha256(partial.path)).startswith(source.sha256):
        raise _WrongContent(f"sent a file of sha256 {digest[:12]}..., expected {source.sha256[:12]}...")


def _reason(error: BaseException) -> str:
    """Say in a few words why an address failed."""
    if isinstance(error, urllib.error.HTTPError):
        return f"answered {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        error = error.reason if isinstance(error.reason, BaseException) else error
    if isinstance(error, TimeoutError):
        return f"no answer within {TIMEOUT_S:.0f} s"
    text = str(getattr(error, "strerror", None) or error) or type(error).__name__
    return " ".join(text.split())
