"""``analyze shapes``: what is clustered, counted, drawn and written."""

import io
import json

import matplotlib.image
import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from bdgan_cli.analysis.shapes import find_modes, normalized_shape
from bdgan_cli.cli.analyze_shapes import shapes
from bdgan_cli.dataset.importers.folder import FolderImport, import_folder
from bdgan_cli.dataset.importers.mask_rules import MaskRule
from bdgan_cli.dataset.masks import object_pixels
from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.dataset.writer import open_for_writing
from bdgan_cli.errors import UsageError
from bdgan_cli.progress import Silent
from bdgan_cli.workflows.analysis_io import AnalysisConfig
from bdgan_cli.workflows.analyze_shapes import ShapesOptions, analyze_shapes, write_shapes
from tests.conftest import ROOT
from tests.dataset.builders import SIZE, make_info, make_sample

PETS = ROOT.parent / "shared" / "data" / "pets"


def rectangle(height, width, hole=0):
    mask = np.zeros((SIZE, SIZE), np.uint8)
    mask[2 : 2 + height, 1 : 1 + width] = 1
    mask[4 : 4 + hole, 4 : 4 + hole] = 0
    return mask


VARIED = [rectangle(20, 20, hole) for hole in (0, 2, 4, 6, 8, 10, 12)]


def write_classes(root, masks_by_class):
    """A dataset with these masks by class id; None for a sample without mask."""
    writer = open_for_writing(root, make_info(4, 9))
    for class_id, masks in masks_by_class.items():
        samples = [make_sample(class_id, i, mask=mask) for i, mask in enumerate(masks)]
        writer.write_shard(f"c{class_id:04d}-b0000", samples)
    writer.finalize()
    return root


def analyzed(root, seed=0, workers=None, **options):
    config = AnalysisConfig((str(root),), seed=seed, workers=workers)
    return analyze_shapes(config, ShapesOptions(**options))


def summary(result):
    """Counts, sizes and the shown cluster of each class."""
    return {
        class_id: (
            *(one[name] for name in ("masks", "too_small", "without_mask", "distinct", "clusters")),
            one["sizes"],
        )
        for class_id, one in result.to_json()["datasets"]["toy"]["classes"].items()
    }


def test_odd_classes(tmp_path):
    root = write_classes(
        tmp_path / "toy",
        {
            0: [None, None, rectangle(9, 11), np.zeros((SIZE, SIZE), np.uint8)],
            1: [rectangle(10, 10)],
            2: [np.ones((SIZE, SIZE), np.uint8), np.full((SIZE, SIZE), 1, np.uint8)],
            3: [*VARIED, VARIED[0]],
        },
    )
    result = analyzed(root)
    found = summary(result)
    assert found["0"] == (0, 2, 2, 0, 0, [])
    assert found["1"] == (1, 0, 0, 1, 1, [1])
    assert found["2"] == (2, 0, 0, 1, 1, [2])
    assert found["3"][:5] == (8, 0, 0, 7, 5)
    assert sum(found["3"][5]) == 8
    assert (result.entries[0].classes[2].means_kSS == 1).all()
    assert set(result.notes) == {
        "toy: masks under 100 pixels left out: 2",
        "toy: samples without mask: 2",
        "toy: classes with fewer than 5 different shapes, each of which is a cluster: 2",
        "toy: classes without a mask to cluster: 1",
    }
    assert sorted(result.figures) == ["shapes-classes-toy", "shapes-toy"]
    assert "3 of 3 classes" in result.figures["shapes-toy"].svg


@pytest.mark.parametrize("masks", [{}, {0: [None]}, {1: [rectangle(3, 3)]}])
def test_nothing_to_cluster(tmp_path, masks):
    result = analyzed(write_classes(tmp_path / "toy", masks))
    assert result.figures == {}
    assert "toy: there is no mask to cluster" in result.notes
    assert result.to_json()["datasets"]["toy"]["masks"] == 0
    assert len(write_shapes(AnalysisConfig(out=tmp_path / "out"), result, result.datasets)) == 2


