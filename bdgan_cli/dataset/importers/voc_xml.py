"""The XML that lies beside VOC's pictures, read as a check alone; without entities, declarations of type, or depth."""

from __future__ import annotations

from xml.parsers import expat

from bdgan_cli.errors import DataError

_MOST_BYTES = 4 << 20
_DEEPEST = 32


class _Reader:
    """Collects the text of the elements of interest by their path."""

    def __init__(self, where: str) -> None:
        self.where = where
        self.path: list[str] = []
        self.texts: dict[str, str] = {}

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self.path.append(name)
        if len(self.path) > _DEEPEST:
            raise DataError(f"{self.where}: expected elements up to {_DEEPEST} deep, got more")

    def end(self, name: str) -> None:
        self.path.pop()

    def text(self, text: str) -> None:
        if self.path[1:] in (["size", "width"], ["size", "height"]):
            self.texts[self.path[-1]] = self.texts.get(self.path[-1], "") + text

    def refuse(self, *facts: object) -> None:
        raise DataError(f"{self.where}: expected XML without a document type, got one: it could define entities")


def read_boxes(data: bytes, size_hw: tuple[int, int], where: str) -> None:
    """Check that a file of boxes is XML, and of a picture of this size.

    Args:
        data: The file.
        size_hw: Height and width of the picture in pixels.
        where: Its name for messages.

    Raises:
        DataError: If it is not, or is made to do harm.
    """
    if len(data) > _MOST_BYTES:
        raise DataError(f"{where}: expected up to {_MOST_BYTES >> 20} MB of XML, got {len(data) / 2**20:.1f}")
    reader = _Reader(where)
    parser = expat.ParserCreate()
    parser.StartDoctypeDeclHandler = reader.refuse
    parser.EntityDeclHandler = reader.refuse
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        parser.Parse(data, True)
    except (expat.ExpatError, LookupError, ValueError) as error:  # an encoding that Python lacks, or takes for none
        raise DataError(f"{where}: expected XML, got: {error}") from error
    stated = [reader.texts.get(side, "").strip() for side in ("height", "width")]
    if all(stated) and stated != [str(side) for side in size_hw]:
        expected = f"{size_hw[1]}x{size_hw[0]}"
        raise DataError(f"{where}: expected the picture's size {expected}, got {stated[1]}x{stated[0]}")
