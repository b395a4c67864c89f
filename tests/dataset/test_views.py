from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.views import list_views, read_view, write_view
from bdgan_cli.errors import BdganError, DataError, MissingError, UsageError
from tests.dataset.builders import write_all


@pytest.fixture
def dataset(toy: Path) -> Dataset:
    return open_dataset(toy)


def decide(dataset: Dataset, dropped: set[str]) -> pa.Table:
    rows = [
        {"key": key, "kept": key not in dropped, "rule": "uncertain" if key in dropped else "", "score": 0.5}
        for key in reversed(dataset.keys())
    ]
    return pa.Table.from_pylist(rows)


def test_a_view_keeps_what_was_decided(dataset: Dataset) -> None:
    dropped = set(dataset.keys()[1:4])
    write_view(dataset, "clean", decide(dataset, dropped))
    view = open_dataset(f"{dataset.root}@clean")
    keys = dataset.keys()
    assert view.keys() == [keys[0], *keys[4:]]
    assert view.reference == f"{dataset.root}@clean"
    assert [record.key for record in view.iterate(("meta",))] == view.keys()
    reasons = read_view(dataset.root, "clean")
    assert reasons["key"].to_pylist() == dataset.keys()
    assert {row["key"] for row in reasons.to_pylist() if row["rule"] == "uncertain"} == dropped
    with pytest.raises(MissingError, match="no sample"):
        view.read(next(iter(dropped)))


def test_a_view_can_be_made_again_with_the_same_bytes(dataset: Dataset) -> None:
    first = write_view(dataset, "v", decide(dataset, set())).read_bytes()
    write_view(dataset, "v", decide(dataset, set(dataset.keys())))
    assert len(open_dataset(f"{dataset.root}@v")) == 0
    assert write_view(dataset, "v", decide(dataset, set())).read_bytes() == first
    assert list_views(dataset.root) == ["v"]


def test_samples_added_later_are_not_in_the_view(dataset: Dataset) -> None:
    write_view(dataset, "v", decide(dataset, set()))
    write_all(dataset.root, 2, 9, finalize=False)
    assert len(open_dataset(f"{dataset.root}@v")) == 12


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b", "x" * 65])
def test_bad_names(dataset: Dataset, name: str) -> None:
    with pytest.raises(UsageError, match="expected a view name"):
        write_view(dataset, name, decide(dataset, set()))


def test_a_missing_view_gets_near_names(dataset: Dataset) -> None:
    write_view(dataset, "clean", decide(dataset, set()))
    with pytest.raises(MissingError, match="no view 'claen'") as caught:
        open_dataset(f"{dataset.root}@claen")
    assert caught.value.hint == "did you mean clean?"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: [{**rows[0], "key": "stranger"}], "got 1 others such as stranger"),
        (lambda rows: [rows[0], rows[0]], "each key once, got 2 rows with 1 keys"),
        (lambda rows: [{"key": rows[0]["key"]}], "missing kept, rule, score"),
    ],
)
def test_wrong_decisions(dataset: Dataset, change: Any, message: str) -> None:
    rows = change(decide(dataset, set()).to_pylist())
    with pytest.raises(DataError) as caught:
        write_view(dataset, "v", pa.Table.from_pylist(rows))
    assert message in caught.value.message
    assert list_views(dataset.root) == []


def test_a_broken_view(dataset: Dataset) -> None:
    write_view(dataset, "v", decide(dataset, set())).write_bytes(b"x")
    with pytest.raises(BdganError, match="expected the columns key, kept, rule, score"):
        open_dataset(f"{dataset.root}@v")
