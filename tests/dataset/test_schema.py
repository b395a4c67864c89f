from __future__ import annotations

from typing import Any

import pytest

from bdgan_cli.dataset.schema import DatasetInfo, check_key, make_key, planned_counts, safe_key
from bdgan_cli.errors import DataError
from tests.dataset.builders import make_info


def test_info_survives_json() -> None:
    info = make_info(label_names=("background", "head", "body"))
    assert DatasetInfo.from_json(info.to_json()) == info


def test_info_without_models_survives_json() -> None:
    info = make_info(generator=None, head=None, image_size=None, kind="real")
    assert DatasetInfo.from_json(info.to_json()) == info


def test_unknown_fields_of_later_writers_are_ignored() -> None:
    assert DatasetInfo.from_json({**make_info().to_json(), "colour_space": "sRGB"}) == make_info()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"kind": "fake"}, "expected a kind of annotated, sampled, real, unlabelled, got 'fake'"),
        ({"image_size": "64"}, "expected 'image_size' to be an integer, got '64'"),
        ({"image_size": 0}, "image size of at least 1 pixel, got 0"),
        ({"classes": [{"id": True, "wnid": "", "name": "x"}]}, "classes: expected 'id' to be an integer, got True"),
        ({"classes": [{"id": 1, "wnid": "", "name": "a"}] * 2}, "unique class ids, got [1, 1]"),
        ({"classes": ["disc"]}, "classes: expected a JSON object, got str"),
        ({"generator": {"name": "tiny"}}, "generator: expected a field 'sha256'"),
        ({"plan": None}, "expected 'plan' to be an object, got None"),
        ({"label_names": ["background"]}, "at least 2 label names"),
        ({"format_version": 0}, "format_version of at least 1, got 0"),
    ],
)
def test_wrong_fields_are_named(change: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        DatasetInfo.from_json({**make_info().to_json(), **change})
    assert message in caught.value.message
    assert caught.value.exit_code == 3


def test_missing_field_is_named() -> None:
    data = make_info().to_json()
    del data["licence"]
    with pytest.raises(DataError, match="expected a field 'licence'"):
        DatasetInfo.from_json(data)


def test_newer_format_names_the_upgrade() -> None:
    with pytest.raises(DataError, match="format_version up to 1, got 2") as caught:
        DatasetInfo.from_json({**make_info().to_json(), "format_version": 2})
    assert caught.value.hint == "pip install --upgrade bdgan"


def test_keys() -> None:
    assert make_key("n02123045", 0, 12) == "n02123045_0_12"
    assert safe_key("IMG 2020.01 (2)") == "IMG-2020-01-2-"


@pytest.mark.parametrize("key", ["", "a.b", "../a", "a/b", "-a", "x" * 73])
def test_bad_keys_are_refused(key: str) -> None:
    with pytest.raises(DataError, match="expected a key"):
        check_key(key)


def test_planned_counts() -> None:
    assert planned_counts(make_info(2, 6)) == {0: 6, 1: 6}
    assert planned_counts(make_info(plan={"per_class": None})) is None
