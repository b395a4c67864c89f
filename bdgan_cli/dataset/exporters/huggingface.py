"""Hugging Face datasets: Parquet with the bytes of pictures and masks, ``id2label.json`` and a dataset card.

    data/<split>-00000-of-00003.parquet    key, image, mask, label (the class), extra (facts of the source, JSON)
    id2label.json                          names of the mask values
    README.md                              the card; its YAML declares features and splits

What is the same for all samples stands in the card, not in the rows. Without splits there is one, ``train``, as the
library wants it; a split's name has no ``-`` there.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq

from bdgan_cli.dataset.card import licence_lines, size_category
from bdgan_cli.dataset.codecs import encode_mask
from bdgan_cli.dataset.exporters.exporter import Converted, ExportPlan, Item, Records
from bdgan_cli.dataset.exporters.json_text import json_text
from bdgan_cli.dataset.exporters.labels import class_names

# Few pictures in a row group: viewers and random readers load one as a whole.
_GROUP_ROWS = 50
_FILE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


class HuggingFaceExporter:
    """Writes Parquet files and what describes them; see the module."""

    owns = ("data", "README.md", "id2label.json")

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan
        self.packing = ParquetPacking(plan)
        self._numbers = {entry.id: number for number, entry in enumerate(plan.info.classes)}

    def convert(self, item: Item) -> Converted:
        """Return the sample as a row."""
        assert item.mask is not None, "the format needs masks, so the driver refuses samples without"
        mask = encode_mask(item.mask)
        row = {
            "key": item.key,
            "image": {"bytes": item.image, "path": f"{item.key}.{item.image_format}"},
            "mask": {"bytes": mask, "path": f"{item.key}.png"},
            "label": self._numbers[item.entry.id],
            "extra": json_text(dict(item.extra)) if item.extra else "",
        }
        return Converted(record={"bytes": len(item.image) + len(mask)}, packed=row)

    def finish(self, records: Records) -> Iterator[tuple[str, Iterable[bytes]]]:
        """Yield the names of the mask values and the card."""
        names = dict(enumerate(self.plan.label_names))
        yield "id2label.json", [f"{json.dumps(names, ensure_ascii=False, indent=2)}\n".encode()]
        sizes = {split: sum(record["bytes"] for record in records(split)) for split in self.plan.splits}
        yield "README.md", [_card(self.plan, sizes).encode()]


class ParquetPacking:
    """A Parquet file for each part."""

    def __init__(self, plan: ExportPlan) -> None:
        self.plan = plan
        self.schema = _schema(plan)

    def path(self, split: str, number: int) -> str:
        """Return a part's file, named as the library names them."""
        return f"data/{split_name(split)}-{number:05d}-of-{self.plan.parts[split]:05d}.parquet"

    def write(self, file: BinaryIO, rows: Iterable[Mapping[str, Any]]) -> None:
        """Write row group by row group."""
        left = iter(rows)
        # Pictures are compressed already: trying again would only take time.
        with pq.ParquetWriter(file, self.schema, compression="none", use_dictionary=["label", "extra"]) as writer:
            while group := list(islice(left, _GROUP_ROWS)):
                writer.write_table(pa.Table.from_pylist(group, schema=self.schema))


def split_name(split: str) -> str:
    """Return a split's name as the library takes it."""
    return split.replace("-", "_") or "train"


@lru_cache(maxsize=8)
def _features(names: tuple[str, ...]) -> dict[str, Any]:
    return {
        "key": {"dtype": "string", "_type": "Value"},
        "image": {"_type": "Image"},
        "mask": {"_type": "Image"},
        "label": {"names": list(names), "_type": "ClassLabel"},
        "extra": {"dtype": "string", "_type": "Value"},
    }


def _schema(plan: ExportPlan) -> pa.Schema:
    columns = [("key", pa.string()), ("image", _FILE), ("mask", _FILE), ("label", pa.int64()), ("extra", pa.string())]
    features = _features(tuple(class_names(plan.info.classes)))
    return pa.schema(columns, metadata={"huggingface": json_text({"info": {"features": features}})})


def _card(plan: ExportPlan, sizes: Mapping[str, int]) -> str:
    info, count = plan.info, sum(plan.splits.values())
    lines = ["---", f"pretty_name: {json.dumps(info.name)}", *licence_lines(info.licence)]
    lines += ["task_categories:", "- image-segmentation", "size_categories:", f"- {size_category(count)}"]
    lines += ["tags:", "- bdgan", *(["- synthetic"] if info.generator else [])]
    lines += ["dataset_info:", "  features:", "  - name: key", "    dtype: string"]
    lines += ["  - name: image", "    dtype: image", "  - name: mask", "    dtype: image"]
    lines += ["  - name: label", "    dtype:", "      class_label:", "        names:"]
    lines += [f"          '{number}': {json.dumps(name)}" for number, name in enumerate(class_names(info.classes))]
    lines += ["  - name: extra", "    dtype: string", "  splits:"]
    for split, samples in plan.splits.items():
        name = split_name(split)
        lines += [f"  - name: {name}", f"    num_bytes: {sizes[split]}", f"    num_examples: {samples}"]
    lines += ["configs:", "- config_name: default", "  data_files:"]
    for split in plan.splits:
        lines += [f"  - split: {split_name(split)}", f"    path: data/{split_name(split)}-*"]
    lines += ["---", "", f"# {info.name}", ""]
    lines += [info.provenance, ""] if info.provenance else []
    lines += [
        "A mask is an image with one channel: its values are those of `id2label.json`, and 255 is to be ignored.",
        "",
    ]
    lines += ["| value | label |", "| ---: | --- |"]
    lines += [f"| {value} | {name.replace('|', chr(92) + '|')} |" for value, name in enumerate(plan.label_names)]
    return "\n".join(lines) + "\n"
