"""Online sampling: a stream that any step can start from, filtered, balanced, and of no test set."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch

from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.evaluation.recipe import Recipe
from bdgan_cli.evaluation.views import IGNORED
from bdgan_cli.progress import Silent
from bdgan_cli.runtime import torch_threads
from bdgan_cli.tasks.label_map import LabelMap
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.training.feeder import FeedPlan
from bdgan_cli.workflows.benchmark.arms import Arm, Online
from bdgan_cli.workflows.benchmark.online import OnlineFeeder
from bdgan_cli.workflows.benchmark.study import run_study
from bdgan_cli.workflows.sample import SampleConfig, sample
from bdgan_cli.workflows.sampler import open_sampler
from tests.helpers import save_random_head
from tests.workflows.benchmark.sets import cpu, study

RECIPE = Recipe("lraspp-tiny", size_px=64, batch=6, steps=8, scale=(1.0, 1.0))
CLASSES = (0, 4, 7)
TASK = find_task("shapes-mc")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory):
    root = tmp_path_factory.mktemp("online")
    save_random_head(root)
    return root


@pytest.fixture(scope="module")
def sampler(workspace):
    config = SampleConfig(workspace=workspace, classes="0,4,7", seed=2, batch=5, shard_size=5, classifier="none")
    return open_sampler(config, cpu(), Silent())


@pytest.fixture(scope="module")
def whole(sampler):
    """The stream from its beginning."""
    return list(feeder(sampler))


class Remembering:
    """A labeller that remembers what it made."""

    def __init__(self, labeller):
        self._labeller, self.plan, self.blocks, self.samples = labeller, labeller.plan, [], []

    def make(self, batch):
        made = self._labeller.make(batch)
        self.blocks.append(batch)
        self.samples.append(made)
        return made


def feeder(sampler, *, first=0, steps=8, drop=0.2, seed=0, runtime=None, labeller=None, recipe=RECIPE):
    labels = LabelMap.bind(TASK, sampler.info)
    plan = FeedPlan(recipe.batch, steps, seed, first)
    return OnlineFeeder(labeller or sampler.labeller, labels, drop, recipe, plan, runtime or cpu())


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def picture_set(batches):
    """The pictures of some batches, flipped or not."""
    return Counter(
        min(picture.numpy().tobytes(), picture.flip(2).numpy().tobytes())
        for pictures, _ in batches
        for picture in pictures
    )


def test_batches_are_what_a_segmenter_takes(whole):
    assert len(whole) == 8
    for pictures, labels in whole:
        assert (pictures.shape, pictures.dtype) == ((6, 3, 64, 64), torch.uint8)
        assert (labels.shape, labels.dtype) == ((6, 64, 64), torch.int16)
        assert set(labels.unique().tolist()) <= {IGNORED, *range(TASK.labels_count)}


@pytest.mark.parametrize("first", [1, 3, 7])
def test_the_stream_does_not_depend_on_where_it_starts(sampler, whole, first):
    rest = list(feeder(sampler, first=first))
    assert len(rest) == 8 - first
    assert all(same(a, b) for a, b in zip(whole[first:], rest, strict=True))
    assert not same(whole[0], whole[1])


@pytest.mark.parametrize("threads", [1, 2])
def test_the_stream_does_not_depend_on_the_threads_that_train(sampler, whole, threads):
    with torch_threads(threads):
        again = list(feeder(sampler))
        assert torch.get_num_threads() == threads
    assert all(same(a, b) for a, b in zip(whole, again, strict=True))


def test_another_seed_of_the_training_is_another_order_and_another_plan_another_stream(sampler, whole):
    assert not same(whole[0], next(iter(feeder(sampler, seed=1))))
    other = open_sampler(replace(sampler.config, seed=3), cpu(), Silent())
    # No picture of one stream is in the other.
    assert not picture_set(whole) & picture_set(feeder(other, steps=4))


def test_no_sample_comes_twice(whole):
    assert max(picture_set(whole).values()) == 1


@pytest.mark.parametrize(("drop", "kept"), [(0.0, 5), (0.2, 4), (0.5, 2)])  # floor(n * share + 0.5) go
def test_the_filter_leaves_out_the_most_uncertain_share_of_each_block(sampler, drop, kept):
    labeller = Remembering(sampler.labeller)
    # As many steps as empty two rounds: a round keeps so many samples of each of three classes.
    seen = picture_set(feeder(sampler, drop=drop, steps=kept, labeller=labeller))
    expected = Counter()
    for made in labeller.samples[:6]:
        certain = sorted(made, key=lambda sample: sample.scores["uncertainty"])[:kept]
        expected += picture_set([([torch.from_numpy(sample.image.transpose(2, 0, 1)) for sample in certain], None)])
    assert seen == expected
    assert sum(seen.values()) == 6 * kept


def test_classes_are_balanced_and_every_block_is_new(sampler):
    labeller = Remembering(sampler.labeller)
    list(feeder(sampler, labeller=labeller, steps=10))
    counts = Counter(block.class_id for block in labeller.blocks)
    assert set(counts) == set(CLASSES)
    assert max(counts.values()) - min(counts.values()) <= 1
    blocks = [(block.class_id, block.candidates.start) for block in labeller.blocks]
    assert len(set(blocks)) == len(blocks)


def test_labels_are_those_of_the_class(sampler, whole):
    labels = LabelMap.bind(TASK, sampler.info)
    wanted = {labels.class_labels[class_id] for class_id in CLASSES}
    found = {label for _, masks in whole for label in masks.unique().tolist()} - {IGNORED, 0}
    assert found == wanted


def test_several_processes_make_parts_of_the_batch_that_share_nothing(sampler, whole):
    streams = [list(feeder(sampler, runtime=cpu(rank, 2), steps=4)) for rank in (0, 1)]
    assert all(pictures.shape[0] == 3 for stream in streams for pictures, _ in stream)
    assert not picture_set(streams[0]) & picture_set(streams[1])
    again = list(feeder(sampler, runtime=cpu(1, 2), steps=4, first=2))
    assert all(same(a, b) for a, b in zip(streams[1][2:], again, strict=True))
    # Together they see what one process sees, round by round: 12 kept samples each.
    assert picture_set(whole[:4]) == picture_set([*streams[0], *streams[1]])


def test_a_batch_that_processes_cannot_share_is_refused(sampler):
    with pytest.raises(UsageError, match="batch 6 cannot be divided among 4 processes"):
        next(iter(feeder(sampler, runtime=cpu(0, 4))))


def test_a_filter_that_leaves_nothing_is_an_error(sampler):
    with pytest.raises(DataError, match="leaving out 95% of blocks of 5 leaves nothing"):
        next(iter(feeder(sampler, drop=0.95)))


def test_a_feed_that_is_closed_early_ends_its_threads(sampler):
    batches = iter(feeder(sampler, steps=1000))
    next(batches)
    batches.close()
    with pytest.raises(StopIteration):
        next(batches)


def test_waiting_is_a_share(sampler):
    fed = feeder(sampler, steps=4)
    assert fed.waiting_share == 0
    list(fed)
    assert 0.5 < fed.waiting_share <= 1  # nobody computes anything in between


def test_a_test_set_from_the_very_stream_is_refused_and_one_of_another_is_not(workspace, tmp_path):
    config = SampleConfig(
        workspace=workspace, classes="0,4", per_class=4, batch=2, shard_size=2, labels="exact", classifier="none"
    )  # fmt: skip
    tests = {seed: str(sample(replace(config, seed=seed, name=f"test-{seed}")).folder) for seed in (2, 9)}
    online = Online(SampleConfig(workspace=workspace, classes="0,4", seed=2, batch=5, classifier="none"))
    recipe = replace(RECIPE, steps=2)

    def run(seed, folder):
        planned = study(tmp_path / folder, [Arm("on", "", online=online)], tests[seed], recipe=recipe, task=TASK)
        return run_study(planned, cpu(), Silent())[0]

    with pytest.raises(UsageError, match="test set real holds samples of tiny-biggan with seed 2, as would be drawn"):
        run(2, "a")
    (record,) = run(9, "b")
    assert record.samples is None
    assert np.isfinite(record.runs[0].figures["loss"])


def test_online_sampling_without_steps_is_refused_before_anything_is_trained(tmp_path):
    recipe = replace(RECIPE, steps=None)
    with pytest.raises(UsageError, match="online sampling has no epochs") as caught:
        study(tmp_path, [Arm("sup", "", ("x",)), Arm("on", "", online=Online(SampleConfig()))], "y", recipe=recipe)
    assert caught.value.hint.startswith("use --steps")
