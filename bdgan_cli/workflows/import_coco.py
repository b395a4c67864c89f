"""``bdgan data import coco``: annotations in the format of COCO as a dataset of real pictures.

The paper's analyses (supplement C and E) need masks of one object class per picture, the class known. COCO pictures
show several; so by default each picture gives one sample per category in it, and the mask is that category alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bdgan_cli.dataset.importers import coco as coco_importer
from bdgan_cli.dataset.importers.annotated import AnnotatedImport
from bdgan_cli.dataset.importers.coco_masks import CROWD, MODES, MaskRule
from bdgan_cli.dataset.importers.coco_result import CocoResult
from bdgan_cli.dataset.importers.coco_survey import GivenLabels
from bdgan_cli.errors import UsageError, near_names
from bdgan_cli.progress import Reporter, Silent
from bdgan_cli.runs import dataset_folder
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.tasks.task import Task


@dataclass(frozen=True)
class ImportCocoConfig:
    """What to import and how.

    Attributes:
        annotations: JSON file of COCO instances.
        images: Folder that the file names of the pictures start from.
        out: The dataset's folder; None names it after the file, in the workspace.
        workspace: Where datasets are kept.
        mode: ``classes`` (a sample per picture and category), ``instances`` (per object), ``foreground`` or
            ``semantic`` (per picture); None is ``classes``, or ``semantic`` with a task.
        categories: Names or ids of the categories to take, with commas; ``all`` takes all, or those of the task.
        min_area_px: Objects with fewer pixels become ignored pixels.
        crowd: What crowd regions become: ``ignore`` (255), ``object`` or ``drop``.
        split: Name of the split of all samples; may be empty.
        licence: SPDX identifier or words.
        provenance: Where the pictures come from; None names the file.
        skip_odd: Leave out pictures with something odd and import the rest.
        dry_run: Check everything and write nothing.
        overwrite: Replace the dataset that is there.
        task: Name or file of the task whose labels to take; None takes the file's categories.
    """

    annotations: Path
    images: Path
    out: Path | None = None
    workspace: Path = Path()
    mode: str | None = None
    categories: str = "all"
    min_area_px: int = 1
    crowd: str = "ignore"
    split: str = ""
    licence: str = ""
    provenance: str | None = None
    skip_odd: bool = False
    dry_run: bool = False
    overwrite: bool = False
    task: str | None = None


def import_coco(config: ImportCocoConfig, report: Reporter | None = None) -> CocoResult:
    """Bring in pictures with COCO annotations; nothing is written if anything is odd, unless ``skip_odd``.

    Raises:
        MissingError: If the file or the folder of pictures is not there.
        DataError: If the file is not one of COCO instances.
        UsageError: If an option is wrong, or the folder holds something else.
        BdganError: If the machine refuses to write.
    """
    task = None if config.task is None else find_task(config.task)
    mode = config.mode or ("classes" if task is None else "semantic")
    _check_choice("mode", mode, MODES)
    _check_choice("crowd", config.crowd, CROWD)
    source = config.annotations.resolve()
    out = config.out or dataset_folder(config.workspace, source.stem)
    given = config.categories if task is None else _labels_of(task, config, mode)
    origin = f"Imported from the COCO file {source.name}" + ("." if task is None else f" for the task {task.title}.")
    job = AnnotatedImport(
        name=out.name,
        importer="coco",
        rule=MaskRule(mode, config.crowd, config.min_area_px),
        categories=given,
        split=config.split,
        licence=config.licence,
        provenance=origin if config.provenance is None else config.provenance,
        skip_odd=config.skip_odd,
        dry_run=config.dry_run,
        overwrite=config.overwrite,
    )
    return coco_importer.import_coco(source, config.images, out, job, report or Silent())


def _labels_of(task: Task, config: ImportCocoConfig, mode: str) -> GivenLabels:
    if mode != "semantic" or config.categories != "all":
        option = f"--mode {mode}" if mode != "semantic" else f"--categories {config.categories}"
        raise UsageError(
            f"expected --task or {option}, got both: a task brings its categories, and the mode semantic",
            f"leave {option.split()[0]} out",
        )
    if not task.coco_ids:
        raise UsageError(f"task {task.name} has no COCO categories", "a task with some: bdgan data tasks mc16")
    by_label = [(label, name) for label, name in enumerate(task.label_names) if name in task.coco_ids]
    return GivenLabels(
        names=task.label_names[1:],
        labels={task.coco_ids[name]: label for label, name in by_label},
        words={task.coco_ids[name]: (name, *task.aliases.get(name, ())) for _, name in by_label},
    )


def _check_choice(option: str, value: str, known: tuple[str, ...]) -> None:
    if value not in known:
        raise UsageError(f"expected --{option} {', '.join(known)}, got {value!r}", near_names(value, list(known)))
