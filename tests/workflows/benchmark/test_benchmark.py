"""``bdgan benchmark``, the workflow and the command: files, plans, options, and what is told of mistakes."""

from __future__ import annotations

import csv
import json
import subprocess
import sys
from dataclasses import replace

import pytest
import torch

from bdgan_cli import runs
from bdgan_cli.errors import MissingError, UsageError
from bdgan_cli.runtime import torch_threads
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.workflows.benchmark.benchmark import benchmark, plan_benchmark, sets_of
from bdgan_cli.workflows.benchmark.config import BenchmarkConfig, RecipeOptions, is_embedded, settle_recipe
from tests.conftest import cli_environment
from tests.workflows.benchmark.sets import SIZES, Notes, same_counts, samples, write

FILES = {"benchmark.json", "benchmark.csv", "labels.csv", "report.html"}
SMOKE = ("--preset", "tiny", "--size", 32, "--steps", 3, "--batch", 4, "--seeds", 1, "--threads", 1, "--device", "cpu")


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A workspace with a user's task and sets."""
    root = tmp_path_factory.mktemp("own")
    (root / "pets.toml").write_text('title = "Pets"\n[labels]\npuss = "cat"\nhound = "dog"\n')
    given = [("ours", "annotated", 6, 1), ("theirs", "sampled", 9, 2), ("photos", "real", 5, 3)]
    for name, kind, count, seed in given:
        write(runs.dataset_folder(root, name), samples(count, seed=seed), kind=kind)
    return root


@pytest.fixture
def bdgan(run_cli, own):
    def run(*args):
        return run_cli("benchmark", "--task", own / "pets.toml", "--workspace", own, *args)

    return run


def test_the_embedded_study_leaves_its_files(finished, tiny):
    folder = runs.benchmark_folder(tiny.workspace, "tiny")
    assert finished.folder == folder
    assert {path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")} >= FILES
    assert {path.name for path in (folder / "runs").iterdir()} == {"sup-s0", "on-s0"}
    told = json.loads((folder / "benchmark.json").read_text())
    assert [arm["name"] for arm in told["arms"]] == ["sup", "on"]
    assert [arm["samples"] for arm in told["arms"]] == [12 * SIZES.annotated, None]
    assert told["tests"]["real"]["pictures"] == 12 * SIZES.test
    for arm in told["arms"]:
        score = arm["tests"]["real"]
        assert score["mean_iou"] == finished.scores[arm["name"], "real"].mean
        assert list(score["by_label"]) == list(find_task("shapes-fgbg").label_names)
    assert told["paper"] == {"mean_iou": {}, "data": "the paper's own, not these"}
    with (folder / "benchmark.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["arm"], row["samples"], row["test"]) for row in rows] == [
        ("sup", "24", "real"),
        ("on", "fresh", "real"),
    ]
    assert float(rows[0]["mIoU"]) == pytest.approx(100 * finished.scores["sup", "real"].mean)
    assert len((folder / "labels.csv").read_text().splitlines()) == 1 + 2


@pytest.mark.slow
def test_the_embedded_study_goes_on_with_another_arm(finished, tiny):
    more = benchmark(replace(tiny, arms=("sup", "off-1k")))
    assert [record.arm.name for record in more.records] == ["sup", "off-1k"]
    assert same_counts(more.records[0].runs[0], finished.records[0].runs[0])


def test_sets_are_made_without_a_change_of_the_trainings_threads(tiny):
    """Sampling sets one thread for itself; the training goes on with its own number."""
    with torch_threads(1):
        benchmark(replace(tiny, threads=2, arms=("sup",)))
        assert torch.get_num_threads() == 2


@pytest.mark.slow
def test_several_processes_train_on_an_embedded_world_that_the_first_made(tmp_path):
    code = (
        "import sys; from pathlib import Path; from dataclasses import replace\n"
        "from bdgan_cli.workflows.benchmark.benchmark import benchmark\n"
        "from bdgan_cli.workflows.benchmark.config import BenchmarkConfig, RecipeOptions\n"
        "from tests.workflows.benchmark.sets import SIZES\n"
        "benchmark(BenchmarkConfig('shapes-fgbg', Path(sys.argv[1]), 'many', ('sup', 'off-1k', 'on'), seeds=1,\n"
        "    recipe=RecipeOptions(steps=4, batch=6), world=SIZES, threads=1, device='cpu'))\n"
    )
    script = tmp_path / "many.py"
    script.write_text(code)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "3", script, tmp_path]
    done = subprocess.run(command, env=cli_environment(), capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads((runs.benchmark_folder(tmp_path, "many") / "benchmark.json").read_text())
    assert [arm["samples"] for arm in told["arms"]] == [12 * SIZES.annotated, 12 * SIZES.small, None]


def test_own_sets_are_found_trained_on_and_told(bdgan, own):
    done = bdgan(*SMOKE, "--json")
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout)
    assert [(arm["name"], arm["samples"]) for arm in told["arms"]] == [("sup", 4), ("off", 6), ("both", 10)]
    assert told["recipe"]["steps"] == 3
    assert told["task"]["labels"] == ["background", "puss", "hound"]
    for kind, name in (("annotated", "ours"), ("sampled", "theirs"), ("real", "photos")):
        assert f"{kind} set: {own / 'datasets' / name} (the newest of the workspace)" in " ".join(done.stderr.split())
    assert json.loads((own / "benchmarks" / "pets" / "benchmark.json").read_text())["arms"] == told["arms"]


