"""Readers on documents and containers near their schema, drawn by Hypothesis and read by the worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest
import tomllib
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz import containers
from tests.fuzz.documents import json_files, toml_files, xml_files, yaml_files
from tests.fuzz.harness import Pool
from tests.fuzz.reader import Files
from tests.fuzz.registry import READERS

FEW, MANY = 2, 2000
Strategy = st.SearchStrategy[bytes]


class Content(bytes):
    """The content of a file; Hypothesis would take long to write out all of a large one."""

    def __repr__(self) -> str:
        return f"{bytes(self[:1000])!r} and {max(0, len(self) - 1000)} more"


@cache
def first_seed(reader: str) -> Files:
    return READERS[reader].seeds()[0]


def near(parse: Callable[[bytes], Any], draw: Callable[[Any], Strategy]) -> Callable[[bytes], Strategy]:
    return lambda good: draw(parse(good))


OF_JSON, OF_TOML = near(json.loads, json_files), near(lambda data: tomllib.loads(data.decode()), toml_files)
OF_YAML, OF_XML = near(yaml.safe_load, yaml_files), lambda good: xml_files()
OF_PNG, OF_NPY = lambda good: containers.pngs(), lambda good: containers.npys()


def of_weights(*names: str) -> Callable[[bytes], Strategy]:
    return lambda good: containers.safetensors_files(names)


CASES: list[tuple[str, str, Callable[[bytes], Strategy]]] = [
    ("dataset.json", "dataset.json", OF_JSON),
    ("sample's JSON", "a.json", OF_JSON),
    ("newest in a workspace", "datasets/a/dataset.json", OF_JSON),
    ("newest in a workspace", "heads/a/head.json", OF_JSON),
    ("plan card", "plan.json", OF_JSON),
    ("head card", "head.json", OF_JSON),
    ("backbone card", "backbone.json", OF_JSON),
    ("COCO JSON", "instances.json", OF_JSON),
    ("LabelMe JSON", "*.json", OF_JSON),
    ("Label Studio JSON", "export.json", OF_JSON),
    ("collect: LabelMe", "work/*.json", OF_JSON),
    ("collect: Label Studio", "work/export.json", OF_JSON),
    ("cache of models", "models/toy/*.json", OF_JSON),
    ("interrupted export", "export/bdgan-export.json", OF_JSON),
    ("result of a benchmark", "result.json", OF_JSON),
    ("task, TOML", "a.toml", OF_TOML),
    ("model card, TOML", "a.toml", OF_TOML),
    ("YOLO text and YAML", "data.yaml", OF_YAML),
    ("VOC XML", "Annotations/s000.xml", OF_XML),
    ("picture, PNG", "a.png", OF_PNG),
    ("mask, PNG", "a.png", OF_PNG),
    ("latent, npy", "a.npy", OF_NPY),
    ("safetensors", "a.safetensors", of_weights("weight", "bias")),
    ("checkpoint of a training", "checkpoint.safetensors", of_weights("000000", "000001")),
    ("checkpoint of a head", "checkpoint.safetensors", of_weights("step", "weights")),
    ("index parts (Parquet)", "index/c0000-b0000.parquet", containers.parquets),
    ("views (Parquet)", "views/clean.parquet", containers.parquets),
    ("Hugging Face Parquet", "data/*.parquet", containers.parquets),
    ("shards (tar)", "shards/c0000-b0000.tar", containers.tars),
    ("WebDataset tar", "a.tar", containers.tars),
]


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("reader", "pattern", "draw"), CASES, ids=[f"{case[0]} {case[1]}" for case in CASES])
def test_near_the_schema(
    pool: Pool, reader: str, pattern: str, draw: Callable[[bytes], Strategy], examples: int
) -> None:
    from fnmatch import fnmatchcase

    files = first_seed(reader)
    name = next(name for name in sorted(files) if fnmatchcase(name, pattern))

    @settings(
        max_examples=examples, derandomize=True, database=None, deadline=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.filter_too_much],
    )  # fmt: skip
    @given(data=draw(files[name]).map(Content))
    def check(data: bytes) -> None:
        verdict = pool.judge(reader, {**files, name: data})
        assert verdict.kind != "failed", f"{reader}: {name}: {data!r}\n{verdict.told}"

    check()
