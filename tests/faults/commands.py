"""Every command that writes: its words, what it reads, and what of its results may differ between two runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tests.faults.inputs import HEAD, TWO_CLASSES, Inputs

_SIM, _ANNOTATED, _TEST = "{inputs}/datasets/sim", "{inputs}/datasets/annotated", "{inputs}/datasets/test"
_PRETRAIN = (
    "--preset", "tiny", "--epochs", "1", "--batch", "2", "--norm-group", "2", "--queue", "4", "--workers", "0",
    "--device", "cpu",
)  # fmt: skip
_STUDY = (
    "--task", "{inputs}/pets.toml", "--test", _TEST, "--preset", "tiny", "--segmenter", "lraspp-tiny", "--size", "32",
    "--steps", "3", "--batch", "4", "--seeds", "1", "--threads", "1", "--workers", "0", "--device", "cpu",
)  # fmt: skip
_STUDY_READS = ("pets.toml", "datasets/test", "datasets/annotated", "datasets/sim")
_STUDY_VARIES = ("benchmarks/*/runs/*/logs/*",)
_SETUP = "tests.faults.inputs:"


@dataclass(frozen=True)
class Command:
    """A command under trial.

    Attributes:
        name: Of the trial.
        words: The command line; ``{inputs}`` is the folder of :class:`Inputs`.
        reads: What it needs of the inputs.
        changes: What it changes of them, copied into the trial's folder first.
        writes: The folder that holds its results.
        again: Words that the second run has in addition: those of the line ``resume with:``.
        logs: Files that hold wall times and host names, left out of comparisons.
        working: Files whose content changes while the command works.
        done: What the second run says, with exit code 2, if the first one had only its exit code left to give.
        setup: Function to call in the child before.
        in_default: Whether the default suite tries it, too.
    """

    name: str
    words: tuple[str, ...]
    writes: str
    reads: tuple[str, ...] = ()
    changes: tuple[str, ...] = ()
    again: tuple[str, ...] = ()
    logs: tuple[str, ...] = ()
    working: tuple[str, ...] = ()
    done: str = ""
    setup: str = ""
    in_default: bool = False

    @property
    def locks(self) -> str:
        """The folder that it keeps other writers out of; empty for those that only replace whole files."""
        if self.name.startswith("models"):
            return "cache/downloads/toy-deep"
        words = self.words[:1] if self.words[0] in ("filter", "analyze") else self.words[:2]
        replaces_files = words in (("filter",), ("analyze",), ("data", "show")) or self.name == "data split views"
        return "" if replaces_files else self.writes

    def prepare(self, inputs: Inputs, root: Path) -> list[str]:
        """Make a trial's folder, and return the command line."""
        import shutil

        root.mkdir()
        for name in self.reads:
            inputs.need(name)
        for name in self.changes:
            shutil.copytree(inputs.need(name), root / name)
        return [word.replace("{inputs}", str(inputs.root)) for word in self.words]


def _analysis(name: str, *more: str) -> Command:
    words = ("analyze", name, _SIM, "--out", "results", *more)
    return Command(f"analyze {name}", words, "results", ("datasets/sim",))


def _export(to: str, *more: str, in_default: bool = False) -> Command:
    words = ("data", "export", _SIM, "out", "--to", to, *more)
    return Command(f"data export {to}", words, "out", ("datasets/sim",), working=("out/*",), in_default=in_default)


def _import(name: str, source: str, *more: str) -> Command:
    words = ("data", "import", name, source, "--out", "new", *more)
    export = source.removeprefix("{inputs}/").split("/")
    return Command(f"data import {name}", words, "new", ("/".join(export[:2]),))


