"""The format that users write tasks in."""

from __future__ import annotations

from pathlib import Path

import pytest

from bdgan_cli.errors import BdganError, DataError, UsageError
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.tasks.task_file import parse_task
from tests.conftest import ROOT

PETS = """
title = "Pets"
domain = "imagenet"
note = "Ours."

[labels]
"hunting dog" = "151-153, n02088094"
cat = [281, "tiger cat", "n02123394"]
other = "*"

[aliases]
cat = ["Katze"]

[coco]
cat = 17

[published]
train = 3
"""


def test_a_file_of_a_user(tmp_path: Path) -> None:
    (tmp_path / "pets.toml").write_text(PETS)
    task = find_task(str(tmp_path / "pets.toml"))
    assert (task.name, task.title, task.domain, task.note) == ("pets", "Pets", "imagenet", "Ours.")
    assert task.label_names == ("background", "hunting dog", "cat", "other")
    dogs, cats = ["n02085620", "n02085782", "n02085936", "n02088094"], ["n02123045", "n02123159", "n02123394"]
    assert task.classes_of(1) == dogs
    assert task.labels == {**dict.fromkeys(dogs, 1), **dict.fromkeys(cats, 2), "*": 3}
    assert (task.aliases, task.coco_ids, task.published) == ({"cat": ("Katze",)}, {"cat": 17}, {"train": 3})
    assert (task.classes_count, task.labels_count, task.takes_every_class) == (7, 4, True)


def test_names_of_classes_without_a_domain() -> None:
    task = parse_task('[labels]\nround = "disc, Ring"\nangular = ["star, sharp"]', "t", "t.toml")
    assert task.labels == {"disc": 1, "Ring": 1, "star, sharp": 2}
    assert (task.title, task.domain, task.published) == ("t", "", {})


@pytest.mark.parametrize(
    ("word", "label"),
    [("n02123045", 2), ("N02123045", 2), ("CAT", 2), ("katze", 2), ("hunting dog", 1), ("sofa", 3), ("background", 0)],
)
def test_words_for_labels(word: str, label: int) -> None:
    assert parse_task(PETS, "pets", "").label_of(word) == label


def test_a_word_that_means_nothing() -> None:
    assert parse_task(PETS.replace('other = "*"', ""), "pets", "").label_of("sofa") is None


WRONG = [
    ("labels = 3 3", "t.toml: expected TOML: "),
    (
        "label = 3",
        "t.toml: expected the fields title, domain, note, labels, each, aliases, coco, published, got 'label'",
    ),
    ("", "t.toml: expected either [labels] or each, got neither"),
    ('each = "a"\n[labels]\na = "b"', "t.toml: expected either [labels] or each, got both"),
    ('domain = "Imagenet"\neach = "a"', "t.toml: expected a domain of imagenet, shapes or none, got 'Imagenet'"),
    ('labels = "a"', "t.toml: labels: expected a JSON object, got str"),
    ("[labels]\na = 3", "t.toml: labels: a: expected text with commas or a list, got 3"),
    ("[labels]\na = [1.5]", "t.toml: labels: a: expected text with commas or a list, got [1.5]"),
    ('[labels]\na = " , "', "t.toml: labels: a: expected at least one entry and none empty, got ' , '"),
    ("[labels]\n", "t.toml: task t: expected 'background' and 1 to 65534 other label names, got 1 starting with"),
    ('[labels]\na = "3-5"', "t.toml: labels: a: expected wnids or names of classes, got the number 3-5"),
    ('domain = "imagenet"\n[labels]\na = "1000"', "t.toml: labels: a: class 1000 does not exist: ids are 0 to 999"),
    ('domain = "imagenet"\n[labels]\na = "tensh"', "t.toml: labels: a: unknown class 'tensh'"),
    (
        'domain = "imagenet"\n[labels]\na = "0"\nb = "tench"',
        "t.toml: labels: b: expected each class once, got 'n01440764'",
    ),
    ('domain = "imagenet"\neach = "0-2, 1"', "t.toml: each: expected each class once, got 'n01443537' again"),
    ('each = "*"', "t.toml: each: expected classes, got '*', which stands in [labels] alone"),
    ('[labels]\na = "x"\nA = "y"', "t.toml: task t: expected each name to mean one label, 'A' means 'a' and 'A'"),
    ('[labels]\na = "x"\nb = "a"', "t.toml: task t: expected each name to mean one label, 'a' means "),
    ('[labels]\nbackground = "x"', "t.toml: task t: expected each name to mean one label, 'background' means "),
    (
        '[labels]\na = "x"\n[aliases]\na = "background"',
        "t.toml: task t: expected each name to mean one label, 'background' means",
    ),
    ('[labels]\na = "x"\n[aliases]\nb = "c"', "t.toml: task t: aliases: expected names of labels, got 'b'"),
    ('[labels]\na = "x"\n[coco]\nb = 1', "t.toml: task t: coco ids: expected names of labels, got 'b'"),
    ('[labels]\na = "x"\n[coco]\na = "1"', "t.toml: coco: expected 'a' to be an integer, got '1'"),
    ('[labels]\na = "x"\nb = "y"\n[coco]\na = 1\nb = 1', "t.toml: task t: expected each COCO category id once"),
    ('[labels]\na = "x"\n[published]\nval = 1', "t.toml: published: expected train and test, got 'val'"),
]


@pytest.mark.parametrize(("text", "message"), WRONG, ids=range(len(WRONG)))
def test_wrong_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    monkeypatch.chdir(tmp_path)
    Path("t.toml").write_text(text)
    with pytest.raises(DataError) as caught:
        find_task("t.toml")
    assert caught.value.message.startswith(message)
    assert caught.value.hint


def test_a_hint_of_near_classes() -> None:
    with pytest.raises(DataError) as caught:
        parse_task('domain = "imagenet"\neach = "tensh"', "t", "t.toml")
    assert "tench" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("mc-16", "unknown task 'mc-16'", "mc16"),
        ("no/such.toml", "expected a task's file at no/such.toml, got none", "bdgan data tasks"),
    ],
)
def test_tasks_that_are_not_there(name: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_task(name)
    assert caught.value.message == message
    assert hint in caught.value.hint


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(BdganError, match="expected text in UTF-8"):
        find_task(str(tmp_path / "t.toml"))


def test_the_example_of_the_docs() -> None:
    page = (ROOT / "docs" / "tasks.md").read_text(encoding="utf-8")
    task = parse_task(page.split("```toml\n")[1].split("```")[0], "pets", "docs/tasks.md")
    assert task.labels == {"Abyssinian": 1, "Bengal": 1, "american_bulldog": 2, "beagle": 2}
    assert task.coco_ids == {"cat": 17, "dog": 18}
