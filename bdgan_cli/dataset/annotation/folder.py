"""Plain folders for any painting program: ``images/<key>.*`` and ``masks/<key>.png``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from bdgan_cli.dataset.annotation.tool import Pick, Returned, SizeHW, fault
from bdgan_cli.dataset.codecs import encode_mask
from bdgan_cli.dataset.importers.mask_rules import MaskRule, read_mask
from bdgan_cli.dataset.importers.pairs import IMAGE_SUFFIXES, Fault
from bdgan_cli.dataset.importers.regions import inside
from bdgan_cli.errors import DataError, MissingError


@dataclass(frozen=True)
class FolderTool:
    """See the module.

    Attributes:
        mapping: What values of masks mean; None takes them as they are.
    """

    mapping: Mapping[int, int] | None = None

    def hand_out(self, picks: Iterable[Pick], labels: Sequence[str], folder: str) -> Iterator[tuple[str, bytes]]:
        """Yield pictures, masks where there is a guess, and the names of the mask values."""
        for pick in picks:
            yield f"images/{pick.key}.{pick.image_format}", pick.image
            if pick.guess is not None:
                yield f"masks/{pick.key}.png", encode_mask(pick.guess)
        yield (
            "labels.txt",
            "".join(f"{value} {name}\n" for value, name in (*enumerate(labels), (255, "ignore"))).encode(),
        )

    def read(
        self, result: Path, planned: Mapping[str, SizeHW], labels: Sequence[str], faults: list[Fault]
    ) -> Iterator[Returned]:
        """Read every mask of the folder."""
        if not result.is_dir():
            raise MissingError(f"expected a folder with masks/ at {result}, got none", "name it")
        rule = MaskRule(len(labels), self.mapping)
        for path in sorted((result / "masks").glob("*.png")) if (result / "masks").is_dir() else ():
            name = f"masks/{path.name}"
            try:
                inside(result, path)
                if path.stem not in planned:
                    raise DataError(f"{name}: expected a picture of this plan, got {path.stem!r}")
                mask = read_mask(path.read_bytes(), planned[path.stem], rule, name)
            except DataError as error:
                faults.append(fault(name, error))
                continue
            files = (result / "images" / f"{path.stem}{suffix}" for suffix in IMAGE_SUFFIXES)
            picture = next((file for file in files if file.is_file()), None)
            yield Returned(path.stem, name, mask, picture.read_bytes() if picture else None)
