"""``analyze centers`` against a slow loop over the masks themselves."""

import json
import math
import shutil

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import typer
from typer.testing import CliRunner

from bdgan_cli.cli.analyze_centers import centers
from bdgan_cli.dataset.importers.folder import FolderImport, import_folder
from bdgan_cli.dataset.importers.mask_rules import MaskRule
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.views import write_view
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.analysis_io import AnalysisConfig
from bdgan_cli.workflows.analyze_centers import CentersOptions, analyze_centers, write_centers
from tests.conftest import ROOT
from tests.dataset.builders import SIZE, make_info, make_sample, write_all

PETS = ROOT.parent / "shared" / "data" / "pets"
MEASURES = ("mean_x", "mean_y", "std_x", "std_y", "mean_radius", "near_center", "in_corners")


def centre_of(mask):
    """The middle of the object's tight box, one pixel at a time."""
    found = [(x, y) for y, row in enumerate(mask) for x, value in enumerate(row) if value not in (0, 255)]
    xs, ys = [x for x, _ in found], [y for _, y in found]
    return (min(xs) + max(xs) + 1) / 2 / len(mask[0]), (min(ys) + max(ys) + 1) / 2 / len(mask)


def expected(masks):
    points = [centre_of(mask.tolist()) for mask in masks]
    n = len(points)
    mean = [sum(point[axis] for point in points) / n for axis in (0, 1)]
    std = [math.sqrt(sum((point[axis] - mean[axis]) ** 2 for point in points) / n) for axis in (0, 1)]
    radii = [math.dist(point, (0.5, 0.5)) for point in points]
    cornered = [all(min(value, 1 - value) <= 0.25 for value in point) for point in points]
    return dict(
        zip(MEASURES, [*mean, *std, sum(radii) / n, sum(r <= 0.1 for r in radii) / n, sum(cornered) / n], strict=True)
    )


def measured(*references, **options):
    return analyze_centers(AnalysisConfig(tuple(map(str, references))), CentersOptions(**options)).to_json()["datasets"]


def write_masks(root, masks, **changes):
    """A dataset of class 0 with these masks; None for a sample without mask."""
    writer = open_for_writing(root, make_info(1, max(1, len(masks)), **changes))
    if masks:
        writer.write_shard("c0000-b0000", (make_sample(0, i, mask=mask) for i, mask in enumerate(masks)))
    writer.finalize()
    return root


def test_numbers_equal_a_loop_over_the_masks(tmp_path):
    write_all(tmp_path / "toy", 3, 7)
    records = list(open_dataset(tmp_path / "toy").iterate(("mask",)))
    found = measured(tmp_path / "toy")["toy"]
    assert {name: found[name] for name in MEASURES} == pytest.approx(expected([r.mask for r in records]), abs=1e-12)
    for class_id in range(3):
        masks = [r.mask for r in records if r.key.startswith(f"n{class_id:08d}")]
        of_class = found["classes"][str(class_id)]
        assert of_class["masks"] == 7
        assert {name: of_class[name] for name in MEASURES} == pytest.approx(expected(masks), abs=1e-12)


@pytest.mark.skipif(not PETS.is_dir(), reason="needs ../shared/data/pets")
def test_real_masks(tmp_path):
    import_folder(PETS, tmp_path / "pets", FolderImport("pets", ("background", "object"), MaskRule(2)), Silent())
    dataset = open_dataset(tmp_path / "pets")
    some = list(dataset.iterate(("mask",)))[:12]
    rest = len(dataset) - 12
    chosen = {"kept": [True] * 12 + [False] * rest, "rule": [""] * 12 + ["far"] * rest, "score": [0.0] * (12 + rest)}
    write_view(dataset, "some", pa.table({"key": dataset.table["key"], **chosen}))
    found = measured(f"{tmp_path / 'pets'}@some")["pets@some"]
    assert found["masks"] == 12
    assert {name: found[name] for name in MEASURES} == pytest.approx(expected([r.mask for r in some]), abs=1e-12)


def test_only_the_index_is_read(tmp_path):
    write_all(tmp_path / "toy")
    before = measured(tmp_path / "toy")
    shutil.rmtree(tmp_path / "toy" / "shards")
    assert measured(tmp_path / "toy") == before