def test_the_table_shows_arms_and_where_the_page_is(bdgan, own):
    done = bdgan(*SMOKE, "--arms", "sup,off", "--quiet", "--name", "shown")
    assert done.code == 0, done.stderr
    assert "mIoU in percent: Pets" in done.stdout
    assert all(word in done.stdout for word in ("annotated set", "synthetic set", "± seeds", "95 % from"))
    page = own / "benchmarks" / "shown" / "report.html"
    assert str(page) in "".join(done.stdout.split("\n"))
    assert page.is_file()


def test_another_recipe_is_refused_and_overwrite_takes_it(bdgan):
    def run(*more):
        return bdgan(*SMOKE, "--arms", "sup", "--quiet", "--name", "changed", *more)

    assert run().code == 0
    refused = run("--lr", "0.2")
    assert refused.code == 2
    assert "recipe.learning_rate 0.1, this one has 0.2" in " ".join(refused.stderr.split())
    assert run("--lr", "0.2", "--overwrite").code == 0


def test_a_dry_run_tells_the_plan_and_writes_nothing(bdgan, own):
    before = sorted(own.rglob("*"))
    done = bdgan("--dry-run", "--json", "--seeds", 2, "--name", "planned", "--arms", "off,both")
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["task"], told["labels"], told["arms"], told["seeds"], told["runs"]) == (
        "pets", 3, ["off", "both"], [0, 1], 4,
    )  # fmt: skip
    assert (told["recipe"]["segmenter"], told["recipe"]["batch"], told["recipe"]["size_px"]) == (
        "deeplabv3-resnet50", 64, 224,
    )  # fmt: skip
    assert {name.rsplit("/", 1)[-1]: count for name, count in told["pictures"].items()} == {
        "ours": 4, "theirs": 6, "photos": 4,
    }  # fmt: skip
    assert told["folder"] == str(own / "benchmarks" / "planned")
    assert sorted(own.rglob("*")) == before
    assert "deeplabv3-resnet50" in bdgan("--dry-run").stdout


