"""A trained ensemble on disk: ``head.json`` says what it is, ``weights.safetensors`` holds its weights.

``head.json`` is written last and marks the head as complete. Nothing is ever unpickled.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save
from torch import Tensor, nn

from bdgan_cli.atomic import write_atomically
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.heads.registry import ARCHITECTURES, build_ensemble
from bdgan_cli.interfaces import FeatureSpec, HeadEnsemble, Tap
from bdgan_cli.weights.files import check_shapes, file_sha256, load_weights

SCHEMA_VERSION = 1
_MOST, _MOST_MEMBERS, _MOST_TAPS = 1 << 20, 256, 64
HEAD_FILE = "head.json"
WEIGHTS_FILE = "weights.safetensors"


@dataclass(frozen=True)
class HeadCard:
    """What ``head.json`` says.

    Attributes:
        name: The head's name in its workspace.
        arch: A name in the table of architectures.
        generator: Registered name of the generator whose features it reads.
        generator_sha256: That generator's weights.
        spec: The generator's taps.
        image_size: Height and width of the masks in pixels.
        labels: Output channels K; 1 is foreground against background.
        members: Ids of the members.
        seed: Names initial weights, bags and order.
        training: How it was trained, and on what.
        figures: What was measured.
        weights_sha256: Hash of the weights file.
        label_names: Names of the mask values 0, 1, ...; empty in cards written before they were kept.
    """

    name: str
    arch: str
    generator: str
    generator_sha256: str
    spec: FeatureSpec
    image_size: int
    labels: int
    members: tuple[int, ...]
    seed: int
    training: Mapping[str, Any] = field(default_factory=dict)
    figures: Mapping[str, Any] = field(default_factory=dict)
    weights_sha256: str = ""
    label_names: tuple[str, ...] = ()

    @property
    def named_labels(self) -> tuple[str, ...]:
        """Names of the mask values 0, 1, ..., those of their numbers where the card has none."""
        if self.label_names:
            return self.label_names
        return ("background", "object") if self.labels == 1 else ("background", *map(str, range(1, self.labels)))

    def build(self) -> nn.Module:
        """Build the ensemble with its initial weights."""
        return build_ensemble(self.arch, self.spec, self.image_size, self.labels, self.members, self.seed)

    def to_json(self) -> dict[str, Any]:
        """Return the content of ``head.json``."""
        content = {**asdict(self), "spec": self.spec.to_json()}
        made_by = {"name": content.pop("generator"), "sha256": content.pop("generator_sha256")}
        return {"schema_version": SCHEMA_VERSION, "generator": made_by, **content}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> HeadCard:
        """Take the content of ``head.json``; the caller turns what a wrong one raises into a message."""
        fields = {key: value for key, value in content.items() if key != "schema_version"}
        made_by, spec = fields.pop("generator"), fields.pop("spec")
        taps = tuple(Tap(str(name), int(c), int(h), int(w)) for name, c, h, w in spec["taps"])
        fields["spec"] = FeatureSpec(taps, int(spec["condition_dim"]))
        fields["members"] = tuple(int(member) for member in fields["members"])
        fields["label_names"] = tuple(str(name) for name in fields.get("label_names", ()))
        card = cls(generator=str(made_by["name"]), generator_sha256=str(made_by["sha256"]), **fields)
        card._check()
        return card

    def _check(self) -> None:
        """Refuse what no ensemble can have, before memory is taken for it."""
        sides = [side for tap in self.spec.taps for side in tap[1:]]
        sizes = [*sides, len(self.members), len(self.spec.taps), 1 + self.spec.condition_dim]
        for size in (*sizes, self.image_size, self.labels):
            if type(size) is not int or not 0 < size <= _MOST:
                raise ValueError(f"expected sizes of 1 to {_MOST}, got {str(size)[:40]}")
        if len(self.members) > _MOST_MEMBERS or len(set(self.members)) < len(self.members):
            raise ValueError(f"expected up to {_MOST_MEMBERS} members, each once, got {len(self.members)}")
        if len(self.spec.taps) > _MOST_TAPS:
            raise ValueError(f"expected up to {_MOST_TAPS} taps, got {len(self.spec.taps)}")
        ids = [self.seed, *self.members]
        if not all(type(number) is int and 0 <= number < 2**63 for number in ids):
            raise ValueError("expected seed and members as integers from 0")
        if not all(isinstance(text, str) for text in (self.name, self.arch, self.weights_sha256)):
            raise TypeError("expected name, arch and weights_sha256 as text")
        if not isinstance(self.training, dict) or not isinstance(self.figures, dict):
            raise TypeError("expected training and figures as objects")
        if self.label_names and len(self.label_names) != max(2, self.labels):
            raise ValueError(f"expected names of {max(2, self.labels)} mask values, got {len(self.label_names)}")


@dataclass(frozen=True)
class LoadedHead:
    """A head ready for use.

    Attributes:
        name: Its name in the workspace.
        sha256: Hash of its weights.
        ensemble: Maps features to logits, in its inference form.
        card: All that is known about it.
    """

    name: str
    sha256: str
    ensemble: HeadEnsemble
    card: HeadCard


def save_head(folder: Path, card: HeadCard, ensemble: nn.Module) -> HeadCard:
    """Write an ensemble; an older head of the folder is replaced only now.

    Returns:
        The card, with the hash of the weights.
    """
    (folder / HEAD_FILE).unlink(missing_ok=True)
    state = ensemble.state_dict().items()
    tensors = {name: value.cpu() for name, value in state if not name.endswith("num_batches_tracked")}
    write_tensors(folder / WEIGHTS_FILE, tensors)
    written = HeadCard(**{**_shallow(card), "weights_sha256": file_sha256(folder / WEIGHTS_FILE)})
    write_atomically(folder / HEAD_FILE, (json.dumps(written.to_json(), indent=2) + "\n").encode())
    return written


def read_card(folder: Path) -> HeadCard:
    """Read ``head.json``.

    Raises:
        MissingError: If there is none.
        DataError: If it is broken, or of a newer version.
    """
    path = folder / HEAD_FILE
    if not path.is_file():
        raise MissingError(f"no trained head in {folder}: {HEAD_FILE} is missing", "train one: bdgan train-head")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        version = content["schema_version"]
        if version == SCHEMA_VERSION:
            return HeadCard.from_json(content)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise DataError(f"{path} is no head card: {error}", _RETRAIN) from error
    raise DataError(f"{path}: expected schema_version {SCHEMA_VERSION}, got {version}", "pip install --upgrade bdgan")


def load_head(folder: Path, generator: str, generator_sha256: str, device: torch.device | str = "cpu") -> LoadedHead:
    """Load a head for a generator.

    Args:
        folder: Where it lies.
        generator: Registered name of the generator that will feed it.
        generator_sha256: That generator's weights.
        device: Where to compute.

    Raises:
        UsageError: If it was trained on another generator or other weights of it.
        MissingError: If there is no head.
        DataError: If its files are broken.
    """
    card = read_card(folder)
    check_generator(folder, card, generator, generator_sha256)
    weights = folder / WEIGHTS_FILE
    if not weights.is_file():
        raise DataError(f"{weights} is missing", _RETRAIN)
    if card.arch not in ARCHITECTURES:
        raise DataError(f"{folder / HEAD_FILE}: unknown architecture {card.arch!r}", "pip install --upgrade bdgan")
    try:
        check_shapes(_outline(folder, card), weights)
        ensemble: Any = card.build()
        load_weights(ensemble, weights)
    except DataError as error:
        raise DataError(error.message, _RETRAIN) from error
    digest = file_sha256(weights)
    if digest != card.weights_sha256:
        raise DataError(f"{weights}: sha256 {digest[:12]}..., {HEAD_FILE} says {card.weights_sha256[:12]}...", _RETRAIN)
    return LoadedHead(card.name, digest, ensemble.to(device).for_inference(), card)


def _outline(folder: Path, card: HeadCard) -> nn.Module:
    """Build an ensemble without its numbers: a card can ask for more of them than there is memory."""
    try:
        with torch.device("meta"), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # there is nothing to fill with initial weights
            return card.build()
    except (ValueError, TypeError, ArithmeticError, RuntimeError) as error:
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise DataError(f"{folder / HEAD_FILE}: expected sizes that fit together, got: {reason}") from error


def write_tensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write a safetensors file, whole or not at all."""
    plain = {name: tensor.detach().contiguous() for name, tensor in tensors.items()}
    write_atomically(path, save(plain, dict(metadata) if metadata else None))


_RETRAIN = "train it again: bdgan train-head --overwrite"


def check_generator(folder: Path, card: HeadCard, generator: str, sha256: str) -> None:
    """Check that a head reads the features of a generator.

    Raises:
        UsageError: If it was trained on another generator, or on other weights of it.
    """
    if card.generator != generator:
        raise UsageError(
            f"head {folder} reads features of {card.generator}, not of {generator}",
            f"train one: bdgan train-head --gen {generator}",
        )
    if card.generator_sha256 != sha256:
        raise UsageError(
            f"head {folder} was trained on other weights of {generator}: "
            f"sha256 {card.generator_sha256[:12]}..., here {sha256[:12]}...",
            _RETRAIN,
        )


def _shallow(card: HeadCard) -> dict[str, Any]:
    return dict(vars(card))
