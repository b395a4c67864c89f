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
        people: What people do in another program, at its command or before one of ours.
        unable: Commands that end otherwise here.
        stand_ins: Whether small generators stand in for those whose weights cannot be had.
    """

    prepare: Callable[[], None] = lambda: None
    smaller: Mapping[str, str] = {}
    people: Mapping[str, Callable[[], None]] = {}
    unable: Mapping[str, Unable] = {}
    stand_ins: bool = False


def no_weights(name: str) -> Unable:
    """Return how a command ends whose weights are not installed: with the line that fetches them."""
    return Unable("hundreds of megabytes of weights", 4, f"bdgan models pull {name}")


def added(options: str, *words: str) -> dict[str, str]:
    """Return words that get options behind them; of an option given twice the last one counts."""
    return {word: word + options for word in words}


HEAD = " --members 2 --steps 2"
FEW = " --seeds 1 --steps 2 --batch 2 --threads 1"
FEW_OF_32 = " --size 32" + FEW
FEW_VIEWS = " --epochs 1 --batch 4 --norm-group 4 --queue 8"

PULL = Unable("a download", typed="bdgan models pull biggan-deep-512 --dry-run")
PULL_ALL = Unable("a download", typed="bdgan models pull biggan-512 vqgan inception-fid resnet50-imagenet --dry-run")
DEMO = {"bdgan demo": Unable("a minute; the tour runs it small", typed="bdgan demo --help")}

# Pages whose commands are not run from here.
ELSEWHERE = {
    "docs/cli.md": "examples of every command, parsed by test_shown.py; pages show and run the same",
    "docs/plugins.md": "tests/plugins/test_example.py, which installs the example first",
}

# What of the front page takes more than a second or two: it is run with the slow tests.
LATER = ("bdgan benchmark --task", "bdgan pretrain", "bdgan analyze report")

README = Plan(
    worlds.readme,
    {
        **added(HEAD, "train-head --gen tiny-biggan"),
        "--classes all --per-class 100 --trunc 0.9 --seed 0": "--classes all --per-class 4 --trunc 0.9 --seed 0",
        "DATASET DATASET": "datasets/tiny-biggan-sim datasets/tiny-biggan-annotated",
        "DATASET": "datasets/tiny-biggan-sim@filtered",
        "import FORMAT SOURCE": "import voc VOC2012",
        "OUT --to FORMAT": "OUT --to coco",
        **added(" --arms sup" + FEW, "--task shapes-mc"),
        **added(" --name NAME --arch resnet18" + FEW_VIEWS, "contrastive PICTURES"),
    },
    unable={
        **DEMO,
        "bdgan models pull biggan-deep-512": PULL,
        "bdgan models add biggan-512.pth --as biggan-512": no_weights("biggan-512"),
        "bdgan annotate plan --gen biggan --per-class 5": no_weights("biggan-deep-512"),
        "bdgan benchmark truncation --task dog": no_weights("inception-fid"),
        "bdgan train-head --gen biggan": no_weights("biggan-512"),
        "bdgan sample --gen biggan --classes all --trunc 0.9": no_weights("biggan-deep-512"),
        "bdgan train-head --gen vqgan": no_weights("vqgan"),
        "bdgan sample --gen vqgan --top-k 600 --top-p 0.92": no_weights("vqgan"),
    },
)

ROUND = "annotations/{0}/work --labels annotations/{0}/work/labels.txt --nodata"
ANNOTATING = Plan(
    smaller={
        **added(" --per-class 2", "--per-class 5 --for labelme"),
        **added(" --per-class 1", "--per-class 5 --name second-round", "--for labelstudio --name third-round"),
        **added(HEAD, "train-head datasets/tiny-biggan-by-hand", "train-head datasets/both-rounds"),
    },
    people={
        **{
            "labelme " + ROUND.format(name): partial(worlds.draw_with_labelme, f"annotations/{name}")
            for name in ("tiny-biggan-by-hand", "second-round")
        },
        "bdgan annotate collect annotations/third-round project-7.json": partial(
            worlds.draw_with_label_studio, "annotations/third-round", "project-7.json"
        ),
    },
)

BENCHMARK = Plan(
    worlds.benchmarking,
    {
        **added(FEW, "--task shapes-mc --arms sup,off-1k,off-10k,both", "off-10k,unfiltered,one-head,on,rejection"),
        **added(" --values 0.9 --samples 24" + FEW, "--task shapes-fgbg --threads 1"),
        **added(FEW, "--arms sup,off-1k --seeds 1 --threads 1"),
        **added(" --arms sup" + FEW, "--task shapes-mc"),
        **added(FEW_OF_32, "--arms sup", "--transfer-test D"),
        "--init imagenet": FEW_OF_32,
    },
    unable={"bdgan benchmark truncation --task dog --test C": no_weights("inception-fid")},
)

PAPER = Plan(
    worlds.paper,
    {
        **added(" --classes 151,281,407 --per-class 4", "--per-class 100 --trunc 0.9", "--top-k 600 --top-p 0.92"),
        **added(HEAD, "--name biggan-official", "--arch vqgan", "--gen biggan --dry-run"),
        "--init imagenet": FEW_OF_32,
        **added(" --values 0.9 --samples 12", "truncation --task dog"),
        **added(" --arch resnet18" + FEW_VIEWS, "--name stage1"),
        **added(" --arch resnet18 --labelled-batch 4" + FEW_VIEWS, "--name stage2"),
    },
    unable={
        "bdgan models pull biggan-512 vqgan inception-fid resnet50-imagenet": PULL_ALL,
        "bdgan train-head --gen biggan": Unable("minutes", typed="bdgan train-head --gen biggan" + HEAD),
    },
    stand_ins=True,
)

PAGES_TO_RUN: dict[str, Plan] = {
    "README.md": README,
    "docs/analysis.md": Plan(worlds.analysing),
    "docs/analysis-figures.md": Plan(worlds.analysing),
    "docs/analysis-quality.md": Plan(
        worlds.analysing,
        unable={
            "bdgan analyze quality datasets/a --reference datasets/real --samples 10000 "
            "--features inception-fid --json": no_weights("inception-fid"),
        },
    ),
    "docs/annotating.md": ANNOTATING,
    "docs/benchmark.md": BENCHMARK,
    "docs/dataset-format.md": Plan(partial(worlds.pets, "my-dataset", views=("clean",))),
    "docs/exporting.md": Plan(worlds.exporting),
    "docs/importing.md": Plan(worlds.importing, unable={"bdgan train-head --gen biggan-512": no_weights("biggan-512")}),
    "docs/index.md": Plan(
        smaller={**added(HEAD, "train-head"), **added(" --per-class 4", "--per-class 100")}, unable=DEMO
    ),
    "docs/paper.md": PAPER,
    "docs/pretraining.md": Plan(
        worlds.pretraining,
        {
            **added(FEW_VIEWS, "--name stage1"),
            **added(" --labelled-batch 4" + FEW_VIEWS, "--name stage2"),
            **added(" --workers 1" + FEW_VIEWS, "--precision bfloat16 --workers 8"),
        },
    ),
    "docs/scale.md": Plan(
        worlds.parts,
        unable={
            "torchrun --standalone --nproc-per-node 8 -m bdgan_cli sample --gen biggan-512 --classes all": no_weights(
                "biggan-512"
            ),
            "bdgan sample --gen biggan-512 --classes 0-49 --per-class 10000 --name part-0": no_weights("biggan-512"),
            "bdgan sample --gen biggan-512 --classes 50-99 --per-class 10000 --name part-1": no_weights("biggan-512"),
        },
    ),
    "docs/tasks.md": Plan(worlds.tasks),
    "docs/tour.md": Plan(
        smaller={
            **added(" --annotated 2 --per-class 4 --members 2", "bdgan demo"),
            **added(HEAD, "train-head"),
            **added(" --per-class 4", "--per-class 100"),
            **added(FEW, "--arms sup,off-1k --seeds 1"),
        },
    ),
    "docs/weights.md": Plan(
        unable={
            "bdgan models pull biggan-deep-512": PULL,
            "bdgan models add biggan-512.pth --as biggan-512": no_weights("biggan-512"),
            "bdgan models add biggan-deep-512-pytorch_model.bin --as biggan-deep-512": no_weights("biggan-deep-512"),
        },
    ),
}
