from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import tarfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bdgan_cli import atomic
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.schema import ClassEntry, ModelRef
from bdgan_cli.dataset.writer import DatasetWriter, encode_sample, open_for_writing, writer_lock
from bdgan_cli.errors import BdganError, DataError, UsageError
from tests.conftest import cli_environment
from tests.dataset.builders import contents, make_info, make_sample, write_all


def test_a_foreign_reader_finds_plain_files(tmp_path: Path) -> None:
    write_all(tmp_path / "d")
    key, found = "n00000001_7_2", {}
    with tarfile.open(tmp_path / "d" / "shards" / "c0001-b0000.tar") as archive:
        for member in archive:
            stem, _, suffix = member.name.partition(".")
            found.setdefault(stem, {})[suffix] = archive.extractfile(member).read()
            assert (member.mtime, member.uid, member.gid, member.mode) == (0, 0, 0, 0o644)
    assert list(found) == [f"n00000001_7_{i}" for i in range(4)]
    assert set(found[key]) == {"png", "mask.png", "latent.npy", "json"}
    expected = make_sample(1, 2)
    np.testing.assert_array_equal(np.load(io.BytesIO(found[key]["latent.npy"])), expected.latent)
    meta = json.loads(found[key]["json"])
    assert (meta["key"], meta["class_id"], meta["scores"]["uncertainty"]) == (key, 1, 0.2)
    assert meta["scores"]["uncertainty_mean"] is None


def test_same_work_gives_the_same_bytes(tmp_path: Path) -> None:
    write_all(tmp_path / "a")
    write_all(tmp_path / "b")
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_encoding_apart_from_writing_gives_the_same_bytes(tmp_path: Path) -> None:
    for name in "ab":
        open_for_writing(tmp_path / name, make_info())
    samples = [make_sample(0, i) for i in range(4)]
    DatasetWriter(tmp_path / "a", make_info()).write_shard("x", samples, image_format="webp")
    encoded = [encode_sample(sample, "webp") for sample in samples]
    DatasetWriter(tmp_path / "b", make_info()).write_encoded("x", encoded)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


@pytest.mark.parametrize(("classes", "per_class"), [(2, 6), (3, 3), (3, 5)])
def test_extending_equals_doing_it_at_once(tmp_path: Path, classes: int, per_class: int) -> None:
    write_all(tmp_path / "grown", 2, 3)
    write_all(tmp_path / "grown", classes, per_class)
    write_all(tmp_path / "once", classes, per_class)
    assert contents(tmp_path / "grown") == contents(tmp_path / "once")


def test_resuming_rewrites_nothing_that_is_finished(tmp_path: Path) -> None:
    root = tmp_path / "d"
    write_all(root, finalize=False)
    before = {path: path.stat().st_mtime_ns for path in (root / "shards").iterdir()}
    (root / "index" / "c0001-b0001.parquet").unlink()
    write_all(root)
    changed = [path.name for path, time in before.items() if path.stat().st_mtime_ns != time]
    assert changed == ["c0001-b0001.tar"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"plan": {"seed": 8}}, "plan.seed: 7 there, 8 now"),
        ({"plan": {"truncation": 1.0, "seed": 9}}, "plan.seed: 7 there, 9 now; plan.truncation: 0.9 there, 1.0 now"),
        ({"per_class": 5}, "plan.per_class: 6 there, 5 now"),
        ({"classes": 1}, "plan.classes: [0, 1] there, [0] now"),
        ({"plan": {"reject": 0.1}}, "plan.reject: nothing there, 0.1 now"),
        ({"generator": ModelRef("other", "ab" * 32)}, "generator: {'name': 'tiny'"),
        ({"image_size": 32}, "image_size: 24 there, 32 now"),
        ({"kind": "annotated"}, "kind: sampled there, annotated now"),
        ({"plan": {"per_class": 12, "seed": 8}}, "made with another plan: plan.seed"),
    ],
)
def test_another_plan_is_refused_with_the_difference(toy: Path, change: dict[str, Any], message: str) -> None:
    before = contents(toy)
    with pytest.raises(UsageError) as caught:
        open_for_writing(toy, make_info(**change))
    assert message in caught.value.message
    assert caught.value.hint == "use --overwrite, or another name for the new dataset"
    assert caught.value.exit_code == 2
    assert contents(toy) == before


def test_words_about_the_dataset_may_change(toy: Path) -> None:
    open_for_writing(toy, make_info(licence="MIT", provenance="Elsewhere."))
    assert open_dataset(toy).info.licence == "MIT"


