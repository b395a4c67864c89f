"""The table of export formats: a new one is one file and one line here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bdgan_cli.dataset.exporters.coco import CocoExporter
from bdgan_cli.dataset.exporters.detectron2 import Detectron2Exporter
from bdgan_cli.dataset.exporters.exporter import Exporter, ExportPlan
from bdgan_cli.dataset.exporters.folder import FolderExporter
from bdgan_cli.dataset.exporters.huggingface import HuggingFaceExporter
from bdgan_cli.dataset.exporters.labelme import LabelmeExporter
from bdgan_cli.dataset.exporters.labelstudio import LabelStudioExporter
from bdgan_cli.dataset.exporters.mmseg import MmsegExporter
from bdgan_cli.dataset.exporters.voc import MOST_LABELS, build_cvat, build_voc
from bdgan_cli.dataset.exporters.yolo import YoloExporter
from bdgan_cli.errors import UsageError, near_names


@dataclass(frozen=True)
class Format:
    """An export format.

    Attributes:
        build: Makes the exporter of a plan.
        labels: What mask values mean unless the user says otherwise: ``masks`` or ``classes``.
        images: What becomes of image files unless the user says otherwise: ``keep``; ``jpg`` or ``png`` for all of
            them; ``same`` keeps them where all have one format and makes them PNG otherwise.
        options: Those of :class:`ExportOptions` that it knows.
        most_labels: The greatest number of labels that its masks can hold, None for any number.
        needs_masks: Whether a sample without a mask is an error.
    """

    build: Callable[[ExportPlan], Exporter]
    labels: str = "classes"
    images: str = "keep"
    options: tuple[str, ...] = ()
    most_labels: int | None = None
    needs_masks: bool = True


FORMATS: dict[str, Format] = {
    "folder": Format(FolderExporter, labels="masks", needs_masks=False),
    "coco": Format(CocoExporter, options=("polygons", "panoptic", "components")),
    "voc": Format(build_voc, images="jpg", options=("components",), most_labels=MOST_LABELS),
    "cvat": Format(build_cvat, options=("components",), most_labels=MOST_LABELS),
    "mmseg": Format(MmsegExporter, images="same", most_labels=MOST_LABELS),
    "detectron2": Format(Detectron2Exporter, options=("components",), most_labels=MOST_LABELS),
    "huggingface": Format(HuggingFaceExporter, labels="masks"),
    "labelme": Format(LabelmeExporter, options=("tolerance",), needs_masks=False),
    "labelstudio": Format(LabelStudioExporter, needs_masks=False),
    "yolo": Format(YoloExporter, options=("tolerance",)),
}


def find_format(name: str) -> Format:
    """Return a format of the table.

    Raises:
        UsageError: If there is none of that name; the hint names near ones.
    """
    if name not in FORMATS:
        raise UsageError(f"no export format is called {name!r}", near_names(name, list(FORMATS)))
    return FORMATS[name]