COMMANDS = (
    Command(
        "sample", ("sample", "--per-class", "4", *TWO_CLASSES, "--head", "{inputs}/heads/two", "--name", "set"),
        "datasets/set", ("heads/two",), in_default=True,
    ),
    Command("sample exact", ("sample", "--exact-labels", "--per-class", "4", *TWO_CLASSES, "--name", "set"),
            "datasets/set"),
    Command("sample again", ("sample", "--exact-labels", "--per-class", "6", *TWO_CLASSES, "--name", "annotated",
                             "--seed", "1"), "datasets/annotated", changes=("datasets/annotated",),
            working=("datasets/annotated/*",)),
    Command("train-head", ("train-head", _ANNOTATED, *HEAD, "--name", "new"), "heads/new", ("datasets/annotated",),
            again=("--resume",), logs=("heads/new/logs/*",), working=("*/checkpoint.safetensors",), in_default=True),
    Command("filter", ("filter", "datasets/sim", "--view", "clean"), "datasets/sim", changes=("datasets/sim",),
            in_default=True),
    _analysis("centers"),
    _analysis("geometry"),
    _analysis("shapes", "--clusters", "2", "--min-area", "1"),
    _analysis("quality", "--reference", _ANNOTATED, "--samples", "8"),
    _analysis("figures", "--count", "4", "--rows", "2", "--columns", "2", "--tile", "32"),
    _analysis("report", "--samples", "8", "--gallery", "2"),
    Command("benchmark", ("benchmark", *_STUDY, "--annotated", _ANNOTATED, "--synthetic", _SIM, "--arms", "sup,off"),
            "benchmarks/pets", _STUDY_READS, logs=_STUDY_VARIES, working=("*/checkpoint.safetensors",)),
    Command("benchmark transfer", ("benchmark", "transfer", *_STUDY, "--annotated", _ANNOTATED, "--arms", "sup",
                                   "--transfer-test", _SIM), "benchmarks/pets-transfer", _STUDY_READS,
            logs=_STUDY_VARIES, working=("*/checkpoint.safetensors",)),
    Command("benchmark truncation", ("benchmark", "truncation", *_STUDY, "--gen", "tiny-biggan", "--values", "0.9",
                                     "--head", "{inputs}/heads/two", "--samples", "8"), "benchmarks/pets-truncation",
            (*_STUDY_READS, "heads/two"), logs=_STUDY_VARIES, working=("*/checkpoint.safetensors", "*/report.html")),
    Command("pretrain contrastive", ("pretrain", "contrastive", "{inputs}/exports/folder/images", "--name", "new",
                                     *_PRETRAIN), "backbones/new", ("exports/folder",), again=("--resume",),
            logs=("backbones/new/logs/*",), working=("*/checkpoint.safetensors",)),
    Command("pretrain joint", ("pretrain", "joint", "{inputs}/exports/folder/images", "--labelled", _SIM, "--name",
                               "new", "--labelled-batch", "2", *_PRETRAIN), "backbones/new", ("exports/folder",),
            again=("--resume",), logs=("backbones/new/logs/*",), working=("*/checkpoint.safetensors",)),
    Command("pretrain export", ("pretrain", "export", "{inputs}/backbones/first", "--to", "mmseg", "--out", "out"),
            "out", ("backbones/first",)),
    Command("annotate plan", ("annotate", "plan", "--classes", "0-1", "--per-class", "2", "--candidates", "4",
                              "--head", "{inputs}/heads/two", "--name", "new"), "annotations/new", ("heads/two",),
            done="holds a plan already"),
    Command("annotate collect", ("annotate", "collect", "{inputs}/annotations/plan", "--accept-unchanged", "--out",
                                 "new"), "new", ("annotations/plan",)),
    _import("folder", "{inputs}/exports/folder"),
    _import("coco", "{inputs}/exports/coco/annotations/instances_train.json", "--images",
            "{inputs}/exports/coco/images/train"),
    _import("voc", "{inputs}/exports/voc"),
    _import("yolo", "{inputs}/exports/yolo"),
    _import("huggingface", "{inputs}/exports/huggingface"),
    _export("folder"),
    _export("coco", "--panoptic", in_default=True),
    _export("voc"),
    _export("mmseg"),
    _export("huggingface"),
    _export("labelstudio"),
    Command("data merge", ("data", "merge", _SIM, _ANNOTATED, "--kind", "sampled", "--rename", "--out", "new"), "new",
            ("datasets/sim", "datasets/annotated")),
    Command("data split", ("data", "split", _SIM, "--splits", "train=0.5,val=0.5", "--out", "new"), "new",
            ("datasets/sim",)),
    Command("data split views", ("data", "split", "datasets/sim", "--splits", "train=0.5,val=0.5"), "datasets/sim",
            changes=("datasets/sim",)),
    Command("data materialize", ("data", "materialize", f"{_SIM}@filtered", "--out", "new"), "new", ("datasets/sim",)),
    Command("data show", ("data", "show", _SIM, "--out", "sheet.png", "--count", "4", "--tile", "32"), "",
            ("datasets/sim",), done="sheet.png exists"),
    Command("models add", ("models", "add", "{inputs}/toy.bin", "--as", "toy-deep"), "cache/models/toy-deep",
            ("toy.bin",), done="is installed already", setup=f"{_SETUP}use_toy_cards"),
    Command("models pull", ("models", "pull", "toy-deep"), "cache/models/toy-deep", ("toy.bin",),
            working=("cache/downloads/*",), setup=f"{_SETUP}use_toy_cards"),
    Command("demo", ("demo", "--per-class", "2", "--annotated", "2", "--members", "2"), "bdgan-demo",
            logs=("bdgan-demo/heads/demo/logs/*",), working=("*/checkpoint.safetensors",),
            setup=f"{_SETUP}shorten_demo"),
)  # fmt: skip
BY_NAME = {command.name: command for command in COMMANDS}
