"""What the values of exported masks mean: the dataset's labels, the samples' classes, or the labels of a task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bdgan_cli.dataset.masks import ignore_value
from bdgan_cli.dataset.schema import IGNORE_LABEL, ClassEntry, DatasetInfo

Relabel = Callable[[NDArray[Any], int], NDArray[Any]]

MEANINGS = ("masks", "classes")


@dataclass(frozen=True)
class LabelSpace:
    """The labels on the way out.

    Attributes:
        names: Names of the mask values 0..K; the first is the background.
        relabel: From a mask of the dataset and the sample's class id to the mask that goes out.
        takes: Whether samples of a class id go out at all.
        category_ids: Ids by name where they are not 1..K.
    """

    names: tuple[str, ...]
    relabel: Relabel
    takes: Callable[[int], bool] = lambda class_id: True
    category_ids: Mapping[str, int] = field(default_factory=dict)

    def ids(self) -> tuple[int, ...]:
        """Return the id of each label from 1 on."""
        own = [self.category_ids.get(name) for name in self.names[1:]]
        if all(number is not None for number in own):
            return tuple(number for number in own if number is not None)
        return tuple(range(1, len(self.names)))


def choose_labels(info: DatasetInfo, meaning: str) -> LabelSpace:
    """Choose what mask values mean.

    Args:
        info: The dataset's description.
        meaning: ``masks`` leaves the masks as they are; ``classes`` gives the object of a mask with one label the
            number of its sample's class (from 1, in the order of the class table), and leaves other masks as they are.
    """
    if meaning == "masks" or len(info.label_names) != 2 or not info.classes:
        return LabelSpace(info.label_names, lambda mask, class_id: mask)
    numbers = {entry.id: number for number, entry in enumerate(info.classes, 1)}
    kind = np.uint8 if len(numbers) < IGNORE_LABEL else np.uint16

    def relabel(mask: NDArray[Any], class_id: int) -> NDArray[Any]:
        relabelled = np.where(mask == 1, kind(numbers[class_id]), kind(0))
        relabelled[mask == ignore_value(mask)] = np.iinfo(kind).max
        return relabelled

    return LabelSpace((info.label_names[0], *class_names(info.classes)), relabel)


def class_names(classes: tuple[ClassEntry, ...]) -> list[str]:
    """Return the classes' names; wnid or id is added to a name that two classes have."""
    times = Counter(entry.name.lower() for entry in classes)
    return [
        entry.name
        if times[entry.name.lower()] == 1 and entry.name
        else f"{entry.name} {entry.wnid or entry.id}".strip()
        for entry in classes
    ]
