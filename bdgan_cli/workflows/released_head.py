"""The head in a released checkpoint: it goes into the workspace as a trained one-member head of its generator."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from bdgan_cli.errors import UsageError
from bdgan_cli.heads.files import HEAD_FILE
from bdgan_cli.heads.released import ReadsFeaturesOf, save_released_head
from bdgan_cli.interfaces import Generator
from bdgan_cli.runs import head_folder
from bdgan_cli.weights.convert import PublicFile
from bdgan_cli.weights.layouts import bigdatasetgan


class ReleasedHead(NamedTuple):
    """Where a released head goes, and for which generator it is."""

    folder: Path
    generator: str

    def write(self, tensors: Mapping[str, Tensor], model: Generator, generator_sha256: str) -> None:
        """Write the head that lies beside its generator in a file.

        Args:
            tensors: All tensors of the file.
            model: The generator, built from the same file.
            generator_sha256: Hash of its converted weights.

        Raises:
            DataError: If a tensor is missing or does not fit the generator.
        """
        generator = ReadsFeaturesOf(self.generator, generator_sha256, model.spec, model.image_size)
        self.folder.mkdir(parents=True, exist_ok=True)
        save_released_head(self.folder, self.folder.name, bigdatasetgan.head_tensors(tensors), generator)


def is_released(found: PublicFile) -> bool:
    """Tell whether a file holds a head beside the generator."""
    return found.layout.NAME == bigdatasetgan.NAME


def plan_released_head(workspace: Path, path: Path, generator: str, overwrite: bool) -> ReleasedHead:
    """Choose where the head goes: under the name of its file.

    Raises:
        UsageError: If there is a head of that name and it is not to be replaced.
    """
    folder = head_folder(workspace, f"released-{path.stem}")
    if (folder / HEAD_FILE).is_file() and not overwrite:
        raise UsageError(
            f"a head {folder.name} is in workspace {workspace} already", "choose another --workspace, or --overwrite"
        )
    return ReleasedHead(folder, generator)