def test_overwrite_removes_the_dataset_and_nothing_else(toy: Path) -> None:
    (toy / "notes.txt").write_text("mine")
    writer = open_for_writing(toy, make_info(plan={"seed": 8}), overwrite=True)
    assert writer.finished("c0000-b0000") is None
    assert set(contents(toy)) == {"dataset.json", "notes.txt"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_holds_something_else_is_left_alone(tmp_path: Path, overwrite: bool) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(UsageError, match=r"holds something else: thesis\.tex; no dataset\.json"):
        open_for_writing(tmp_path, make_info(), overwrite=overwrite)
    with pytest.raises(UsageError, match="holds something else"), writer_lock(tmp_path):
        pass
    assert contents(tmp_path) == {"thesis.tex": b"years of work"}


@pytest.mark.parametrize("content", ["{}", "no json", '{"format_version": 9}'])
def test_overwrite_refuses_a_dataset_json_of_something_else(tmp_path: Path, content: str) -> None:
    (tmp_path / "dataset.json").write_text(content)
    (tmp_path / "shards").mkdir()
    (tmp_path / "shards" / "precious.tar").write_text("x")
    with pytest.raises(DataError, match=r"dataset\.json"):
        open_for_writing(tmp_path, make_info(), overwrite=True)
    assert (tmp_path / "shards" / "precious.tar").exists()


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("")
    with pytest.raises(UsageError, match="expected a folder for the dataset, got the file"):
        open_for_writing(tmp_path / "f", make_info())


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"key": "a/b"}, DataError, "expected a key"),
        ({"image": np.zeros((4, 4), np.uint8)}, DataError, "expected an (H, W, 3) uint8 image"),
        ({"image": np.zeros((4, 4, 3), np.float32)}, DataError, "got (4, 4, 3) float32"),
        ({"mask": np.zeros((4, 4), np.uint8)}, DataError, "expected an (24, 24) uint8 mask, got (4, 4)"),
        ({"latent": np.array([np.nan], np.float32)}, DataError, "expected finite latents"),
        ({"scores": {"sharpness": 1.0}}, ValueError, "got sharpness"),
    ],
)
def test_wrong_samples_leave_no_shard(tmp_path: Path, change: dict[str, Any], error: type, message: str) -> None:
    writer = open_for_writing(tmp_path, make_info())
    with pytest.raises(error) as caught:
        writer.write_shard("s", [make_sample(0, 0), make_sample(0, 1, **change)])
    assert message in str(caught.value)
    assert set(contents(tmp_path)) == {"dataset.json"}


def test_a_key_twice_is_refused(tmp_path: Path) -> None:
    writer = open_for_writing(tmp_path, make_info())
    with pytest.raises(DataError, match="unique keys, got n00000000_7_0 twice"):
        writer.write_shard("s", [make_sample(0, 0), make_sample(0, 0)])


def test_an_empty_shard_is_a_finished_shard(tmp_path: Path) -> None:
    writer = open_for_writing(tmp_path, make_info())
    assert writer.write_shard("s", []) == 0
    assert writer.finished("s") == 0


def test_a_cut_shard_is_not_finished(toy: Path) -> None:
    writer = DatasetWriter(toy, make_info())
    shard = toy / "shards" / "c0000-b0000.tar"
    assert writer.finished("c0000-b0000") == 4
    os.truncate(shard, shard.stat().st_size - 1)
    assert writer.finished("c0000-b0000") is None


def _fail_after(calls: int, error: int, real: Callable[..., Any]) -> Callable[..., Any]:
    left = iter(range(calls))

    def call(*args: Any) -> Any:
        if next(left, None) is None:
            raise OSError(error, os.strerror(error))
        return real(*args)

    return call


@pytest.mark.parametrize(
    "calls", [0, 1, 4, 5, 12, 14], ids=["tar", "index", "next-tar", "next-index", "preview", "card"]
)
def test_full_disk_keeps_finished_shards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls: int) -> None:
    writer = open_for_writing(tmp_path, make_info())
    writer.write_shard("c0000-b0000", [make_sample(0, i) for i in range(4)])
    with monkeypatch.context() as patch:
        patch.setattr(atomic.os, "fsync", _fail_after(calls, 28, os.fsync))
        with pytest.raises(BdganError, match="No space left on device") as caught:
            write_all(tmp_path)
    assert "run the same command again" in caught.value.hint
    assert caught.value.exit_code == 1
    assert [name for name in contents(tmp_path) if ".tmp-" in name] == []
    assert open_dataset(tmp_path).read("n00000000_7_0").image is not None


@pytest.mark.parametrize(("error", "hint"), [(30, "writable file system"), (13, "that you may write to")])
def test_refusals_of_the_machine_have_hints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: int, hint: str
) -> None:
    writer = open_for_writing(tmp_path, make_info())
    monkeypatch.setattr(atomic.os, "fsync", _fail_after(0, error, os.fsync))
    with pytest.raises(BdganError) as caught:
        writer.write_shard("b", [make_sample(0, 1)])
    assert hint in caught.value.hint


def run_child(code: str, *args: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, args)]
    return subprocess.run(command, env=cli_environment(), capture_output=True, text=True, timeout=60, check=False)