@pytest.mark.skipif(not PETS.is_dir(), reason="needs ../shared/data/pets")
def test_real_masks_by_the_parts_one_after_another(tmp_path):
    import_folder(PETS, tmp_path / "toy", FolderImport("toy", ("background", "object"), MaskRule(2)), Silent())
    result = analyzed(tmp_path / "toy", seed=5)
    assert list(summary(result)) == ["1", "2", "6"]
    dataset = open_dataset(tmp_path / "toy")
    classes = dict(zip(dataset.keys(), dataset.table["class_id"].to_pylist(), strict=True))
    for one in result.entries[0].classes:
        masks = [record.mask for record in dataset.iterate(("mask",)) if classes[record.key] == one.class_id]
        shapes_NSS = np.stack([normalized_shape(object_pixels(mask)) for mask in masks])
        stream = np.random.default_rng([5, one.class_id])
        stream.permutation(len(masks))  # which masks are drawn, if there are too many
        modes = find_modes(shapes_NSS, stream)
        assert one.sizes.tolist() == modes.sizes.tolist()
        np.testing.assert_array_equal(one.means_kSS, modes.means_kSS)


def test_a_class_does_not_depend_on_others_or_on_threads(tmp_path):
    both = write_classes(tmp_path / "both", {0: VARIED[:6], 3: VARIED})
    alone = write_classes(tmp_path / "alone", {3: VARIED})
    one = analyzed(alone, workers=1).entries[0].classes[0]
    other = analyzed(both, workers=2).entries[0].classes[1]
    assert one.sizes.tolist() == other.sizes.tolist()
    np.testing.assert_array_equal(one.means_kSS, other.means_kSS)


def test_masks_are_drawn_from_large_classes(tmp_path):
    result = analyzed(write_classes(tmp_path / "toy", {0: VARIED}), most_per_class=6, clusters=2)
    of_class = result.to_json()["datasets"]["toy"]["classes"]["0"]
    assert (of_class["masks"], of_class["not_drawn"], sum(of_class["sizes"])) == (6, 1, 6)
    assert "toy: of the larger classes 6 masks were drawn" in result.notes


def test_figure_shows_some_classes_and_one_cluster_each(tmp_path):
    root = write_classes(tmp_path / "toy", dict.fromkeys(range(4), VARIED))
    some = [[one.shown for one in analyzed(root, seed, classes=3).entries[0].classes] for seed in (0, 1)]
    assert [sum(shown >= 0 for shown in one) for one in some] == [3, 3]
    assert some[0] != some[1]
    assert [one.shown for one in analyzed(root, pick="largest").entries[0].classes] == [0, 0, 0, 0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pick": "best"}, "expected a pick of random or largest, got 'best'"),
        ({"clusters": 0}, "expected clusters of at least 1, got 0"),
        ({"most_per_class": -1}, "expected most_per_class of at least 1"),
    ],
)
def test_refusals(tmp_path, options, message):
    root = write_classes(tmp_path / "toy", {0: VARIED})
    with pytest.raises(UsageError, match=message):
        analyzed(root, **options)


def test_files_are_the_same_bytes(tmp_path):
    root = write_classes(tmp_path / "toy", {0: VARIED, 1: [rectangle(12, 12)]})
    written = []
    for name in ("one", "two"):
        result = analyzed(root)
        paths = write_shapes(AnalysisConfig(out=tmp_path / name), result, result.datasets)
        written.append({path.name: path.read_bytes() for path in paths})
    assert written[0] == written[1]
    lines = written[0]["shapes.csv"].decode().splitlines()
    assert lines[0].endswith("distinct,clusters,size_1,size_2,size_3,size_4,size_5")
    assert lines[2].endswith(",1,1,1,,,,")
    sheet = matplotlib.image.imread(io.BytesIO(written[0]["shapes-classes-toy.png"]))
    assert len(np.unique(sheet.reshape(-1, sheet.shape[-1]), axis=0)) > 20


def test_command(tmp_path):
    write_classes(tmp_path / "datasets" / "toy", {0: VARIED})
    app = typer.Typer()
    app.command()(shapes)
    asked = ["--workspace", str(tmp_path), "--quiet", "--clusters", "3"]
    printed = json.loads(CliRunner().invoke(app, [*asked, "--json"]).stdout)
    assert len(printed["datasets"]["toy"]["classes"]["0"]["sizes"]) == 3
    assert (tmp_path / "analysis" / "toy" / "shapes-toy.svg").is_file()
    again = CliRunner().invoke(app, asked)
    assert (again.exit_code, "distinct" in again.stdout) == (0, True), again.exception
