"""Merging, splitting and making views real: nothing is lost, and shards are shared where they can be."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from bdgan_cli.dataset import rebuild as shards
from bdgan_cli.dataset import writer
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.dataset.views import write_view
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.rebuild import MergeConfig, SplitConfig, materialize, merge, split
from tests.conftest import RunCli
from tests.dataset.builders import contents, make_info, make_sample, write_all


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)
    monkeypatch.setattr(writer, "write_card", lambda root: None)


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    write_all(tmp_path / "toy", finalize=False)
    return tmp_path / "toy"


DISC = ClassEntry(0, "n00000000", "disc")


def other(root: Path, entry: ClassEntry = DISC, **changes: Any) -> Path:
    """One shard of three samples of a class that may have another id; a shard of the toy has the same name."""
    info = replace(make_info(1, 3), **{"name": "other", "classes": (entry,), "plan": {}, **changes})
    samples = [make_sample(entry.id, i, wnid=entry.wnid, key=f"o{i}_{entry.wnid}") for i in range(3)]
    open_for_writing(root, info).write_shard("c0000-b0000", samples)
    return root


def view(root: Path, name: str, keep: Any) -> str:
    dataset = open_dataset(root)
    rows = [{"key": key, "kept": keep(i, key), "rule": "", "score": 0.0} for i, key in enumerate(dataset.keys())]
    write_view(dataset, name, pa.Table.from_pylist(rows))
    return f"{root}@{name}"


def same_samples(one: Path | str, two: Path | str, but: tuple[str, ...] = ()) -> None:
    a, b = open_dataset(one), open_dataset(two)
    skip = {"shard", *but, *(name for name in a.table.column_names if name.endswith("_offset"))}
    columns = [name for name in a.table.column_names if name not in skip]
    assert repr(a.table.select(columns).to_pylist()) == repr(b.table.select(columns).to_pylist())  # NaN is not NaN
    for left, right in zip(a.iterate(), b.iterate(), strict=True):
        np.testing.assert_array_equal(left.image, right.image)
        np.testing.assert_array_equal(left.mask, right.mask)
        np.testing.assert_array_equal(left.latent, right.latent)


def sound(root: Path) -> bool:
    return verify_dataset(root, Silent()) == []


def inode(root: Path, stem: str) -> int:
    return (root / "shards" / f"{stem}.tar").stat().st_ino


def test_a_view_becomes_real(toy: Path, tmp_path: Path) -> None:
    reference = view(toy, "clean", lambda i, key: i != 2)
    result = materialize(MergeConfig((reference,), tmp_path / "out"))
    assert (result.samples, result.taken_over, result.rewritten) == (11, 3, 1)
    assert sound(tmp_path / "out")
    same_samples(reference, tmp_path / "out")
    assert inode(toy, "c0001-b0000") == inode(tmp_path / "out", "c0001-b0000")
    assert open_dataset(tmp_path / "out").info.generator == open_dataset(toy).info.generator


def test_where_there_are_no_links_shards_are_copied(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any) -> None:
        raise OSError(18, "Invalid cross-device link")

    monkeypatch.setattr(os, "link", refuse)
    materialize(MergeConfig((str(toy),), tmp_path / "out"))
    assert inode(toy, "c0000-b0000") != inode(tmp_path / "out", "c0000-b0000")
    before, after = contents(toy), contents(tmp_path / "out")
    assert {name: data for name, data in before.items() if "/" in name} == {
        name: data for name, data in after.items() if "/" in name
    }
    shutil.rmtree(toy)
    assert sound(tmp_path / "out")


def test_merging_renames_shards_and_keeps_all_samples(toy: Path, tmp_path: Path) -> None:
    two = other(tmp_path / "two")
    result = merge(MergeConfig((str(toy), str(two)), tmp_path / "out"))
    assert (result.samples, result.taken_over, result.rewritten, result.renumbered) == (15, 5, 0, 0)
    assert sound(tmp_path / "out")
    dataset = open_dataset(tmp_path / "out")
    assert sorted(dataset.keys()) == sorted(open_dataset(toy).keys() + open_dataset(two).keys())
    assert (tmp_path / "out" / "shards" / "d1-c0000-b0000.tar").is_file()
    assert dataset.info.plan["merged"] == ["toy", "other"]
    assert dataset.info.licence == "CC0-1.0"


def test_classes_are_matched_by_wnid_and_renumbered_where_ids_clash(toy: Path, tmp_path: Path) -> None:
    same = other(tmp_path / "same", ClassEntry(5, "n00000001", "a star"))
    clash = other(tmp_path / "clash", ClassEntry(0, "n77777777", "cube"))
    result = merge(MergeConfig((str(toy), str(same), str(clash)), tmp_path / "out", rename=True))
    dataset = open_dataset(tmp_path / "out")
    assert [(entry.id, entry.wnid) for entry in dataset.info.classes] == [
        (0, "n00000000"), (1, "n00000001"), (2, "n77777777"),
    ]  # fmt: skip
    assert (result.renumbered, sound(tmp_path / "out")) == (2, True)
    record = next(record for record in dataset.iterate(("meta",)) if record.meta["class_id"] == 2)
    assert (record.key[:6], record.meta["key"], record.meta["wnid"]) == ("other_", record.key, "n77777777")


def test_samples_are_untouched_by_rewriting(toy: Path, tmp_path: Path) -> None:
    merge(MergeConfig((str(toy),), tmp_path / "out", rename=True))
    assert sound(tmp_path / "out")
    same_samples(toy, tmp_path / "out", but=("key", "meta_size", "meta_sha256"))
    before = open_dataset(toy).keys()
    assert open_dataset(tmp_path / "out").keys() == [f"toy_{key}" for key in before]


def test_views_of_one_dataset_can_be_put_together_again(toy: Path, tmp_path: Path) -> None:
    halves = [view(toy, "even", lambda i, key: i % 2 == 0), view(toy, "odd", lambda i, key: i % 2 == 1)]
    assert merge(MergeConfig(tuple(halves), tmp_path / "out")).samples == 12
    assert sound(tmp_path / "out")
    same_samples(toy, tmp_path / "out")


def test_a_merge_that_was_killed_goes_on(toy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reference, take_over, calls = view(toy, "clean", lambda i, key: i != 2), shards._take_over, []

    def dying(*args: Any) -> None:
        calls.append(args)
        if len(calls) == 2:
            raise KeyboardInterrupt
        take_over(*args)

    with monkeypatch.context() as patch:
        patch.setattr(shards, "_take_over", dying)
        with pytest.raises(KeyboardInterrupt):
            materialize(MergeConfig((reference,), tmp_path / "out"))
    assert len(open_dataset(tmp_path / "out")) == 5
    materialize(MergeConfig((reference,), tmp_path / "out"))
    materialize(MergeConfig((reference,), tmp_path / "once"))
    one, two = (contents(tmp_path / name) for name in ("out", "once"))
    assert {name: one[name] for name in one if "/" in name} == {name: two[name] for name in two if "/" in name}


def test_splits_as_views_copy_nothing(toy: Path) -> None:
    before = contents(toy)
    result = split(SplitConfig(str(toy), "train=0.5,val=0.25,test=0.25"))
    assert result.views == ("train", "val", "test")
    assert result.splits == {"train": 6, "val": 3, "test": 3}
    parts = [set(open_dataset(f"{toy}@{name}").keys()) for name in result.views]
    assert set.union(*parts) == set(open_dataset(toy).keys())
    assert sum(map(len, parts)) == 12
    assert {name: data for name, data in contents(toy).items() if "views" not in name} == before
    (toy / "views" / "val.parquet").unlink()  # as if the run had been killed
    split(SplitConfig(str(toy), "train=0.5,val=0.25,test=0.25"))
    assert [set(open_dataset(f"{toy}@{name}").keys()) for name in result.views] == parts
    with pytest.raises(UsageError, match="has other views of these names: test, train, val"):
        split(SplitConfig(str(toy), "train=0.5,val=0.25,test=0.25", seed=1))


def test_the_splits_that_samples_carry_become_views(toy: Path, tmp_path: Path) -> None:
    split(SplitConfig(str(toy), "train=0.5,test=0.5", out=tmp_path / "divided"))
    divided = open_dataset(tmp_path / "divided")
    result = split(SplitConfig(str(divided.root), None))
    assert (result.views, result.splits) == (("test", "train"), {"test": 6, "train": 6})
    for name in result.views:
        assert set(open_dataset(f"{divided.root}@{name}").table["split"].to_pylist()) == {name}


@pytest.mark.parametrize(("own", "out"), [("", None), ("train", "new")])
def test_without_shares_there_must_be_splits_and_no_new_dataset(tmp_path: Path, own: str, out: str | None) -> None:
    folder = tmp_path / "given"
    open_for_writing(folder, make_info()).write_shard("one", [make_sample(split=own)])
    with pytest.raises(UsageError, match="expected --splits") as caught:
        split(SplitConfig(str(folder), None, out=None if out is None else tmp_path / out))
    assert "--splits train=0.8" in caught.value.hint


def test_splits_as_a_dataset(toy: Path, tmp_path: Path) -> None:
    result = split(SplitConfig(str(toy), "train=1", out=tmp_path / "same"))
    assert (result.taken_over, result.rewritten) == (4, 0)
    result = split(SplitConfig(str(toy), "train=0.5,val=0.5", out=tmp_path / "out"))
    assert (result.splits, sound(tmp_path / "out")) == ({"train": 6, "val": 6}, True)
    dataset = open_dataset(tmp_path / "out")
    told = {record.key: record.meta["split"] for record in dataset.iterate(("meta",))}
    assert told == dict(zip(dataset.keys(), dataset.table["split"].to_pylist(), strict=True))
    same_samples(toy, tmp_path / "out", but=("split", "meta_size", "meta_sha256"))


def test_samples_of_one_picture_stay_together(tmp_path: Path) -> None:
    image = make_sample(0, 0).image
    samples = [make_sample(0, i, image=image if i % 2 else make_sample(0, i).image) for i in range(40)]
    open_for_writing(tmp_path / "d", make_info(1, 40)).write_shard("000000", samples)
    split(SplitConfig(str(tmp_path / "d"), "a=0.5,b=0.5", out=tmp_path / "out"))
    table = open_dataset(tmp_path / "out").table.to_pylist()
    assert len({row["split"] for row in table if row["index"] % 2}) == 1
    assert len({row["split"] for row in table}) == 2


def test_many_small_classes_still_fill_all_splits(tmp_path: Path) -> None:
    classes = tuple(ClassEntry(i, f"n{i:08d}", f"c{i}") for i in range(20))
    samples = [make_sample(c, i) for c in range(20) for i in range(5)]
    open_for_writing(tmp_path / "d", replace(make_info(1, 5), classes=classes, plan={})).write_shard("000000", samples)
    result = split(SplitConfig(str(tmp_path / "d"), "train=0.8,val=0.1,test=0.1"))
    assert result.splits == {"train": 80, "val": 10, "test": 10}


@pytest.mark.parametrize(
    ("changes", "config", "message"),
    [
        ({"kind": "real"}, {}, "of different kinds: real, sampled"),
        ({"label_names": ("background", "dog")}, {}, "expected the same labels, got background, object in"),
        ({}, {"kind": "imaginary"}, "expected --kind"),
    ],
)
def test_what_does_not_fit_is_refused(
    toy: Path, tmp_path: Path, changes: dict[str, Any], config: dict[str, Any], message: str
) -> None:
    two = other(tmp_path / "two", **changes)
    with pytest.raises(UsageError) as caught:
        merge(MergeConfig((str(toy), str(two)), tmp_path / "out", **config))
    assert message in caught.value.message
    assert not (tmp_path / "out").exists()


def test_the_same_keys_are_refused(toy: Path, tmp_path: Path) -> None:
    shutil.copytree(toy, tmp_path / "copy")
    with pytest.raises(DataError, match="expected each key once, got n00000000_7_0 in") as caught:
        merge(MergeConfig((str(toy), str(tmp_path / "copy")), tmp_path / "out"))
    assert "--rename" in caught.value.hint


def test_a_dataset_is_never_written_over_itself(toy: Path) -> None:
    before = contents(toy)
    with pytest.raises(UsageError, match="is one of the datasets that it would be made of"):
        materialize(MergeConfig((str(toy),), toy, overwrite=True))
    assert contents(toy) == before


def test_on_the_command_line(run_cli: RunCli, toy: Path, tmp_path: Path) -> None:
    two = other(tmp_path / "two")
    done = run_cli("data", "merge", toy, two, "--out", tmp_path / "out", "--dry-run")
    assert (done.code, "would write 15 samples" in done.stdout) == (0, True)
    assert not (tmp_path / "out").exists()
    assert json.loads(run_cli("data", "merge", toy, two, "--out", tmp_path / "out", "--json").stdout)["samples"] == 15
    done = run_cli("data", "split", tmp_path / "out", "--splits", "train=0.8,val=0.2")
    assert f"wrote the views {tmp_path / 'out'}@train, {tmp_path / 'out'}@val" in done.stdout
    done = run_cli("data", "materialize", f"{tmp_path / 'out'}@val", "--out", tmp_path / "val", "--json")
    result = json.loads(done.stdout)
    assert (result["samples"], done.code) == (3, 0)
