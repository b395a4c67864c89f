"""What every format of the table must keep to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bdgan_cli.dataset.exporters.exporter import Converted, ExportOptions, Item
from bdgan_cli.dataset.exporters.registry import FORMATS, Format
from bdgan_cli.dataset.exporters.target import MANIFEST, Target
from bdgan_cli.dataset.sample import Sample
from bdgan_cli.dataset.schema import ClassEntry, DatasetInfo
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.workflows import export_plan
from bdgan_cli.workflows.data import ChosenDataset
from bdgan_cli.workflows.export import ExportConfig, export
from tests.conftest import RunCli
from tests.dataset.builders import contents, make_info, make_sample
from tests.dataset.exporters.masks import draw_shape, write_masks

KINDS = ("hole", "two holes", "border", "corners", "diagonal", "noise", "pixel", "full", "empty", "noise", "full")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eleven samples in two splits; tests leave them as they are."""
    masks = [draw_shape(kind, 14, 18, seed).astype(np.uint8) for seed, kind in enumerate(KINDS)]
    masks[1][3, 4:7] = 255
    return write_masks(tmp_path_factory.mktemp("contract") / "data", masks)


def run(data: Path, out: Path, to: str, workers: int = 1, **changes: Any) -> dict[str, bytes]:
    """Export with everything that the format can do."""
    options = ExportOptions(**{name: True for name in FORMATS[to].options if name != "tolerance"})
    config = ExportConfig(to, out, ChosenDataset(str(data)), options=options, part_samples=2, workers=workers)
    export(replace(config, **changes))
    return contents(out)


each_format = pytest.mark.parametrize("to", FORMATS)


@each_format
def test_equal_work_gives_equal_bytes_whatever_the_threads_and_the_place(data: Path, tmp_path: Path, to: str) -> None:
    one = run(data, tmp_path / "a" / "out", to, workers=1)
    two = run(data, tmp_path / "b" / "out", to, workers=4)
    assert one == two
    assert len(one) > 3
    for name, content in one.items():
        assert str(tmp_path).encode() not in content, f"{name} names a folder of this machine"
        assert b"/tmp" not in content


@each_format
@pytest.mark.parametrize("stop", [0, 5, 10])
def test_a_killed_export_ends_with_the_same_bytes(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str, stop: int
) -> None:
    whole = run(data, tmp_path / "whole" / "out", to)
    form = FORMATS[to]

    def build(plan: Any) -> Any:
        exporter = form.build(plan)
        convert = exporter.convert

        def dying(item: Item) -> Converted:
            if item.number == stop:
                raise KeyboardInterrupt
            return convert(item)

        exporter.convert = dying  # type: ignore[method-assign]
        return exporter

    with monkeypatch.context() as patch:
        patch.setattr(export_plan, "find_format", lambda name: replace(form, build=build))
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "out", to)
    assert run(data, tmp_path / "out", to) == whole


@each_format
def test_files_that_are_lost_before_the_end_are_written_again(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, to: str
) -> None:
    whole = run(data, tmp_path / "whole" / "out", to)
    with monkeypatch.context() as patch:
        patch.setattr(Target, "finish", interrupt)
        with pytest.raises(KeyboardInterrupt):
            run(data, tmp_path / "out", to)
    written = sorted(path for path in (tmp_path / "out").rglob("*.*") if path.suffix in (".png", ".jpg", ".parquet"))
    written[0].unlink()
    written[-1].write_bytes(b"")
    assert run(data, tmp_path / "out", to) == whole


def interrupt(*args: Any) -> None:
    raise KeyboardInterrupt


@each_format
def test_overwriting_leaves_nothing_of_the_old_export(data: Path, tmp_path: Path, to: str) -> None:
    run(data, tmp_path / "old" / "out", to, splits="first=0.5,second=0.5")
    again = run(data, tmp_path / "old" / "out", to, overwrite=True)
    assert again == run(data, tmp_path / "new" / "out", to)


@each_format
def test_without_splits(tmp_path: Path, to: str) -> None:
    open_for_writing(tmp_path / "d", make_info(1, 4)).write_shard(
        "000000", [make_sample(0, i, split="") for i in range(4)]
    )
    files = run(tmp_path / "d", tmp_path / "out", to)
    assert MANIFEST in files
    assert not any("//" in name or name.endswith(("_.json", "/-00000-of-00002.parquet")) for name in files)


@pytest.mark.parametrize("to", [name for name, form in FORMATS.items() if form.needs_masks])
def test_a_sample_without_a_mask_is_named(tmp_path: Path, to: str) -> None:
    samples = [make_sample(0, 0), make_sample(0, 1, mask=None)]
    open_for_writing(tmp_path / "d", make_info(1, 2)).write_shard("000000", samples)
    with pytest.raises(DataError, match="n00000000_7_1 has no mask"):
        run(tmp_path / "d", tmp_path / "out", to)


@each_format
def test_more_than_254_labels(tmp_path: Path, to: str) -> None:
    """A thousand classes of one object each, as ImageNet has: either the format holds them, or it says what to do."""
    classes = tuple(ClassEntry(i, f"n{i:08d}", f"c{i}") for i in range(300))
    mask = np.ones((6, 6), np.uint8)
    mask[0, 0] = 255
    sample = Sample("k", 299, "n00000299", "train", np.zeros((6, 6, 3), np.uint8), mask, index=0)
    info = DatasetInfo("many", "real", classes, 6, None, None)
    open_for_writing(tmp_path / "d", info).write_shard("000000", [sample])
    form: Format = FORMATS[to]
    if form.most_labels is None:
        run(tmp_path / "d", tmp_path / "out", to, labels="classes")
        return
    with pytest.raises(UsageError, match=f"hold up to {form.most_labels} labels, got 300") as caught:
        run(tmp_path / "d", tmp_path / "out", to, labels="classes")
    assert "--task" in caught.value.hint


def test_the_help_names_every_format(run_cli: RunCli) -> None:
    text = run_cli("data", "export", "--help").stdout
    assert [name for name in FORMATS if f"'{name}'" not in text] == []