@pytest.mark.parametrize(
    ("masks", "counts", "mean"),
    [
        ([], (0, 0, 0), None),
        ([None, None], (0, 0, 2), None),
        ([np.zeros((SIZE, SIZE), np.uint8)], (0, 1, 0), None),
        ([np.full((SIZE, SIZE), 255, np.uint8)], (0, 1, 0), None),
        ([np.ones((SIZE, SIZE), np.uint8), None], (1, 0, 1), 0.5),
        ([np.eye(1, SIZE * SIZE, dtype=np.uint8).reshape(SIZE, SIZE)], (1, 0, 0), 0.5 / SIZE),
    ],
)
def test_what_has_no_center_is_counted(tmp_path, masks, counts, mean):
    write_masks(tmp_path / "odd", masks)
    result = analyze_centers(AnalysisConfig((str(tmp_path / "odd"),)))
    found = result.to_json()["datasets"]["toy"]
    assert (found["masks"], found["without_object"], found["without_mask"]) == counts
    if mean is None:
        assert all(math.isnan(found[name]) for name in MEASURES)
        assert result.notes == ("toy: no mask with an object, so there is nothing to measure",)
    else:
        assert (found["mean_x"], found["mean_y"], found["std_x"]) == pytest.approx((mean, mean, 0))
        assert result.notes == ()


def test_an_index_without_boxes_has_no_centers(tmp_path):
    root = tmp_path / "toy"
    write_all(root)
    for path in (root / "index").glob("*.parquet"):
        table = pq.read_table(path)
        pq.write_table(table.drop_columns(["bbox_x", "bbox_y", "bbox_w", "bbox_h"]), path)
    assert measured(root)["toy"]["without_mask"] == 12


def test_a_box_outside_its_picture_is_refused(tmp_path):
    root = tmp_path / "toy"
    write_all(root)
    path = sorted((root / "index").glob("*.parquet"))[0]
    table = pq.read_table(path)
    at = table.schema.get_field_index("bbox_x")
    pq.write_table(table.set_column(at, table.schema.field(at), pa.array([SIZE - 1] * len(table), pa.int32())), path)
    with pytest.raises(DataError, match="got 4 that leave them") as caught:
        measured(root)
    assert caught.value.hint == f"bdgan data verify {root}"


def test_refusals(tmp_path):
    root = write_masks(tmp_path / "toy", [None])
    with pytest.raises(UsageError, match="expected a style of auto, points, density, got 'dots'"):
        measured(root, style="dots")
    with pytest.raises(UsageError, match="named twice"):
        measured(root, root)
    with pytest.raises(MissingError):
        analyze_centers(AnalysisConfig(workspace=tmp_path))
    (root / "index" / "broken.parquet").write_bytes(b"PAR1")
    with pytest.raises(DataError, match=r"broken\.parquet"):
        measured(root)


@pytest.mark.parametrize("style", ["points", "density"])
def test_results_are_the_same_bytes_and_are_not_replaced_unasked(tmp_path, style):
    write_all(tmp_path / "toy", 2, 60)
    write_masks(tmp_path / "none", [])
    references = (str(tmp_path / "toy"), str(tmp_path / "none"))
    folders = []
    for name in ("one", "two"):
        config = AnalysisConfig(references, out=tmp_path / name)
        result = analyze_centers(config, CentersOptions(style))
        # Both datasets have one name in their card, so their folders name them.
        assert [entry.name for entry in result.datasets] == ["toy", "none"]
        paths = write_centers(config, result, result.datasets)
        assert [path.name for path in paths] == [
            "centers.json", "centers.csv", "centers-classes.csv", "centers.svg", "centers.png",
        ]  # fmt: skip
        folders.append({path.name: path.read_bytes() for path in paths})
    assert folders[0] == folders[1]
    assert json.loads(folders[0]["centers.json"])["datasets"]["none"]["mean_x"] is None
    assert b"120 masks" in folders[0]["centers.svg"]
    assert b"no mask with an object" in folders[0]["centers.svg"]
    config = AnalysisConfig(references[:1], out=tmp_path / "one")
    other = analyze_centers(config)
    with pytest.raises(UsageError, match="holds other results"):
        write_centers(config, other, other.datasets)


def test_command(tmp_path):
    write_all(tmp_path / "datasets" / "toy")
    app = typer.Typer()
    app.command()(centers)
    asked = ["--workspace", str(tmp_path), "--quiet"]
    printed = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert printed["analysis"] == "centers"
    assert printed["datasets"]["toy"]["masks"] == 12
    assert (tmp_path / "analysis" / "toy" / "centers.png").is_file()
    table = CliRunner().invoke(app, asked).stdout
    assert "near_center" in table
    assert "centers.csv" in table
