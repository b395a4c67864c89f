import json
import re

import numpy as np
import pytest

from bdgan_cli.dataset.reader import open_dataset
from bdgan_cli.errors import UsageError
from bdgan_cli.interfaces import Latents
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.demo import FEWEST_BAD, DemoConfig, demo


@pytest.fixture(scope="module")
def small_demo(tmp_path_factory):
    config = DemoConfig(
        tmp_path_factory.mktemp("demo") / "out", annotated=2, per_class=10, members=3, stress_per_class=3, head_steps=40
    )
    return config, demo(config)


def test_the_figures_are_those_of_the_files(small_demo):
    config, result = small_demo
    dataset = open_dataset(config.out / "datasets" / "tiny-biggan-sim")
    generator = load_generator("tiny-biggan")
    iou = []
    for record, row in zip(dataset.iterate(("mask", "latent")), dataset.table.to_pylist(), strict=True):
        latents = Latents(*map(_batch, (record.latent, row["class_id"], row["truncation"])))
        truth = generator.truth(latents)[0].numpy() > 0
        iou.append((truth & (record.mask > 0)).sum() / (truth | (record.mask > 0)).sum())
    assert result.figures["label_iou"] == pytest.approx(np.mean(iou))
    kept = set(open_dataset(f"{dataset.root}@filtered").keys())
    filtered = [value for value, key in zip(iou, dataset.keys(), strict=True) if key in kept]
    assert result.figures["label_iou_filtered"] == pytest.approx(np.mean(filtered))
    assert result.figures["kept"] == len(kept) == 12 * 9


def _batch(value):
    import torch

    return torch.as_tensor(value).unsqueeze(0)


def test_the_page_is_self_contained_and_the_json_lies_beside_it(small_demo):
    config, result = small_demo
    page = result.page.read_text()
    assert page.count("data:image/webp;base64,") == 12 * 8 + 16 + 16
    assert page.count("<svg") == 3
    assert not re.search(r"(src|href)=.?(https?:)?//|url\(.?http|@import", page)
    assert "<script" not in page
    assert json.loads((config.out / "report.json").read_text())["label_iou"] == result.figures["label_iou"]


def test_no_auroc_is_claimed_from_a_handful_of_bad_labels(small_demo):
    _, result = small_demo
    bad = result.figures["stress_bad_labels"]
    found = result.figures["uncertainty_auroc_by_score"].values()
    assert all((value is None) == (bad < FEWEST_BAD) for value in found)
    assert ("too few for an AUROC" in result.page.read_text()) == (bad < FEWEST_BAD)


def test_running_it_again_makes_nothing_anew(small_demo):
    config, result = small_demo
    again = demo(config)
    assert again.figures["label_iou"] == result.figures["label_iou"]
    assert again.figures["images_per_second"] == 0


def test_a_folder_that_holds_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("precious")
    with pytest.raises(UsageError, match=r"holds something else \(thesis\.tex\)"):
        demo(DemoConfig(tmp_path))
    assert (tmp_path / "thesis.tex").read_text() == "precious"