def test_a_dry_run_of_the_embedded_world_needs_nothing(run_cli, tmp_path):
    done = run_cli("benchmark", "--dry-run", "--json", "--workspace", tmp_path)
    told = json.loads(done.stdout)
    assert (told["task"], told["runs"], told["notes"]) == (
        "shapes-mc", 3 * len(told["arms"]), ["the embedded world makes its own sets"],
    )  # fmt: skip
    assert told["recipe"]["segmenter"] == "lraspp-tiny"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "code", "told", "hint"),
    [
        (["--task", "mc17"], 2, "unknown task 'mc17'", "mc16"),
        (["--task", "none.toml"], 2, "expected a task's file at none.toml", "bdgan data tasks"),
        (["--arms", "sup,of"], 2, "unknown arm 'of'", "off"),
        (["--arms", "sup,sup"], 2, "an arm is named twice", "name each once"),
        (["--segmenter", "deeplab"], 2, "unknown segmenter 'deeplab'", "deeplabv3-resnet50"),
        (["--preset", "papers"], 2, "unknown preset 'papers'", "paper"),
        (["--loss", "focl"], 2, "--loss 'focl': expected cross-entropy, focal", "focal"),
        (["--precision", "half"], 2, "--precision 'half': expected auto, float32, bfloat16", ""),
        (["--segmenter", "lraspp-tiny", "--init", "imagenet"], 2, "starts from random weights alone", "--init random"),
        (["--init", "nobody"], 4, "nobody", ""),
        (["--seeds", "0"], 2, "--seeds", ""),
        (["--steps", "0"], 2, "--epochs and --steps: expected at least 1", "--epochs 200"),
        (["--batch", "1"], 2, "--batch 1: expected at least 2", "--batch 64"),
        (["--size", "16"], 2, "--size 16: expected at least 32 pixels", "--size 224"),
        (["--lr", "0"], 2, "--lr 0.0: expected a positive number", "--lr 0.01"),
        (["--focal-gamma=-1"], 2, "--focal-gamma -1.0: expected at least 0", "--focal-gamma 2"),
        (["--focal-alpha", "1"], 2, "--focal-alpha 1.0: expected a number between 0 and 1", ""),
        (["--drop-uncertain", "1"], 2, "--drop-uncertain 1.0: expected at least 0 and below 1", ""),
        (["--arms", "on"], 2, "online sampling has no epochs", "--steps"),
        (["--annotated", "nowhere"], 4, "nowhere", ""),
        (["--task", "dog"], 2, "expected classes or labels of task dog", "bdgan data tasks dog"),
        (["--name", "../out"], 2, "../out", ""),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
@pytest.mark.parametrize("dry", [True, False], ids=["dry", "run"])
def test_what_is_wrong_is_told_with_the_next_command(run_cli, own, options, code, told, hint, dry):
    named = [] if "--task" in options else ["--task", own / "pets.toml"]
    before = {path for path in own.rglob("*") if not path.name.startswith(".")}
    done = run_cli(
        "benchmark", *named, "--workspace", own, "--name", "wrong", *options, *(["--dry-run"] if dry else [])
    )
    words = " ".join(done.stderr.split())
    assert done.code == code, done.stderr
    assert told in words
    assert hint in words
    assert "Traceback" not in words
    after = {path for path in own.rglob("*") if not path.name.startswith(".")}
    assert {path for path in after - before if path.is_file()} == set()


def test_a_device_that_is_not_here_is_told(bdgan):
    done = bdgan("--device", "tpu", "--name", "wrong")
    assert done.code == 2
    assert "unknown device 'tpu'" in done.stderr
    assert "--device auto" in done.stderr


def test_a_workspace_without_sets_says_how_to_get_them(run_cli, tmp_path):
    done = run_cli("benchmark", "--task", "mc16", "--workspace", tmp_path)
    assert done.code == 4
    assert "bdgan" in done.stderr


def test_help_names_arms_examples_and_subcommands(run_cli):
    done = run_cli("benchmark", "--help")
    assert done.code == 0
    for word in ("--arms", "--init", "off-1k", "wild-filtered", "torchrun", "truncation", "transfer"):
        assert word in done.stdout


@pytest.mark.parametrize(
    ("task", "options", "expected"),
    [
        ("dog", {}, {"loss": "cross-entropy", "segmenter": "deeplabv3-resnet50", "steps": None, "epochs": 200}),
        ("mc992", {}, {"loss": "focal", "focal_gamma": 2.0, "focal_alpha": None}),
        ("mc992", {"loss": "cross-entropy"}, {"loss": "cross-entropy"}),
        ("shapes-mc", {}, {"segmenter": "lraspp-tiny", "size_px": 64}),
        ("shapes-mc", {"epochs": 7}, {"steps": None, "epochs": 7}),
        ("shapes-mc", {"epochs": 7, "steps": 9}, {"steps": 9}),
        ("shapes-mc", {"preset": "paper"}, {"segmenter": "deeplabv3-resnet50", "size_px": 224}),
        ("dog", {"preset": "tiny", "batch": 8}, {"segmenter": "lraspp-tiny", "batch": 8}),
    ],
)
def test_presets_go_by_the_task_and_options_change_them(task, options, expected):
    recipe = settle_recipe(RecipeOptions(**options), find_task(task)).to_json()
    assert {name: recipe[name] for name in expected} == expected


def test_the_embedded_world_is_for_shapes_without_named_sets():
    assert is_embedded(BenchmarkConfig("shapes-mc"), find_task("shapes-mc"))
    assert not is_embedded(BenchmarkConfig("shapes-mc", test="here"), find_task("shapes-mc"))
    assert not is_embedded(BenchmarkConfig("dog"), find_task("dog"))


def test_arms_of_own_sets_leave_out_online_unless_it_is_named(own):
    config = BenchmarkConfig(str(own / "pets.toml"), own, drop_uncertain=0.3, online_seed=5, trunc=0.7)
    notes = Notes([])
    assert [arm.name for arm in sets_of(config, notes)] == ["sup", "off", "both"]
    assert len(notes.texts) == 4
    (online,) = sets_of(replace(config, arms=("on",)), notes)
    assert (online.sets, online.online.drop_uncertain) == ((), 0.3)
    assert (online.online.sampling.seed, online.online.sampling.draw.trunc) == (5, 0.7)
    named = sets_of(replace(config, arms=("both",), annotated="a@v", synthetic="b"), notes)
    assert named[0].sets == ("a@v", "b")


def test_published_sizes_that_differ_are_told(tmp_path):
    """The paper's dog task has a size of its own; four pictures are not that many."""
    from bdgan_cli.dataset.schema import ClassEntry
    from bdgan_cli.imagenet import imagenet_classes

    task = find_task("dog")
    entry = next(
        ClassEntry(place, c.wnid, c.name) for place, c in enumerate(imagenet_classes()) if c.wnid in task.labels
    )
    address = write(tmp_path / "dogs", samples(4, classes=(entry,)), classes=(entry,))
    plan = plan_benchmark(BenchmarkConfig("dog", tmp_path, arms=("sup",), annotated=address, test=address))
    assert len(plan.notes) >= 1
    assert str(task.published["train"]) in " ".join(plan.notes)


@pytest.mark.parametrize("changes", [{"seeds": 0}, {"drop_uncertain": -0.1}, {"drop_uncertain": float("nan")}])
def test_a_configuration_that_cannot_be_is_refused(changes):
    with pytest.raises(UsageError):
        BenchmarkConfig(**changes)


def test_a_backbone_that_is_not_there_is_told(own):
    with pytest.raises(MissingError) as caught:
        plan_benchmark(BenchmarkConfig(str(own / "pets.toml"), own, init="imagenet"))
    assert "bdgan models" in caught.value.hint
