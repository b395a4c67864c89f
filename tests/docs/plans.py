"""How the commands of each page are run: what is prepared, which words are made smaller, and what cannot be run here.

A new page with commands needs an entry in ``PAGES_TO_RUN``. Every entry of the tables must be used by some page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from tests.docs import worlds


class Unable(NamedTuple):
    """A command that cannot do its work here: what is typed instead, and how it must end."""

    reason: str
    code: int = 0
    says: str = ""
    typed: str = ""


class Plan(NamedTuple):
    """How a page is run.

    Attributes:
        prepare: Makes what the page takes for granted, in the current folder.
        smaller: Words of its commands, and what they are replaced by, longest first.
        others: What is done in place of a command of another program.
        before: What people do before a command, in another program.
        unable: Commands that end otherwise here.
    """

    prepare: Callable[[], None] = lambda: None
    smaller: Mapping[str, str] = {}
    others: Mapping[str, Callable[[], None]] = {}
    before: Mapping[str, Callable[[], None]] = {}
    unable: Mapping[str, Unable] = {}


def no_weights(name: str) -> Unable:
    """Return how a command ends whose weights are not installed: with the line that fetches them."""
    return Unable("hundreds of megabytes of weights", 4, f"bdgan models pull {name}")


PULL = Unable("a download", 0, "", "bdgan models pull biggan-deep-512 --dry-run")
HEAD = " --members 2 --steps 2"
FEW = " --seeds 1 --steps 2 --batch 2 --threads 1"
FEW_VIEWS = " --epochs 1 --batch 4 --norm-group 4 --queue 8"
TINY_SETS = " --size 32 --init random" + FEW

README = Plan(
    worlds.readme,
    {
        "train-head --gen tiny-biggan": "train-head --gen tiny-biggan" + HEAD,
        "--classes all --per-class 100 --trunc 0.9 --seed 0": "--classes all --per-class 4 --trunc 0.9 --seed 0",
        "DATASET DATASET": "datasets/tiny-biggan-sim datasets/tiny-biggan-annotated",
        "DATASET": "datasets/tiny-biggan-sim@filtered",
        "import FORMAT SOURCE": "import voc VOC2012",
        "OUT --to FORMAT": "OUT --to coco",
        "--task shapes-mc": "--task shapes-mc --arms sup" + FEW,
        "contrastive PICTURES": "contrastive PICTURES --name NAME --arch resnet18 --epochs 1 --batch 4 --norm-group 4 --queue 8",
    },
    unable={
        "bdgan demo": Unable("run by tests/workflows/test_demo.py", typed="bdgan demo --help"),
        "bdgan models pull biggan-deep-512": PULL,
        "bdgan models add biggan-512.pth --as biggan-512": no_weights("biggan-512"),
        "bdgan annotate plan --gen biggan --per-class 5": no_weights("biggan-deep-512"),
        "bdgan benchmark truncation --task dog": no_weights("biggan-deep-512"),
        "bdgan train-head --gen biggan": no_weights("biggan-512"),
        "bdgan sample --gen biggan --classes all --trunc 0.9": no_weights("biggan-deep-512"),
        "bdgan train-head --gen vqgan": no_weights("vqgan"),
        "bdgan sample --gen vqgan --top-k 600 --top-p 0.92": no_weights("vqgan"),
    },
)

PAGES_TO_RUN: dict[str, Plan] = {
    "README.md": README,
    "docs/analysis.md": Plan(worlds.analysing),
    "docs/analysis-figures.md": Plan(worlds.analysing),
    "docs/analysis-quality.md": Plan(
        worlds.analysing,
        unable={
            "bdgan analyze quality datasets/a --reference datasets/real --samples 10000 --features inception-fid --json":
                no_weights("inception-fid"),
        },
    ),
    "docs/annotating.md": Plan(
        smaller={
            "--gen tiny-biggan --per-class 5 --for labelme": "--gen tiny-biggan --per-class 2 --for labelme",
            "--gen tiny-biggan --per-class 5 --name": "--gen tiny-biggan --per-class 1 --name",
            "--per-class 5 --for labelstudio": "--per-class 1 --for labelstudio",
            "train-head datasets/tiny-biggan-by-hand": "train-head datasets/tiny-biggan-by-hand" + HEAD,
            "train-head datasets/both-rounds": "train-head datasets/both-rounds" + HEAD,
        },
        others={
            "labelme annotations/tiny-biggan-by-hand/work --labels annotations/tiny-biggan-by-hand/work/labels.txt --nodata":
                partial(worlds.draw_with_labelme, "annotations/tiny-biggan-by-hand"),
            "labelme annotations/second-round/work --labels annotations/second-round/work/labels.txt --nodata":
                partial(worlds.draw_with_labelme, "annotations/second-round"),
        },
        before={"bdgan annotate collect annotations/third-round project-7.json":
                partial(worlds.draw_with_label_studio, "annotations/third-round", "project-7.json")},
    ),
    "docs/benchmark.md": Plan(
        worlds.benchmarking,
        {
            "--task shapes-mc --arms sup,off-1k,off-10k,both": "--task shapes-mc --arms sup,both --steps 2",
            "--task shapes-fgbg --arms sup,off-1k,off-10k,unfiltered,one-head,on,rejection": "--task shapes-fgbg --arms sup",
            "--init imagenet": TINY_SETS,
        },
    ),
    "docs/dataset-format.md": Plan(partial(worlds.pets, "my-dataset", views=("clean",))),
    "docs/exporting.md": Plan(worlds.exporting),
    "docs/importing.md": Plan(
        worlds.importing, unable={"bdgan train-head --gen biggan-512": no_weights("biggan-512")}
    ),
    "docs/pretraining.md": Plan(
        worlds.pretraining,
        {
            "imagenet/train --name stage1": "imagenet/train --name stage1" + FEW_VIEWS,
            "datasets/biggan-sim@clean --name stage2": "datasets/biggan-sim@clean --name stage2 --labelled-batch 4" + FEW_VIEWS,
            "--precision bfloat16 --workers 8": "--precision bfloat16 --workers 1" + FEW_VIEWS,
        },
    ),
    "docs/tasks.md": Plan(worlds.tasks),
    "docs/weights.md": Plan(
        unable={
            "bdgan models pull biggan-deep-512": PULL,
            "bdgan models add biggan-512.pth --as biggan-512": no_weights("biggan-512"),
            "bdgan models add biggan-deep-512-pytorch_model.bin --as biggan-deep-512": no_weights("biggan-deep-512"),
        },
    ),
}  # fmt: skip
