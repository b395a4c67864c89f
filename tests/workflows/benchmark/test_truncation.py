"""The sweep over truncations asks for everything before it works."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bdgan_cli.errors import MissingError
from bdgan_cli.workflows.benchmark import truncation
from bdgan_cli.workflows.benchmark.config import BenchmarkConfig
from bdgan_cli.workflows.benchmark.truncation import TruncationConfig, benchmark_truncation


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, "the weights of inception-fid are not installed"),
        ({"test": "nowhere"}, "no dataset at nowhere"),
    ],
)
def test_what_is_needed_last_is_looked_up_before_anything_is_sampled(sets, tmp_path, monkeypatch, changes, expected):
    monkeypatch.setattr(truncation, "sample", lambda *given: pytest.fail("sampled first"))
    base = BenchmarkConfig("fgbg", tmp_path, test=sets["real"], threads=1, device="cpu")
    with pytest.raises(MissingError, match=expected):
        benchmark_truncation(TruncationConfig(replace(base, **changes)))
    with pytest.raises(MissingError, match="no dataset at missing"):
        benchmark_truncation(TruncationConfig(base, reference="missing"))
