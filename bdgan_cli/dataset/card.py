"""The dataset card: README.md as the Hugging Face Hub expects it, and a picture of some samples.

Everything in it follows from the dataset, so that equal datasets have equal cards.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

from bdgan_cli.atomic import write_atomically
from bdgan_cli.dataset.codecs import encode_image
from bdgan_cli.dataset.pictures import draw_grid, legend_of, sample_tiles
from bdgan_cli.dataset.reader import Dataset, open_dataset
from bdgan_cli.dataset.schema import CARD_FILE, PREVIEW_FILE, DatasetInfo, ModelRef

_HUB_LICENCES = ("apache-2.0", "mit", "cc0-1.0", "cc-by-4.0", "cc-by-sa-4.0", "cc-by-nc-4.0", "cc-by-nc-sa-4.0")
_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
_PREVIEW_COUNT, _PREVIEW_TILE_PX = 12, 160
_LISTED_CLASSES = 100


def write_card(root: Path) -> None:
    """Write README.md and, if there are samples, preview.png.

    Raises:
        DataError: If a sample of the preview is damaged.
        BdganError: If the machine refuses.
    """
    dataset = open_dataset(root)
    if len(dataset):
        tiles = sample_tiles(dataset, _PREVIEW_COUNT, seed=0)
        title = f"{dataset.info.name}: {len(tiles)} of {len(dataset)} samples"
        legend = legend_of(tiles, dataset.info.label_names)
        picture = draw_grid(tiles, title, legend, tile_px=_PREVIEW_TILE_PX)
        write_atomically(root / PREVIEW_FILE, encode_image(picture, "png"))
    write_atomically(root / CARD_FILE, card_text(dataset).encode())


def card_text(dataset: Dataset) -> str:
    """Return the card's Markdown."""
    info = dataset.info
    facts = [
        ("Kind", info.kind),
        ("Samples", f"{len(dataset)}"),
        ("Classes", f"{len(info.classes)}"),
        ("Image size", f"{info.image_size} x {info.image_size} pixels" if info.image_size else "varies"),
        ("Labels", ", ".join(f"{value} {name}" for value, name in enumerate(info.label_names)) + ", 255 ignore"),
        ("Generator", _model_text(info.generator)),
        ("Segmentation head", _model_text(info.head)),
        ("Licence", info.licence or "not stated"),
    ]
    parts = [_front_matter(info, len(dataset)), f"# {info.name}", info.provenance]
    if len(dataset):
        parts.append(f"![Samples with their masks]({PREVIEW_FILE})")
    parts.append("\n".join(["| | |", "| --- | --- |", *(f"| {name} | {_cell(value)} |" for name, value in facts)]))
    parts.append(_class_table(dataset))
    parts.append(_READING)
    return "\n\n".join(part for part in parts if part) + "\n"


def _front_matter(info: DatasetInfo, count: int) -> str:
    lines = ["---", f"pretty_name: {json.dumps(info.name)}", *licence_lines(info.licence)]
    lines += ["task_categories:", "- image-segmentation", "size_categories:", f"- {size_category(count)}"]
    lines += ["tags:", "- bdgan"]
    lines += ["- webdataset", *(["- synthetic"] if info.generator else [])]
    lines += ["configs:", "- config_name: default", '  data_files: "shards/*.tar"', "---"]
    return "\n".join(lines)


def licence_lines(licence: str) -> list[str]:
    """Return the front matter's lines about the licence, as the Hub wants them."""
    if licence.lower() in _HUB_LICENCES:
        return [f"license: {licence.lower()}"]
    return ["license: other", f"license_name: {json.dumps(licence or 'not stated')}"]


def size_category(count: int) -> str:
    """Return the Hub's word for a number of samples."""
    return next((name for limit, name in _SIZES if count < limit), "1M<n<10M")


def _class_table(dataset: Dataset) -> str:
    counts = Counter(dataset.table["class_id"].to_pylist())
    shown = dataset.info.classes[:_LISTED_CLASSES]
    rows = [f"| {entry.id} | {entry.wnid} | {_cell(entry.name)} | {counts[entry.id]} |" for entry in shown]
    left = len(dataset.info.classes) - len(shown)
    more = [f"\n{left} more classes are listed in `dataset.json`."] if left else []
    return "\n".join(["| id | wnid | class | samples |", "| ---: | --- | --- | ---: |", *rows, *more])


def _model_text(model: ModelRef | None) -> str:
    return "none" if model is None else f"{model.name} (weights sha256 `{model.sha256[:16]}`)"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


_READING = """## Reading

The tar files under `shards/` follow the WebDataset convention (`<key>.png`, `<key>.mask.png`, `<key>.latent.npy`,
`<key>.json`); `index/` holds one Parquet row per sample with class, mask statistics, scores and byte positions.

```python
from bdgan_cli.dataset.reader import open_dataset

for record in open_dataset("PATH").iterate():
    record.image, record.mask
```
"""
