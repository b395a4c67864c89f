import hashlib
import json

import numpy as np
import pytest

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.workflows.filter import FilterConfig, filter_dataset
from bdgan_cli.workflows.sample import SampleConfig, sample


@pytest.fixture
def sampled(workspace):
    return sample(SampleConfig(workspace=workspace, classes="0,5", per_class=10)).folder


def test_the_tenth_of_each_class_that_is_least_certain_goes(sampled):
    result = filter_dataset(FilterConfig(str(sampled), drop_uncertain=0.2))
    assert (result.samples, result.kept, result.dropped) == (20, 16, {"uncertain": 4})
    table = open_dataset(sampled).table
    kept = set(open_dataset(result.address).keys())
    for class_id in (0, 5):
        rows = [row for row in table.to_pylist() if row["class_id"] == class_id]
        worst = sorted(rows, key=lambda row: row["uncertainty"])[-2:]
        assert {row["key"] for row in rows} - kept == {row["key"] for row in worst}


def test_nothing_of_the_dataset_is_touched_and_it_can_be_run_again(sampled):
    def digest():
        paths = sorted(path for path in sampled.rglob("*") if path.is_file() and "views" not in path.parts)
        return [hashlib.sha256(path.read_bytes()).hexdigest() for path in paths]

    before = digest()
    first = filter_dataset(FilterConfig(str(sampled)))
    view = sampled / "views" / "filtered.parquet"
    content = view.read_bytes()
    assert filter_dataset(FilterConfig(str(sampled))) == first
    assert view.read_bytes() == content
    assert digest() == before


def test_the_rules_say_what_they_dropped(sampled):
    areas = np.sort(open_dataset(sampled).table["area_px"].to_numpy())
    least = int(areas[5])
    result = filter_dataset(FilterConfig(str(sampled), drop_uncertain=0, min_area=least, view="large"))
    assert result.dropped == {"min-area": int((areas < least).sum())}
    assert min(open_dataset(result.address).table["area_px"].to_pylist()) >= least


def test_a_dry_run_writes_nothing(sampled):
    assert filter_dataset(FilterConfig(str(sampled)), write=False).kept == 18
    assert not list((sampled / "views").glob("*")) if (sampled / "views").exists() else True


def test_the_newest_sampled_dataset_is_taken_and_said(sampled, workspace, run_cli):
    done = run_cli("filter", "--workspace", workspace, "--json")
    assert done.code == 0
    assert json.loads(done.stdout)["view"] == f"{sampled}@filtered"
    assert f"dataset: {sampled} (newest sampled)" in done.stderr


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"drop_uncertain": 1.5}, UsageError, "expected numbers from 0 to 1"),
        ({"drop_uncertain": 0}, UsageError, "no rule was given"),
        ({"score": "vibes"}, DataError, "no column uncertainty_vibes"),
        ({"view": "../x"}, UsageError, "../x"),
        ({"dataset": "nowhere"}, MissingError, "nowhere"),
    ],
)
def test_bad_options_are_refused(sampled, changes, error, message):
    with pytest.raises(error) as caught:
        filter_dataset(FilterConfig(**{"dataset": str(sampled), **changes}))
    assert message in caught.value.message


def test_a_dataset_without_uncertainty_is_refused(tmp_path):
    exact = sample(SampleConfig(workspace=tmp_path, classes="0", per_class=2, labels="exact")).folder
    with pytest.raises(DataError, match="no values in column uncertainty"):
        filter_dataset(FilterConfig(str(exact)))


def test_an_empty_workspace_has_nothing_to_filter(tmp_path, run_cli):
    done = run_cli("filter", "--workspace", tmp_path)
    assert done.code == 4
    assert "error: no sampled dataset in workspace" in done.stderr
    assert "hint: " in done.stderr
