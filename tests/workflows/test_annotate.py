"""The annotation loop on tiny-biggan: plan, a made-up annotator who draws the exact masks, collect, train-head."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from bdgan_cli.dataset.codecs import decode_image, encode_image, encode_mask
from bdgan_cli.dataset.interchange.labelme import format_labelme
from bdgan_cli.dataset.interchange.labelstudio import format_task, pack_brushes, parse_tasks
from bdgan_cli.dataset.interchange.polygons import label_masks, label_rings
from bdgan_cli.dataset.palette import encode_palette_mask, voc_colours
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.verify import verify_dataset
from bdgan_cli.errors import BdganError, DataError, MissingError, UsageError
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.annotate import PlanConfig, PlanResult, plan_annotation
from bdgan_cli.workflows.annotate_collect import CollectConfig, collect_annotation
from bdgan_cli.workflows.annotate_result import CollectResult
from bdgan_cli.workflows.annotation_plan import open_chosen
from tests.conftest import RunCli
from tests.helpers import exact_masks, save_random_head

TOOLS = ("labelme", "labelstudio", "cvat", "folder")
SIZE = 64
Masks = dict[str, NDArray[np.uint8]]


@pytest.fixture(autouse=True)
def _no_waiting_for_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "fsync", lambda descriptor: None)


def plan(workspace: Path, tool: str, **changes: Any) -> PlanResult:
    settings: dict[str, Any] = {"classes": "0-1", "per_class": 2, "tool": tool}
    return plan_annotation(PlanConfig(workspace=workspace, **{**settings, **changes}))


def collect(made: PlanResult, result: Path | None = None, **changes: Any) -> CollectResult:
    workspace = made.folder.parent.parent
    return collect_annotation(CollectConfig(made.folder, result, workspace=workspace, **changes))


def draw(made: PlanResult, masks: Masks) -> Path | None:
    """Do what an annotator does with a tool; return its result where that is not the folder handed out."""
    names, work, tool = made.plan.label_names, made.work, made.plan.tool
    if tool == "labelme":
        for key, mask in masks.items():
            rings = [(names[label], ring) for label, ring in label_rings(mask)]
            (work / f"{key}.json").write_bytes(format_labelme(f"{key}.png", mask.shape, rings))
        return None
    if tool == "folder":
        (work / "masks").mkdir(exist_ok=True)
        for key, mask in masks.items():
            (work / "masks" / f"{key}.png").write_bytes(encode_mask(mask))
        return None
    if tool == "cvat":
        with zipfile.ZipFile(made.folder / "export.zip", "w") as archive:
            archive.writestr("labelmap.txt", f"background:0,0,0::\n{names[1]}:128,0,0::\n")
            for key, mask in masks.items():
                archive.writestr(f"SegmentationClass/{key}.png", encode_palette_mask(mask, voc_colours()))
                archive.writestr(f"JPEGImages/{key}.png", (work / "images" / f"{key}.png").read_bytes())
        return made.folder / "export.zip"
    tasks = json.loads((work / "tasks.json").read_text())
    for task in tasks:
        key = task["data"]["bdgan_key"]
        task["data"]["image"] = f"/data/upload/1/0123abcd-{key}.png"
        if key in masks:
            regions = [(names[label], pixels) for label, pixels in label_masks(masks[key])]
            task["annotations"] = format_task(key, "", masks[key].shape, regions)["annotations"]
    (made.folder / "export.json").write_text(json.dumps(tasks))
    return made.folder / "export.json"


def collected(root: Path) -> Masks:
    return {record.key: record.mask for record in open_dataset(root).iterate(("mask",)) if record.mask is not None}


@pytest.mark.parametrize("tool", TOOLS)
def test_the_loop_ends_in_a_head(tool: str, tmp_path: Path, run_cli: RunCli) -> None:
    done = run_cli(
        "annotate", "plan", "--classes", "0-2", "--per-class", 2, "--for", tool, "--workspace", tmp_path, "--json", "-q"
    )
    assert done.code == 0, done.stderr
    facts = json.loads(done.stdout)
    assert (facts["pictures"], facts["classes"], facts["tool"], facts["select"]) == (6, 3, tool, "random")
    made = PlanResult(Path(facts["plan"]), Path(facts["work"]), 6, 6, 3, _read(Path(facts["plan"])))
    masks = exact_masks(made.folder)
    result = draw(made, masks)
    arguments = [made.folder, *([result] if result else []), "--workspace", tmp_path, "-q"]
    done = run_cli("annotate", "collect", *arguments)
    assert done.code == 0, done.stderr
    dataset = tmp_path / "datasets" / "tiny-biggan-by-hand"
    assert f"next: bdgan train-head --gen tiny-biggan {dataset}" in done.stdout
    assert verify_dataset(dataset, Silent()) == []
    found = collected(dataset)
    assert found.keys() == masks.keys()
    for key, mask in masks.items():
        np.testing.assert_array_equal(found[key], mask, err_msg=key)
    done = run_cli("train-head", dataset, "--members", 2, "--steps", 3, "--batch", 2, "--workspace", tmp_path, "-q")
    assert done.code == 0, done.stderr


def _read(folder: Path) -> Any:
    from bdgan_cli.workflows.annotation_plan import read_plan

    return read_plan(folder)


def test_samples_keep_pictures_latents_and_names(tmp_path: Path) -> None:
    made = plan(tmp_path, "labelme")
    draw(made, exact_masks(made.folder))
    root = collect(made).root
    columns = ["key", "class_id", "image_sha256", "latent_sha256", "seed", "index", "truncation"]
    chosen, annotated = open_chosen(made.folder), open_dataset(root)
    assert annotated.table.select(columns).equals(chosen.table.select(columns))
    assert (annotated.info.kind, annotated.info.head) == ("annotated", None)
    assert annotated.info.generator == chosen.info.generator


@pytest.mark.parametrize("tool", TOOLS)
def test_half_finished_work_is_collected_and_goes_on(tool: str, tmp_path: Path) -> None:
    made = plan(tmp_path, tool)
    masks = exact_masks(made.folder)
    first = dict(list(masks.items())[:1])
    one = collect(made, draw(made, first))
    assert (one.samples, one.added, one.planned) == (1, 1, 4)
    shard = next((one.root / "shards").iterdir()).read_bytes()
    rest = {key: mask for key, mask in masks.items() if key not in first}
    if tool in ("labelme", "folder"):
        rest = masks
    two = collect(made, draw(made, rest))
    assert (two.samples, two.added, two.changed) == (4, 3, 0)
    assert verify_dataset(two.root, Silent()) == []
    assert len(collected(two.root)) == 4
    before = {path: path.read_bytes() for path in (two.root / "shards").iterdir()}
    again = collect(made, draw(made, rest))
    assert (again.samples, again.added, again.changed) == (4, 0, 0)
    assert {path: path.read_bytes() for path in (two.root / "shards").iterdir()} == before
    assert shard != next(iter(before.values()))


def test_a_corrected_mask_replaces_the_one_before(tmp_path: Path) -> None:
    made = plan(tmp_path, "labelme")
    masks = exact_masks(made.folder)
    draw(made, masks)
    collect(made)
    key = next(iter(masks))
    masks[key] = np.roll(masks[key], 1, axis=0)
    draw(made, masks)
    result = collect(made)
    assert (result.samples, result.added, result.changed) == (4, 0, 1)
    np.testing.assert_array_equal(collected(result.root)[key], masks[key])


@pytest.mark.parametrize("tool", TOOLS)
def test_guesses_that_nobody_changed_do_not_count(tool: str, tmp_path: Path) -> None:
    save_random_head(tmp_path)
    made = plan(tmp_path, tool, candidates=3)
    assert made.plan.select == "active"
    assert made.plan.head["name"] == "random"
    if tool == "labelstudio":
        tasks = json.loads((made.work / "tasks.json").read_text(), object_hook=pack_brushes)
        assert all(task["predictions"][0]["result"] for task in tasks)
        assert [parsed.regions for parsed, _ in parse_tasks(tasks, "t") if parsed] == [None] * 4
        return
    assert len(made.plan.guesses) == 4
    with_objects = collect(made, accept_unchanged=True, dry_run=True)
    assert with_objects.samples + with_objects.empty == 4
    untouched = collect(made)
    assert (untouched.refused, untouched.samples) == (True, 0)
    assert untouched.unchanged + untouched.empty == 4
    key, mask = next(iter(exact_masks(made.folder).items()))
    touched = collect(made, draw(made, {key: mask}))
    assert (touched.samples, touched.written) == (1, True)


def test_the_least_certain_are_handed_out(tmp_path: Path) -> None:
    save_random_head(tmp_path, members=2)
    made = plan(tmp_path, "folder", candidates=6, select="uncertain")
    assert (made.candidates, made.pictures) == (12, 4)
    keys = set(open_chosen(made.folder).keys())
    table = open_dataset(made.folder / "datasets" / "candidates").table.to_pylist()
    for class_id in (0, 1):
        doubts = {row["key"]: row["uncertainty"] for row in table if row["class_id"] == class_id}
        assert {key for key in doubts if key in keys} == set(sorted(doubts, key=lambda key: -doubts[key])[:2])


def test_equal_plans_hand_out_equal_files(tmp_path: Path) -> None:
    made = [plan(tmp_path / place, "labelme", candidates=4, select="diverse", classes="3") for place in ("a", "b")]
    files = [{path.name: path.read_bytes() for path in one.work.iterdir()} for one in made]
    assert files[0] == files[1]
    assert len(files[0]) == 2 + 1


def test_a_plan_that_was_interrupted_is_made_anew(tmp_path: Path) -> None:
    made = plan(tmp_path, "labelme", select="diverse", candidates=3)
    before = {path.name: path.read_bytes() for path in [made.folder / "plan.json", *made.work.iterdir()]}
    (made.folder / "plan.json").unlink()
    next((made.folder / "datasets" / "candidates" / "index").iterdir()).unlink()
    next(made.work.glob("*.png")).unlink()
    plan(tmp_path, "labelme", select="diverse", candidates=3)
    assert {path.name: path.read_bytes() for path in [made.folder / "plan.json", *made.work.iterdir()]} == before


def test_plans_are_made_by_one_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    with pytest.raises(UsageError, match="one process"):
        plan(tmp_path, "labelme")


@pytest.mark.parametrize("select", ["random", "diverse"])
def test_another_round_shows_new_samples(select: str, tmp_path: Path, run_cli: RunCli) -> None:
    first = plan(tmp_path, "labelme", select=select, candidates=2, classes="0")
    second = plan(tmp_path, "labelme", select=select, candidates=2, classes="0", name="second")
    other = plan(tmp_path, "labelme", select=select, candidates=2, classes="0", name="third", seed=7)
    keys = [set(open_chosen(made.folder).keys()) for made in (first, second, other)]
    assert [len(one) for one in keys] == [2, 2, 2]
    assert len(set.union(*keys)) == 6
    assert (second.candidates, other.candidates) == (2, 2)
    for made in (first, second):
        draw(made, exact_masks(made.folder))
        assert collect(made).samples == 2
    both = [tmp_path / "datasets" / name for name in ("tiny-biggan-by-hand", "second")]
    done = run_cli("data", "merge", *both, "--out", tmp_path / "both", "-q")
    assert done.code == 0, done.stderr
    merged = open_dataset(tmp_path / "both")
    assert set(merged.keys()) == keys[0] | keys[1]
    assert (merged.info.kind, merged.info.generator) == ("annotated", open_dataset(both[0]).info.generator)


def test_what_cannot_be_planned_is_refused(tmp_path: Path) -> None:
    for changes, error, reason in (
        ({"tool": "gimp"}, UsageError, "no annotation tool is called 'gimp'"),
        ({"select": "best"}, UsageError, "expected --select random"),
        ({"select": "active"}, MissingError, "needs an ensemble that can doubt"),
        ({"labels": "a"}, UsageError, "the background first"),
        ({"labels": "background,__ignore__"}, UsageError, "names of their own"),
        ({"candidates": 1}, UsageError, "fewer than 2"),
        ({"head": "gone"}, MissingError, "no head 'gone'"),
    ):
        with pytest.raises(error, match=reason):
            plan(tmp_path, **{"tool": "folder", **changes})
    save_random_head(tmp_path)
    with pytest.raises(UsageError, match="has the labels object"):
        plan(tmp_path, "folder", labels="background,left,right")
    made = plan(tmp_path, "folder", head="none")
    with pytest.raises(UsageError, match="holds a plan already"):
        plan(tmp_path, "folder")
    with pytest.raises(UsageError, match="--mask-map is for masks of painting programs"):
        collect(plan(tmp_path, "labelme", name="other", head="none"), mask_map="0=0,255=1")
    (made.folder / "plan.json").write_text('{"format_version": 9}')
    with pytest.raises(DataError, match="format_version 1, got 9"):
        collect(made)
    with pytest.raises(MissingError, match="no plan of annotation"):
        collect_annotation(CollectConfig(tmp_path / "nothing"))


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[PlanResult, Masks]]:
    """A finished plan for each tool; tests copy it."""
    made = {}
    for tool in TOOLS:
        one = plan(tmp_path_factory.mktemp(tool), tool)
        masks = exact_masks(one.folder)
        draw(one, masks)
        made[tool] = (one, masks)
    return made


def copied(made: PlanResult, to: Path) -> PlanResult:
    shutil.copytree(made.folder, to / "annotations" / made.folder.name)
    folder = to / "annotations" / made.folder.name
    return PlanResult(folder, folder / "work", made.pictures, made.candidates, made.classes, made.plan)


def change_json(path: Path, change: Callable[[Any], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


def other_picture(work: Path, first: str, second: str) -> None:
    shutil.copy(work / f"{second}.png", work / f"{first}.png")


def embed(work: Path, key: str, data: bytes) -> None:
    change_json(work / f"{key}.json", lambda c: c.update(imageData=base64.b64encode(data).decode()))


def jpeg(data: bytes, quality: int = 80) -> bytes:
    pixels = cv2.cvtColor(decode_image(data, ""), cv2.COLOR_RGB2BGR)
    return bytes(cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes())


Spoil = Callable[[Path, str, str], object]
ODD: list[tuple[str, Spoil, str]] = [
    ("labelme", lambda w, a, b: (w / f"{a}.json").rename(w / "foreign.json"), "expected a picture of this plan"),
    ("labelme", lambda w, a, b: shutil.copy(w / f"{b}.json", w / f"{a}.json"), "'imagePath' to be that of"),
    ("labelme", lambda w, a, b: change_json(w / f"{a}.json", lambda c: c.update(imageWidth=32)), "got 32x64"),
    ("labelme", lambda w, a, b: other_picture(w, a, b), "got another one .PSNR"),
    ("labelme", lambda w, a, b: embed(w, a, (w / f"{b}.png").read_bytes()), "got another one .PSNR"),
    ("labelme", lambda w, a, b: embed(w, a, b"junk"), "expected a picture"),
    ("labelme", lambda w, a, b: embed(w, a, encode_image(np.zeros((32, 64, 3), np.uint8), "png")), "64x64 pixels, got"),
    ("labelme", lambda w, a, b: change_json(w / f"{a}.json", lambda c: c["shapes"][0].update(label="dog")),
     "expected a label of object, __ignore__, _background_, got 'dog'"),
    ("labelme", lambda w, a, b: (w / f"{a}.json").write_text("{"), "expected JSON"),
    ("labelme", lambda w, a, b: change_json(w / f"{a}.json", lambda c: c.update(imagePath=f"../../{a}.png")), "inside"),
    ("folder", lambda w, a, b: (w / "masks" / f"{a}.png").rename(w / "masks" / "x.png"), "a picture of this plan"),
    ("folder", lambda w, a, b: (w / "masks" / f"{a}.png").write_bytes(encode_mask(np.ones((9, 32), np.uint8))), "32x9"),
    ("folder", lambda w, a, b: (w / "masks" / f"{a}.png").write_bytes(encode_mask(np.full((64, 64), 7, np.uint8))),
     "expected mask values 0 to 1 or 255"),
    ("folder", lambda w, a, b: shutil.copy(w / "images" / f"{b}.png", w / "images" / f"{a}.png"), "another one"),
]  # fmt: skip


@pytest.mark.parametrize(("tool", "spoil", "reason"), ODD)
def test_masks_that_do_not_belong_are_refused(
    tool: str, spoil: Spoil, reason: str, drawn: dict[str, tuple[PlanResult, Masks]], tmp_path: Path
) -> None:
    made, masks = drawn[tool]
    made = copied(made, tmp_path)
    spoil(made.work, *list(masks)[:2])
    result = collect(made)
    assert (result.refused, result.written) == (True, False)
    with pytest.raises(DataError, match=reason):
        raise DataError("; ".join(fault.reason for fault in result.faults))
    assert not (tmp_path / "datasets").exists()
    left = collect(made, skip_odd=True)
    assert (left.samples, left.written) == (3, True)


def test_label_studio_tasks_of_other_pictures_are_refused(
    drawn: dict[str, tuple[PlanResult, Masks]], tmp_path: Path
) -> None:
    made = copied(drawn["labelstudio"][0], tmp_path)
    file = made.folder / "export.json"
    with pytest.raises(MissingError, match="expected the JSON that Label Studio exported"):
        collect(made)

    def exchange(tasks: list[Any]) -> None:
        tasks[0]["data"]["bdgan_key"], tasks[1]["data"]["bdgan_key"] = "nothing", tasks[0]["data"]["bdgan_key"]
        tasks[2]["annotations"][0]["result"][0]["original_width"] = 63

    change_json(file, exchange)
    result = collect(made, file)
    reasons = [fault.reason for fault in result.faults]
    assert [reason.split(":")[0] for reason in reasons] == ["task 1", "task 2", "task 3"]
    assert "with the key 'nothing'" in reasons[0]
    assert "expected a picture of 64x64 pixels, got 63x64" in reasons[2]


def test_the_same_picture_twice_is_refused(drawn: dict[str, tuple[PlanResult, Masks]], tmp_path: Path) -> None:
    made = copied(drawn["labelstudio"][0], tmp_path)
    change_json(made.folder / "export.json", lambda tasks: tasks.append(tasks[0]))
    result = collect(made, made.folder / "export.json")
    assert [fault.reason.split(",")[0] for fault in result.faults] == ["expected each picture once"]
    assert collect(made, made.folder / "export.json", skip_odd=True).samples == 3


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda entries: entries.update({"../../evil.png": b""}), "inside the folder, got '../../evil.png'"),
        (lambda entries: entries.update({"/etc/evil.png": b""}), "inside the folder"),
        (lambda entries: entries.pop("labelmap.txt"), "expected .*labelmap.txt"),
        (lambda entries: entries.update({"labelmap.txt": b"nonsense"}), "labelmap.txt: line 1"),
    ],
)
def test_odd_exports_of_cvat_are_refused(
    change: Callable[[dict[str, bytes]], object],
    reason: str,
    drawn: dict[str, tuple[PlanResult, Masks]],
    tmp_path: Path,
) -> None:
    made = copied(drawn["cvat"][0], tmp_path)
    file = made.folder / "export.zip"
    with zipfile.ZipFile(file) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    change(entries)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)
    file.write_bytes(packed.getvalue())
    with pytest.raises(BdganError, match=reason):
        collect(made, file)
    assert not (tmp_path / "evil.png").exists()


def test_cvats_labels_are_taken_by_name_not_by_place(tmp_path: Path) -> None:
    made = plan(tmp_path, "cvat", labels="background,left,right")
    key = open_chosen(made.folder).keys()[0]
    colours = np.zeros((SIZE, SIZE, 3), np.uint8)
    colours[:, :10], colours[:, 20:30], colours[:, 40:] = (9, 8, 7), (50, 60, 70), (1, 1, 1)
    folder = tmp_path / "export"
    (folder / "SegmentationClass").mkdir(parents=True)
    (folder / "SegmentationClass" / f"{key}.png").write_bytes(encode_image(colours, "png"))
    (folder / "labelmap.txt").write_text("right:50,60,70::\n__ignore__:1,1,1::\nbackground:0,0,0::\nleft:9,8,7::\n")
    root = collect(made, folder).root
    expected = np.zeros((SIZE, SIZE), np.uint8)
    expected[:, :10], expected[:, 20:30], expected[:, 40:] = 1, 2, 255
    np.testing.assert_array_equal(collected(root)[key], expected)


@pytest.mark.parametrize("quality", [75, 95])
def test_a_new_encoding_of_the_picture_belongs(
    quality: int, drawn: dict[str, tuple[PlanResult, Masks]], tmp_path: Path
) -> None:
    made, masks = drawn["labelme"]
    made = copied(made, tmp_path)
    for key in masks:
        embed(made.work, key, jpeg((made.work / f"{key}.png").read_bytes(), quality))
    result = collect(made)
    assert (result.faults, result.samples) == ([], 4)


def test_painted_masks_are_read_by_a_map(drawn: dict[str, tuple[PlanResult, Masks]], tmp_path: Path) -> None:
    made, masks = drawn["folder"]
    made = copied(made, tmp_path)
    for key, mask in masks.items():
        (made.work / "masks" / f"{key}.png").write_bytes(encode_mask(mask * 255))
    assert len(collect(made).faults) == 4
    root = collect(made, mask_map="0=0,255=1").root
    for key, mask in collected(root).items():
        np.testing.assert_array_equal(mask, masks[key])
