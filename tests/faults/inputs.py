"""What the commands under trial read: made when first asked for, smallest possible, by the commands themselves."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.faults.harness import Zygote

TWO_CLASSES = ("--classes", "0-1", "--batch", "2", "--shard-size", "2")
HEAD = ("--members", "2", "--steps", "10", "--batch", "2")
_PETS = 'title = "Round or not"\n[labels]\nround = "disc"\nhollow = "ring"\n'


class Inputs:
    """A workspace that grows with what is asked for; trials only read it.

    Args:
        root: The folder.
        zygote: Runs the commands that make things.
    """

    def __init__(self, root: Path, zygote: Zygote) -> None:
        self.root = root
        self._zygote = zygote
        root.mkdir()

    def need(self, name: str) -> Path:
        """Make something and what it is made of, unless it is there; return its path.

        ``datasets/annotated``, ``datasets/test`` (another seed), ``datasets/sim`` with the view ``filtered``,
        ``heads/two``, ``annotations/plan``, ``exports/FORMAT`` of ``datasets/sim``, ``backbones/first``, ``pets.toml``,
        and ``toy.bin`` with ``cards``, a small public model.
        """
        path = self.root / name
        if not path.exists():
            kind, _, last = name.partition("/")
            makers: dict[str, Callable[[], None]] = {
                "datasets/annotated": lambda: self._exact("annotated", 1),
                "datasets/test": lambda: self._exact("test", 7),
                "heads/two": self._head,
                "datasets/sim": self._sim,
                "annotations/plan": self._plan,
                "backbones/first": partial(write_backbone, path),
                "pets.toml": lambda: path.write_text(_PETS, encoding="utf-8") and None,
                "toy.bin": partial(write_toy_model, self.root),
            }  # fmt: skip
            makers.get(name, lambda: self._export(kind, last))()
        return path

    def _run(self, *words: object) -> None:
        done = self._zygote.run(words, self.root)
        assert done.code == 0, f"bdgan {' '.join(map(str, words))}: {done.stderr}"

    def _exact(self, name: str, seed: int) -> None:
        self._run("sample", "--exact-labels", "--per-class", 4, *TWO_CLASSES, "--name", name, "--seed", seed)

    def _head(self) -> None:
        self.need("datasets/annotated")
        self._run("train-head", "datasets/annotated", *HEAD, "--name", "two")

    def _sim(self) -> None:
        self.need("heads/two")
        self._run("sample", "--per-class", 4, *TWO_CLASSES, "--name", "sim", "--head", "two", "--seed", 3)
        self._run("filter", "datasets/sim", "--drop-uncertain", 0.25)

    def _plan(self) -> None:
        self.need("heads/two")
        self._run("annotate", "plan", "--classes", "0-1", "--per-class", 2, "--head", "two", "--name", "plan")

    def _export(self, kind: str, name: str) -> None:
        assert kind == "exports", f"nobody knows how to make {kind}/{name}"
        self.need("datasets/sim")
        self._run("data", "export", "datasets/sim", f"exports/{name}", "--to", name)


def write_backbone(folder: Path) -> None:
    """Write a backbone of random weights that other tools know."""
    import torch

    from bdgan_cli.backbones import ARCHITECTURES, ResNet
    from bdgan_cli.weights.backbones import BackboneCard, save_backbone

    torch.manual_seed(0)
    folder.mkdir(parents=True)
    save_backbone(folder, BackboneCard(folder.name, "resnet18"), ResNet(ARCHITECTURES["resnet18"]))


def write_toy_model(root: Path) -> None:
    """Write a small public file and cards that name it, see :mod:`tests.weights.toy`."""
    from bdgan_cli.weights import card
    from bdgan_cli.weights.files import file_sha256
    from tests.weights import toy

    shutil.copytree(card.CARDS_FOLDER, root / "cards")
    public = toy.write_public(root / "toy.bin")
    toy.add_card(root / "cards", public.as_uri(), file_sha256(public))


def use_toy_cards(cwd: str) -> None:
    """Let a child know the small model; the inputs lie beside the trial's folder."""
    from bdgan_cli.weights import card

    card.CARDS_FOLDER = Path(cwd).parent / "inputs" / "cards"


def shorten_demo(cwd: str) -> None:
    """Make a child's demo as short as a trial must be."""
    from bdgan_cli.workflows import demo

    demo.DemoConfig = partial(demo.DemoConfig, stress_per_class=2, head_steps=5)  # type: ignore[misc, assignment]
