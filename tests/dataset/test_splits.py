from __future__ import annotations

from collections import Counter

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bdgan_cli.dataset.splits import check_split, draw_splits, parse_fractions
from bdgan_cli.errors import DataError, UsageError


def table(class_ids: list[int], hashes: list[str] | None = None) -> pa.Table:
    keys = [f"k{i}" for i in range(len(class_ids))]
    return pa.table({"key": keys, "class_id": class_ids, "image_sha256": hashes or [""] * len(keys)})


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 6), min_size=1, max_size=120),
    st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(0, 5),
)
def test_totals_and_classes_have_their_shares(class_ids: list[int], weights: list[int], seed: int) -> None:
    text = ",".join(f"s{i}={weight / sum(weights):.9f}" for i, weight in enumerate(weights))
    fractions = parse_fractions(text)
    splits = draw_splits(table(class_ids), fractions, seed)
    assert splits == draw_splits(table(class_ids), fractions, seed)
    totals, per_class = Counter(splits), Counter(zip(class_ids, splits, strict=True))
    sizes = Counter(class_ids)
    for fraction in fractions:
        assert abs(totals[fraction.name] - fraction.share * len(class_ids)) <= len(weights)
        for class_id, size in sizes.items():
            assert abs(per_class[class_id, fraction.name] - fraction.share * size) <= len(weights)


def test_what_does_not_come_out_whole_is_carried_on() -> None:
    splits = draw_splits(table([c for c in range(1000) for _ in range(5)]), parse_fractions("a=0.9,b=0.1"), 0)
    assert Counter(splits) == {"a": 4500, "b": 500}


def test_samples_of_a_picture_stay_together_whatever_their_class() -> None:
    class_ids = [0, 1, 2] * 40
    hashes = [f"picture {i // 3}" for i in range(120)]
    splits = draw_splits(table(class_ids, hashes), parse_fractions("a=0.5,b=0.5"), 3)
    assert all(len(set(splits[i : i + 3])) == 1 for i in range(0, 120, 3))
    assert Counter(splits) == {"a": 60, "b": 60}


@pytest.mark.parametrize("name", ["", "train", "val_2", "A-b"])
def test_names_that_can_be_folders(name: str) -> None:
    assert check_split(name, "x") == name


@pytest.mark.parametrize("name", ["..", "a/b", "-x", "a.b", "x" * 41, "a b"])
def test_names_that_cannot(name: str) -> None:
    with pytest.raises(DataError, match="expected a split of"):
        check_split(name, "x")


@pytest.mark.parametrize(
    "text", ["", "a", "a=", "a=2", "a=-1", "a=0,b=1", "a=nan", "a=1e9", "a=0.5;b=0.5", "a=0.3,b=0.3"]
)
def test_wrong_fractions(text: str) -> None:
    with pytest.raises(UsageError):
        parse_fractions(text)
