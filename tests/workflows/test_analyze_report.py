"""The page of all analyses: complete, self-contained, the same bytes for the same seed."""

import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.workflows import analysis_io
from bdgan_cli.workflows.analysis_io import AnalysisConfig
from bdgan_cli.workflows.analyze_report import COLUMNS, PAPER_ROWS, ReportOptions, analyze_report
from bdgan_cli.workflows.sample import SampleConfig, sample


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("report")
    for name, seed in (("first", 1), ("second", 2)):
        sample(
            SampleConfig(
                "tiny-biggan", folder, name, classes="star,disc", per_class=12, seed=seed, labels="exact", batch=4,
                shard_size=12,
            )
        )  # fmt: skip
    paths = tuple(str(folder / "datasets" / name) for name in ("first", "second"))
    config = AnalysisConfig(paths, folder, folder / "page", workers=1)
    return config, analyze_report(config, ReportOptions(reference=paths[1], samples=24, gallery=6))


def test_every_analysis_lies_beside_the_page(made):
    config, result = made
    names = {path.name for path in config.out.iterdir()}
    assert result.page.name == "report.html"
    for stem in ("centers", "geometry", "shapes", "quality", "figures"):
        assert f"{stem}.json" in names
        assert f"{stem}.csv" in names
    assert {"report.json", "table1.csv", "centers.svg", "centers.png", "geometry-figures.png"} <= names


def test_the_table_has_the_papers_columns_and_what_is_known_of_its_rows(made):
    config, result = made
    columns, rows = result.table()
    assert columns == ["dataset", *COLUMNS]
    assert [row[0] for row in rows] == ["first", "second", *PAPER_ROWS]
    table = json.loads((config.out / "report.json").read_text())["table1"]
    geometry = json.loads((config.out / "geometry.json").read_text())["datasets"]
    for name in ("first", "second"):
        assert table[name]["SC"] == pytest.approx(geometry[name]["SC"]["value"])
    assert table["second"]["FID"] == pytest.approx(0, abs=1e-6)  # against itself
    assert table["first"]["FID"] > 0.01
    assert table["paper: VQGAN-sim"]["FID"] == 21.21
    assert table["paper: VQGAN-sim"]["SC"] is None


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.ids, self.targets, self.tags = [], [], []

    def handle_starttag(self, tag, attrs):
        values = dict(attrs)
        self.tags.append(tag)
        if "id" in values and tag in ("figure", "h3"):
            self.ids.append(values["id"])
        if tag == "a" and values.get("href", "").startswith("#"):
            self.targets.append(values["href"][1:])


def test_the_page_is_self_contained_and_its_galleries_are_linked(made):
    _, result = made
    page = result.page.read_text()
    assert not re.search(r"(src|href)=.?(https?:)?//|url\(.?http|@import", page)
    links = Links()
    links.feed(page)
    assert "script" not in links.tags
    assert len(links.ids) == len(set(links.ids))
    assert set(links.targets) <= set(links.ids)
    assert links.tags.count("figure") == 2 * 6
    assert page.count("<svg") >= 4
    assert "first" in page
    assert "tiny-features" in page


def test_the_same_seed_gives_the_same_files(made, tmp_path):
    config, result = made
    options = ReportOptions(reference=config.datasets[1], samples=24, gallery=6)
    again = analyze_report(replace(config, out=tmp_path / "again"), options)
    for path in result.page.parent.iterdir():
        assert (again.page.parent / path.name).read_bytes() == path.read_bytes(), path.name


def test_other_results_are_not_replaced_unasked(made):
    config, result = made
    before = result.page.read_bytes()
    with pytest.raises(UsageError, match="holds other results"):
        analyze_report(replace(config, datasets=config.datasets[:1]), ReportOptions(gallery=2))
    assert result.page.read_bytes() == before


def test_a_dataset_without_masks_gets_a_page_that_says_so(tmp_path):
    made = sample(
        SampleConfig("tiny-biggan", tmp_path, "bare", classes="star", per_class=2, labels="none", batch=2, shard_size=2)
    )
    result = analyze_report(AnalysisConfig((str(made.folder),), tmp_path), ReportOptions(gallery=2))
    page = result.page.read_text()
    assert "no mask" in page
    assert json.loads((result.page.parent / "report.json").read_text())["table1"]["bare"]["SC"] is None


def test_every_dataset_is_opened_once(made, tmp_path, monkeypatch):
    config, _ = made
    opened = []

    def counting(reference):
        opened.append(reference)
        return open_dataset(reference)

    # As a default argument of open_datasets it is bound already; analyses that open by themselves would call it.
    monkeypatch.setattr(analysis_io.open_datasets, "__defaults__", (None, counting))
    analyze_report(replace(config, out=tmp_path / "once"), ReportOptions(gallery=2))
    assert opened == list(config.datasets)