FILE_SIZE_LIMIT = """
import resource, sys
from pathlib import Path
from bdgan_cli.errors import BdganError
from tests.dataset.builders import write_all
resource.setrlimit(resource.RLIMIT_FSIZE, (9000, 9000))
try:
    write_all(Path(sys.argv[1]))
except BdganError as error:
    print(error.message, error.hint)
"""


def test_a_real_limit_of_the_system_is_explained(tmp_path: Path) -> None:
    done = run_child(FILE_SIZE_LIMIT, tmp_path / "d")
    assert "File too large" in done.stdout, done.stderr
    assert "ulimit" in done.stdout
    assert set(contents(tmp_path / "d")) == {"dataset.json"}


KILLED = """
import os, signal, sys
from pathlib import Path
from bdgan_cli import atomic
from tests.dataset.builders import write_all
left, name = int(sys.argv[2]), sys.argv[3]
real = getattr(atomic, name)
def dying(*args):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)
    return real(*args)
setattr(atomic, name, dying)
write_all(Path(sys.argv[1]))
"""


@pytest.mark.parametrize(
    ("call", "calls"),
    [
        pytest.param("put_in_place", 3, id="between-shards"),
        pytest.param("put_in_place", 4, id="between-tar-and-index"),
        pytest.param("sync_folder", 5, id="after-a-rename"),
    ],
)
def test_killed_at_any_moment_and_started_again(tmp_path: Path, call: str, calls: int) -> None:
    root = tmp_path / "d"
    done = run_child(KILLED, root, calls, call)
    assert done.returncode == -9, done.stderr
    survivors = open_dataset(root)
    assert len(survivors) >= 4
    assert all(record.image is not None for record in survivors.iterate())
    write_all(root)
    write_all(tmp_path / "once")
    assert contents(root) == contents(tmp_path / "once")


def test_killed_while_extending_a_shard_never_pairs_old_and_new(tmp_path: Path) -> None:
    root = tmp_path / "d"
    write_all(root, 2, 3)
    code = KILLED.replace("write_all(Path(sys.argv[1]))", "write_all(Path(sys.argv[1]), 2, 6)")
    done = run_child(code, root, 2, "put_in_place")
    assert done.returncode == -9, done.stderr
    assert [record.key for record in open_dataset(root).iterate()] == [f"n00000001_7_{i}" for i in range(3)]
    write_all(root, 2, 6)
    write_all(tmp_path / "once", 2, 6)
    assert contents(root) == contents(tmp_path / "once")


def test_a_second_writer_is_refused_and_the_lock_leaves_no_trace(tmp_path: Path) -> None:
    with writer_lock(tmp_path / "d"):
        with pytest.raises(BdganError, match="another process is writing"), writer_lock(tmp_path / "d"):
            pass
        write_all(tmp_path / "d")
    with writer_lock(tmp_path / "d"):
        pass
    write_all(tmp_path / "once")
    assert contents(tmp_path / "d") == contents(tmp_path / "once")


def test_temporary_files_of_living_writers_are_not_swept(tmp_path: Path) -> None:
    root = tmp_path / "d"
    open_for_writing(root, make_info())
    (root / "index" / "x.parquet").touch()
    with atomic.temporary_file(root / "shards" / "x.tar") as (mine, _):
        other = mine.name.replace(f"-{os.getpid()}-", "-{}-")
        assert other != mine.name
    with subprocess.Popen([sys.executable, "-c", ""]) as dead:  # not waited for: a zombie, which is no writer
        os.waitid(os.P_PID, dead.pid, os.WEXITED | os.WNOWAIT)
        for pid in (os.getppid(), 2**22 + 1, dead.pid, os.getpid()):
            (root / "shards" / other.format(pid)).write_bytes(b"half")
        open_for_writing(root, make_info())
        assert [path.name for path in (root / "shards").iterdir()] == [other.format(os.getppid())]


def test_this_machine_s_processes_say_nothing_of_another_s(tmp_path: Path) -> None:
    foreign = tmp_path / f"{atomic.TEMPORARY}0123456789ab-{os.getppid()}-0-x.tar"
    foreign.write_bytes(b"half")
    assert atomic.sweep_temporary(tmp_path, locked=False) == 0
    assert foreign.exists()
    assert atomic.sweep_temporary(tmp_path) == 1, "who holds the lock knows that no other machine is at work"


def test_the_card_has_what_the_hub_reads(toy: Path) -> None:
    card = (toy / "README.md").read_text()
    assert card.startswith('---\npretty_name: "toy"\nlicense: cc0-1.0\n')
    assert "| 1 | n00000001 | star | 6 |" in card
    assert (toy / "preview.png").read_bytes().startswith(b"\x89PNG")


def test_class_tables_grow_only_by_addition(toy: Path) -> None:
    renamed = (ClassEntry(0, "n00000000", "circle"), ClassEntry(1, "n00000001", "star"))
    with pytest.raises(UsageError, match="class table"):
        open_for_writing(toy, replace(make_info(), classes=renamed))
