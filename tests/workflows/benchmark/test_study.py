"""Studies: what is finished is not made again, what is added is, and another study is refused with the difference."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from bdgan_cli.atomic import folder_lock
from bdgan_cli.errors import BdganError, DataError, UsageError
from bdgan_cli.evaluation.trainer import SegmenterTrainer
from bdgan_cli.progress import Silent
from bdgan_cli.tasks.task_file import parse_task
from bdgan_cli.workflows.benchmark import run as run_module
from bdgan_cli.workflows.benchmark.arms import Arm, arms_named
from bdgan_cli.workflows.benchmark.parts import open_part
from bdgan_cli.workflows.benchmark.result import StudyResult
from bdgan_cli.workflows.benchmark.study import RUNS, run_study
from tests.workflows.benchmark.sets import CARS, CATS, DOGS, PETS, SMALL, cpu, same_counts, samples, study, write


@pytest.fixture(scope="module")
def arms(sets):
    return {
        name: Arm(name, f"arm {name}", (sets[kind],)) for name, kind in (("sup", "annotated"), ("off", "synthetic"))
    }


@pytest.fixture(scope="module")
def base(tmp_path_factory, arms, sets):
    """A finished study of one arm and one seed."""
    planned = study(tmp_path_factory.mktemp("study"), [arms["sup"]], sets["real"])
    return planned, run_study(planned, cpu(), Silent(), workers=0)[0]


@pytest.fixture
def trained(monkeypatch):
    """The labels of the trainings that were begun."""
    labels, original = [], run_module._train

    def train(job, *rest):
        labels.append(job.label)
        return original(job, *rest)

    monkeypatch.setattr(run_module, "_train", train)
    return labels


def again(planned, **changes):
    return run_study(replace(planned, **changes), cpu(), Silent(), workers=0)[0]


def test_a_finished_study_starts_nothing_again(base, trained):
    planned, (record,) = base
    (same,) = again(planned)
    assert trained == []
    assert same_counts(record.runs[0], same.runs[0])
    assert (same.samples, same.leaks) == (record.samples, record.leaks)


def test_a_seed_and_an_arm_that_are_added_are_all_that_runs(base, arms, trained):
    planned, (record,) = base
    records = again(planned, seeds=(0, 1))
    assert trained == ["sup, seed 1"]
    assert same_counts(records[0].runs[0], record.runs[0])
    records = again(planned, seeds=(0, 1), arms=(arms["sup"], arms["off"]))
    assert trained == ["sup, seed 1", "off, seed 0", "off, seed 1"]
    assert [len(record.runs) for record in records] == [2, 2]
    assert sorted(path.name for path in (planned.folder / RUNS).iterdir()) == ["off-s0", "off-s1", "sup-s0", "sup-s1"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"recipe": replace(SMALL, batch=2)}, "recipe.batch 4, this one has 2"),
        ({"recipe": replace(SMALL, steps=4)}, "recipe.steps 3, this one has 4"),
        ({"recipe": replace(SMALL, size_px=64)}, "recipe.size_px 32, this one has 64"),
        (
            {"task": parse_task('[labels]\nhound = "dog"\npuss = "cat"', "pets", "p.toml")},
            "labels_of_task.1 'puss', this one has 'hound'",
        ),
        (
            {"task": parse_task('[labels]\npuss = "cat"\nhound = "dog, car"', "pets", "p.toml")},
            "sets.0.labels.classes.8 None, this one has 2",
        ),
    ],
    ids=["batch", "steps", "size", "order of labels", "class added"],
)
def test_another_study_in_the_folder_is_refused_with_the_difference(base, trained, changes, told):
    with pytest.raises(UsageError) as caught:
        again(base[0], **changes)
    assert told in caught.value.message
    assert str(base[0].folder) in caught.value.message
    assert "--overwrite" in caught.value.hint
    assert trained == []


@pytest.mark.parametrize("which", ["train", "test"])
def test_other_data_under_the_same_name_are_refused(tmp_path, which, trained):
    given = {"train": samples(6, seed=1), "test": samples(4, seed=3)}
    addresses = {name: write(tmp_path / name, content) for name, content in given.items()}
    planned = study(tmp_path / "study", [Arm("sup", "", (addresses["train"],))], addresses["test"])
    run_study(planned, cpu(), Silent(), workers=0)
    other = write(tmp_path / "other", samples(6, seed=8))
    changes = {"train": {"arms": (Arm("sup", "", (other,)),)}, "test": {"tests": {"real": other}}}[which]
    with pytest.raises(UsageError, match="sets" if which == "train" else "tests.real.sha256"):
        again(planned, **changes)
    assert len(trained) == 1


def test_overwrite_starts_anew(tmp_path, base, trained, sets):
    planned = replace(base[0], folder=tmp_path)
    (first,) = again(planned)
    (tmp_path / "notes.txt").write_text("the user's own")
    records, _ = run_study(
        replace(planned, recipe=replace(SMALL, batch=2)), cpu(), Silent(), workers=0, overwrite=True
    )  # fmt: skip
    assert trained == ["sup, seed 0"] * 2
    assert first.runs[0].figures["samples_seen"] == 12
    assert records[0].runs[0].figures["samples_seen"] == 6
    assert (tmp_path / "notes.txt").is_file()


def test_two_studies_never_work_in_one_folder(base, trained):
    with folder_lock(base[0].folder), pytest.raises(BdganError, match="another process is writing to"):
        again(base[0], seeds=(0, 7))
    assert trained == []
    again(base[0])  # and the lock is free again


def test_steps_go_by_epochs_where_none_are_given(tmp_path, base, sets):
    (record,) = again(base[0], folder=tmp_path, recipe=replace(SMALL, steps=None, epochs=3))
    samples_of_task = len(open_part(sets["annotated"], PETS))
    assert record.samples == samples_of_task == 6
    assert record.runs[0].figures["steps"] == -(-3 * samples_of_task // SMALL.batch)


def test_loaders_give_what_no_loader_gives(tmp_path, base):
    planned, (record,) = base
    ((other,), _) = run_study(replace(planned, folder=tmp_path), cpu(), Silent(), workers=2)
    assert same_counts(record.runs[0], other.runs[0])
    assert other.runs[0].figures["loss"] == record.runs[0].figures["loss"]


def test_all_arms_and_seeds_are_tested_on_every_test_set(tmp_path, base, sets, arms):
    tests = {"real": sets["real"], "other": write(tmp_path / "other", samples(5, seed=11))}
    planned = replace(base[0], folder=tmp_path / "study", tests=tests, seeds=(0, 1))
    records, opened = run_study(planned, cpu(), Silent(), workers=0)
    assert [len(part) for part in opened.values()] == [5, 4]
    result = StudyResult(planned, tuple(records), opened, (), {"sup": 0.5})
    assert set(result.scores) == {("sup", "real"), ("sup", "other")}
    for run in records[0].runs:
        for name, part in opened.items():
            assert len(run.tested[name].counts.common_NK) == len(part)
    assert set(records[0].leaks) == set(tests)


def test_results_are_means_over_seeds_of_what_the_runs_counted(tmp_path, base):
    planned = replace(base[0], folder=tmp_path, seeds=(0, 1, 2))
    records, opened = run_study(planned, cpu(), Silent(), workers=0)
    result = StudyResult(planned, tuple(records), opened, ("a note",), {"sup": 0.587})
    score = result.scores["sup", "real"]
    each = [run.tested["real"].counts.mean_iou() for run in records[0].runs]
    assert score.by_seed == tuple(each)
    assert score.mean == pytest.approx(sum(each) / 3)
    assert score.spread == pytest.approx(np.std(each) * np.sqrt(3 / 2))
    assert score.interval[0] <= score.mean <= score.interval[1]
    columns, rows = result.table()
    told = dict(zip(columns, rows[0], strict=True))
    assert told["mIoU"] == pytest.approx(100 * score.mean)
    assert told["paper's"] == pytest.approx(58.7)
    assert told["samples"] == 6
    confusion = result.confusion("sup", "real")
    assert confusion.sum() == 3 * records[0].runs[0].tested["real"].counts.masked_NK.sum()
    shares = result.confusions("sup", "real")
    assert all(label != taken and 0 < share <= 1 for label, taken, share in shares)
    json.dumps(result.to_json())


def test_a_study_goes_on_behind_an_interrupted_run(tmp_path, base, arms, monkeypatch, trained):
    planned = replace(base[0], folder=tmp_path, arms=tuple(arms.values()))
    whole = again(replace(planned, folder=tmp_path / "whole"))
    advance = SegmenterTrainer.advance

    def stop_in_the_second(self, batches):
        figures = advance(self, batches)
        if trained[-1].startswith("off") and self.step == 2:
            raise KeyboardInterrupt
        return figures

    with monkeypatch.context() as patch:
        patch.setattr(SegmenterTrainer, "advance", stop_in_the_second)
        with pytest.raises(KeyboardInterrupt):
            again(planned)
    del trained[:]
    records = again(planned)
    assert trained == ["off, seed 0"]
    assert all(same_counts(a.runs[0], b.runs[0]) for a, b in zip(whole, records, strict=True))


def test_a_diverging_training_is_told_and_can_be_started_again_with_another_rate(tmp_path, base):
    wild = replace(SMALL, steps=40, learning_rate=1e9)
    with pytest.raises(BdganError, match="training diverged") as caught:
        again(base[0], folder=tmp_path, recipe=wild)
    assert caught.value.hint == "lower it: --lr 0.001"


def test_a_training_set_of_test_pictures_is_refused(tmp_path, base, sets, trained):
    with pytest.raises(DataError, match="are in the test set"):
        again(base[0], folder=tmp_path, arms=(Arm("sup", "", (sets["real"],)),))
    assert trained == []


def test_arms_are_chosen_by_name():
    known = {"sup": 1, "off": 2, "both": 3}
    assert arms_named((), known) == ["sup", "off", "both"]
    assert arms_named(("both", "sup"), known) == ["both", "sup"]
    with pytest.raises(UsageError, match="unknown arm 'of'") as caught:
        arms_named(("of",), known)
    assert "off" in caught.value.hint
    with pytest.raises(UsageError, match="an arm is named twice: sup, sup"):
        arms_named(("sup", "sup"), known)


def test_a_run_depends_on_the_classes_its_test_set_takes(tmp_path, sets):
    """Cars are in the test set alone: a task that takes them has other tests, whatever the training set says."""
    train = write(tmp_path / "train", samples(6, classes=(CATS, DOGS), seed=1), classes=(CATS, DOGS))
    test = write(tmp_path / "test", samples(6, seed=3, classes=(CATS, DOGS, CARS)))
    wider = parse_task('[labels]\npuss = "cat"\nhound = "dog, car"', "pets", "pets.toml")
    planned = study(tmp_path / "study", [Arm("sup", "", (train,))], test)
    run_study(planned, cpu(), Silent(), workers=0)
    with pytest.raises(UsageError, match=r"tests\.real"):
        again(planned, task=wider)
