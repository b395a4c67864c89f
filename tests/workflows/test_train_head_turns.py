"""The estimate before a training, and what is cut up to fit into memory."""

import json
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bdgan_cli.errors import UsageError
from bdgan_cli.heads.files import read_card
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.sample import SampleConfig, sample
from bdgan_cli.workflows.train_head import TrainHeadConfig, plan_train_head, train_head

STEPS = 4


class Recorder(Silent):
    """Keeps the notes; interrupts after a number of steps if asked to."""

    def __init__(self, stop_after=None):
        self.notes, self.stop_after, self.done = [], stop_after, 0

    def note(self, text):
        self.notes.append(text)

    @contextmanager
    def task(self, label, total, unit, done=0):
        self.done = done
        yield self

    def advance(self, amount=1, **figures):
        self.done += amount
        if self.done == self.stop_after:
            raise KeyboardInterrupt


@pytest.fixture(scope="module")
def annotated(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("annotated")
    config = SampleConfig(workspace=workspace, classes="0-1", per_class=2, labels="exact", classifier="none", batch=2)
    return sample(replace(config, shard_size=2)).folder


@pytest.fixture
def config(tmp_path, annotated):
    return TrainHeadConfig(dataset=annotated, workspace=tmp_path, members=2, steps=STEPS, batch=3, device="cpu")


def weights(result):
    return (result.folder / "weights.safetensors").read_bytes()


def estimates(report):
    return [note for note in report.notes if note.startswith("estimate: ")]


def test_the_estimate_comes_before_the_first_step_and_the_peak_after_the_last(config):
    report = Recorder()
    result = train_head(config, report)
    first, second = estimates(report)
    assert first == "estimate: 4 steps of 3 samples; 2 heads together; features kept"
    assert "GB beyond what is loaded, of" in second
    assert second.endswith(" s in all")
    assert report.notes[-1].startswith(f"peak memory {result.peak_memory_gb:.2f} GB, expected ")
    assert 0 < result.expected_memory_gb < 1.5 * result.peak_memory_gb
    assert "micro_batch" not in result.card.training


def test_the_plan_tells_the_same(config):
    plan = plan_train_head(config)
    assert (plan.micro_batch, plan.members_in_turn, plan.features_cached) == (3, 2, True)
    assert 0 < plan.memory_gb < plan.memory_allowed_gb
    assert plan.seconds >= STEPS * plan.seconds_per_step > 0
    json.dumps({key: str(value) for key, value in plan.figures.items()})


def test_little_memory_cuts_members_and_batch(config):
    whole = plan_train_head(config)
    report = Recorder()
    little = replace(config, memory_gb=0.6 * (whole.memory_gb - whole.feature_bytes / 1e9))
    result = train_head(little, report)
    assert "made again for every step" in estimates(report)[0] or "at a time" in estimates(report)[0]
    assert result.steps_made == STEPS


def test_a_batch_in_parts_is_told_and_recorded(config):
    report = Recorder()
    result = train_head(replace(config, micro_batch=2), report)
    assert "of 3 samples added up from 2 at a time (batch norm sees 2, not 3)" in estimates(report)[0]
    assert read_card(result.folder).training["micro_batch"] == 2
    assert weights(result) != weights(train_head(replace(config, name="whole")))


def test_no_memory_at_all_says_how_much_it_takes(config):
    for run in (plan_train_head, train_head):
        with pytest.raises(UsageError, match=r"training needs .* GB for 1 sample and one head at a time") as caught:
            run(replace(config, memory_gb=1e-4))
        assert "--memory-gb" in caught.value.hint
    assert not list((config.workspace / "heads").glob("*/*"))


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"memory_gb": 0.0}, "positive"), ({"micro_batch": 0}, "1 to 3"), ({"micro_batch": 4}, "1 to 3, the batch")],
)
def test_options_that_cannot_be_right(config, changes, message):
    with pytest.raises(UsageError, match=message):
        train_head(replace(config, **changes))


def test_who_goes_on_cuts_as_before(config):
    whole = train_head(replace(config, name="whole", micro_batch=2))
    with pytest.raises(KeyboardInterrupt):
        train_head(replace(config, micro_batch=2), Recorder(2))
    with pytest.raises(UsageError, match="with micro_batch 2, this one has 1"):
        train_head(replace(config, resume=True, micro_batch=1))
    assert plan_train_head(replace(config, resume=True)).micro_batch == 2
    report = Recorder()
    resumed = train_head(replace(config, resume=True), report)
    assert "added up from 2" in estimates(report)[0]
    assert weights(resumed) == weights(whole)
    again = train_head(replace(config, resume=True))
    assert again.steps_made == 0
    with pytest.raises(UsageError, match="with micro_batch 2, this one has 3"):
        train_head(replace(config, resume=True, micro_batch=3))


def test_dry_run_of_the_command(run_cli, config):
    words = ("train-head", config.dataset, "--workspace", config.workspace, "--members", 2, "--steps", 4, "--batch", 3)
    done = run_cli(*words, "--memory-gb", 2, "--micro-batch", 2, "--dry-run", "--json", "--device", "cpu")
    assert done.code == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["micro_batch"], told["memory_allowed_gb"]) == (2, 2.0)
    assert told["seconds"] > 0
    assert not list((config.workspace / "heads").glob("*/*"))
