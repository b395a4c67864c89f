"""What a file is, told by its first bytes: a web page, a checkpoint, safetensors or something else."""

from __future__ import annotations

import struct

START_BYTES = 512
_HTML_STARTS = (b"<!doctype", b"<html", b"<head", b"<body", b"<script", b"<?xml", b"<!--")


def is_html(start: bytes) -> bool:
    """Tell whether a file that begins so is a web page: servers send one in place of a file that is gone."""
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().lower().startswith(_HTML_STARTS)


def is_zip(start: bytes) -> bool:
    """Tell whether a file that begins so is a zip archive, which checkpoints since torch 1.6 are."""
    return start.startswith(b"PK\x03\x04")


def is_pickle(start: bytes) -> bool:
    """Tell whether a file that begins so is a bare pickle, which checkpoints before torch 1.6 are."""
    return start.startswith(b"\x80")


def is_safetensors(start: bytes, size: int) -> bool:
    """Tell whether a file of ``size`` bytes that begins so can be safetensors: a header's length, then JSON."""
    if len(start) < 9:
        return False
    (header,) = struct.unpack("<Q", start[:8])
    return start[8:9] == b"{" and 2 <= header <= size - 8
