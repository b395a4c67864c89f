"""One training and its tests: kept as files, read again, resumed to the same bits after SIGKILL at any place."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bdgan_cli import atomic
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.evaluation.trainer import SegmenterTrainer
from bdgan_cli.progress import Silent
from bdgan_cli.training.checkpoints import CHECKPOINT_FILE
from bdgan_cli.training.feeder import Feeder, FeedPlan
from bdgan_cli.training.order import Visit
from bdgan_cli.workflows.benchmark import run as run_module
from bdgan_cli.workflows.benchmark.parts import FittedSource, TrainingSource, open_part
from bdgan_cli.workflows.benchmark.run import COUNTS_FILE, RESULT_FILE, RunJob, read_record, run_once
from bdgan_cli.workflows.benchmark.testing import EXTREMES
from tests.conftest import cli_environment
from tests.workflows.benchmark.sets import PETS, SMALL, cpu, same_counts, samples, write

STEPS = 24
RECIPE = replace(SMALL, steps=STEPS)


def job(folder, sets, **changes):
    """A training on some cats and dogs, without a study around it."""
    train, test = (open_part(sets[name], PETS) for name in ("annotated", "real"))
    recipe, seed = changes.pop("recipe", RECIPE), changes.pop("seed", 0)
    source = TrainingSource([train], recipe, seed)

    def feed(first):
        return Feeder(source, FeedPlan(recipe.batch, recipe.steps, seed, first), cpu(), 0)

    identity = {"recipe": recipe.to_json(), "seed": seed}
    made = RunJob(
        "sup", folder, recipe, recipe.steps, PETS.labels_count, None, feed,
        {"real": FittedSource(test, recipe.size_px)}, seed, identity,
    )  # fmt: skip
    return replace(made, **changes)


@pytest.fixture(scope="module")
def done(tmp_path_factory, sets):
    made = job(tmp_path_factory.mktemp("run") / "sup-s0", sets)
    return made, run_once(made, cpu(), Silent())


@pytest.fixture
def never(monkeypatch):
    """From here on no step is made."""

    def advance(*_):
        raise AssertionError("a step was made")

    monkeypatch.setattr(SegmenterTrainer, "advance", advance)


def kill_here():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_at_call(owner, name, number):
    """Let a function kill its process at a call of that number, before it does anything."""
    original, calls = getattr(owner, name), 0

    def counting(*args, **keywords):
        nonlocal calls
        calls += 1
        if calls == number:
            kill_here()
        return original(*args, **keywords)

    setattr(owner, name, counting)


def in_a_child(folder, sets, prepare=lambda: None):
    """Run the job in a forked process; return the signal that ended it, 0 if none did."""
    child = os.fork()
    if child == 0:
        prepare()
        run_once(job(folder, sets), cpu(), Silent())
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert os.WIFSIGNALED(status) or os.WEXITSTATUS(status) == 0
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0


def die_and_go_on(folder, places):
    """Entry of a process of its own, which has loaded torch and made no step: it can be forked."""
    import torch.utils.tensorboard.writer  # noqa: F401  (once, not in every child)

    root = Path(folder)
    given = {
        name: write(root / name, samples(count, seed=seed), kind=kind)
        for name, count, seed, kind in [("annotated", 9, 1, "annotated"), ("real", 7, 3, "real")]
    }
    for place, number in places:
        owner, name = {
            "step": (SegmenterTrainer, "advance"),
            "state": (SegmenterTrainer, "state"),
            "file": (atomic, "put_in_place"),
            "result": (run_module, "_write_record"),
        }[place]

        def prepare(owner=owner, name=name, number=number):
            kill_at_call(owner, name, number)

        assert in_a_child(root / "killed", given, prepare) == signal.SIGKILL, place
    assert in_a_child(root / "killed", given) == 0
    assert in_a_child(root / "whole", given) == 0


def killed(folder, places):
    code = "import json, sys; from tests.workflows.benchmark.test_run import die_and_go_on; "
    code += "die_and_go_on(sys.argv[1], json.loads(sys.argv[2]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder), json.dumps(places)],
        env=cli_environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    counts = [np.load(folder / name / COUNTS_FILE) for name in ("killed", "whole")]
    assert sorted(counts[0].files) == sorted(counts[1].files)
    for name in counts[0].files:
        assert np.array_equal(counts[0][name], counts[1][name]), name
    # A network that says the same everywhere would hide a difference.
    assert (counts[0]["0.predicted_NK"].sum(0) > 0).sum() >= 2
    assert sorted(path.name for path in (folder / "killed").iterdir()) == sorted(
        path.name for path in (folder / "whole").iterdir()
    )


def test_a_run_killed_at_random_places_gives_the_same_counts_bit_for_bit(tmp_path):
    rng = random.Random(str(tmp_path))  # other places in every run of the tests
    places = [("step", rng.randint(2, 9)), ("file", rng.randint(1, 2)), ("result", 1)]
    killed(tmp_path, places)


@pytest.mark.slow
def test_a_run_killed_at_every_place_gives_the_same_counts_bit_for_bit(tmp_path):
    places = [
        *(("step", number) for number in (1, 2, 3, 4, 5)),
        *(("state", number) for number in (1, 2, 1)),
        *(("file", number) for number in (1, 2, 1)),
        *(("result", 1), ("result", 1)),
    ]  # fmt: skip
    killed(tmp_path, places)


def test_a_finished_run_is_read_and_not_made_again(done, never):
    made, record = done
    again = run_once(made, cpu(), Silent())
    assert same_counts(record, again)
    assert dict(again.figures) == dict(record.figures)
    assert np.array_equal(record.tested["real"].rows_E, again.tested["real"].rows_E)
    assert np.array_equal(record.tested["real"].predictions_EHW, again.tested["real"].predictions_EHW)


def test_a_run_leaves_its_figures_and_no_checkpoint(done):
    made, record = done
    assert {path.name for path in made.folder.iterdir()} >= {RESULT_FILE, COUNTS_FILE}
    assert not (made.folder / CHECKPOINT_FILE).exists()
    told = json.loads((made.folder / RESULT_FILE).read_text())
    assert told["identity"] == {"recipe": RECIPE.to_json(), "seed": 0}
    assert told["tests"]["real"]["mean_iou"] == record.tested["real"].counts.mean_iou()
    figures = told["figures"]
    assert figures["steps"] == STEPS
    assert figures["samples_seen"] == STEPS * 4
    assert 0 <= figures["waiting_share"] <= 1
    assert min(figures["loss"], figures["images_per_second"], figures["training_seconds"]) > 0


def test_the_same_job_gives_the_same_counts_and_another_seed_others(done, tmp_path, sets):
    _, record = done
    assert same_counts(record, run_once(job(tmp_path / "a", sets), cpu(), Silent()))
    assert not same_counts(record, run_once(job(tmp_path / "b", sets, seed=1), cpu(), Silent()))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"recipe": replace(RECIPE, learning_rate=0.2)}, "recipe.learning_rate 0.1, this one has 0.2"),
        ({"recipe": replace(RECIPE, loss="focal")}, "recipe.loss 'cross-entropy', this one has 'focal'"),
        ({"seed": 4}, "seed 0, this one has 4"),
    ],
)
def test_another_run_in_the_same_folder_is_refused_with_the_difference(done, sets, never, changes, told):
    with pytest.raises(UsageError) as caught:
        run_once(job(done[0].folder, sets, **changes), cpu(), Silent())
    assert told in caught.value.message
    assert "--overwrite" in caught.value.hint


def test_a_checkpoint_of_another_run_is_refused(tmp_path, sets, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(run_module, "measure", lambda *_: 1 / 0)  # stop behind the training
        with pytest.raises(ZeroDivisionError):
            run_once(job(tmp_path, sets, recipe=replace(RECIPE, steps=3)), cpu(), Silent())
    assert (tmp_path / CHECKPOINT_FILE).is_file()
    with pytest.raises(UsageError, match=r"recipe\.batch 4, this one has 2"):
        run_once(job(tmp_path, sets, recipe=replace(RECIPE, steps=3, batch=2)), cpu(), Silent())


@pytest.mark.parametrize(
    ("file", "spoil"),
    [
        (RESULT_FILE, lambda data: data[: len(data) // 2]),
        (RESULT_FILE, lambda data: b"{}"),
        (RESULT_FILE, lambda data: b"[]"),
        (RESULT_FILE, lambda data: b"\xff\xfe"),
        (COUNTS_FILE, lambda data: data[: len(data) // 2]),
        (COUNTS_FILE, lambda data: b""),
        (COUNTS_FILE, lambda data: b"nothing of numpy's"),
        (COUNTS_FILE, lambda data: data[:60] + bytes(40) + data[100:]),
        (COUNTS_FILE, None),
    ],
    ids=["cut", "empty object", "list", "no text", "cut counts", "empty", "other file", "bytes changed", "missing"],
)
def test_damage_is_told_and_never_taken(tmp_path, done, file, spoil):
    made, _ = done
    for name in (RESULT_FILE, COUNTS_FILE):
        (tmp_path / name).write_bytes((made.folder / name).read_bytes())
    path = tmp_path / file
    if spoil is None:
        path.unlink()
    else:
        path.write_bytes(spoil(path.read_bytes()))
    with pytest.raises(DataError, match=r"result\.json is damaged") as caught:
        read_record(replace(made, folder=tmp_path))
    assert "--overwrite" in caught.value.hint


def test_worst_and_best_pictures_are_kept_as_predicted(done):
    made, record = done
    tested = record.tested["real"]
    iou = tested.counts.mean_iou_by_picture()
    assert len(tested.rows_E) == len(set(tested.rows_E.tolist())) == min(2 * EXTREMES, len(iou) // 2 * 2)
    half = len(tested.rows_E) // 2
    assert tested.rows_E[0] == np.argmin(iou)
    assert iou[tested.rows_E[:half]].max() <= iou[tested.rows_E[half:]].min()
    source = made.tests["real"]
    for row, predicted in zip(tested.rows_E, tested.predictions_EHW, strict=True):
        truth = source.load(Visit(0, int(row)))[1].numpy()
        judged = truth >= 0
        for label in range(PETS.labels_count):
            assert tested.counts.common_NK[row, label] == ((predicted == label) & (truth == label))[judged].sum()
