"""A download that is not finished: ``FILE.part``, and beside it what is needed to go on from where it stopped."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bdgan_cli.atomic import write_atomically


@dataclass(frozen=True)
class Partial:
    """The unfinished form of a file.

    Args:
        target: Where the finished file will lie.
    """

    target: Path

    @property
    def path(self) -> Path:
        """Where the bytes lie that have come so far."""
        return self.target.with_name(f"{self.target.name}.part")

    @property
    def notes_path(self) -> Path:
        """Where it is written from which address they come, and which state of it."""
        return self.target.with_name(f"{self.target.name}.part.json")

    @property
    def size(self) -> int:
        """Bytes that have come so far."""
        return self.path.stat().st_size if self.path.is_file() else 0

    @property
    def notes(self) -> dict[str, str]:
        """What was noted at the start; nothing if the notes are missing or damaged."""
        try:
            notes = json.loads(self.notes_path.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError):
            return {}
        return notes if isinstance(notes, dict) else {}

    def begin(self, url: str, headers: Mapping[str, str], total: int | None) -> None:
        """Note which state of which address is coming."""
        notes = {"url": url, "etag": headers.get("ETag"), "last_modified": headers.get("Last-Modified")}
        known = {key: value for key, value in notes.items() if value}
        write_atomically(self.notes_path, json.dumps({**known, "total": str(total or 0)}).encode())

    def headers_to_resume(self, url: str, any_address: bool) -> dict[str, str]:
        """Return the request headers that ask for the rest, none if the download must start anew.

        Args:
            url: The address to be asked.
            any_address: Whether another address than the first may go on, because a checksum will tell.
        """
        notes = self.notes
        same = notes.get("url") == url
        if not self.size or not (same or any_address):
            return {}
        # A weak tag only promises an equivalent file, which is no ground to join two halves.
        tag = notes.get("etag", "")
        validator = tag if tag and not tag.startswith("W/") else notes.get("last_modified", "")
        return {"Range": f"bytes={self.size}-", **({"If-Range": validator} if same and validator else {})}

    def discard(self) -> None:
        """Forget what has come."""
        self.path.unlink(missing_ok=True)
        self.notes_path.unlink(missing_ok=True)

    def finish(self) -> Path:
        """Give the file its final name."""
        self.path.replace(self.target)
        self.notes_path.unlink(missing_ok=True)
        return self.target
