import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from bdgan_cli.errors import BdganError, DataError, MissingError
from bdgan_cli.weights import files
from bdgan_cli.weights.card import WeightFile, all_cards, find_card, resolve_name
from bdgan_cli.weights.files import check, file_sha256, locate
from bdgan_cli.weights.installed import (
    InstalledRecord,
    cache_folder,
    download_folder,
    install,
    installing,
    model_folder,
    read_record,
    staging,
    tidy,
    write_record,
)
from bdgan_cli.weights.licences import mark_seen, unseen_terms
from tests.weights import toy

RECORD = InstalledRecord("0" * 64, 3, 1, "biggan-deep", "w.bin", "1" * 64)


def put(name=toy.NAME, content=b"abc", record=RECORD):
    with staging(name) as folder:
        (folder / "weights.safetensors").write_bytes(content)
        write_record(folder, record)
        install(folder, name)


def test_the_cache_is_where_the_environment_says(cache, monkeypatch):
    assert cache_folder() == cache
    monkeypatch.setenv("BDGAN_CACHE", "")
    assert cache_folder() == Path(os.environ["XDG_CACHE_HOME"]) / "bdgan"


def test_a_card_takes_its_file_from_the_record(cards):
    assert not find_card(toy.NAME).is_installed
    put()
    card = find_card(toy.NAME)
    assert card.is_installed
    assert card.files == (WeightFile("weights.safetensors", "0" * 64, 3, 1),)
    assert card.sha256 == "0" * 64
    assert locate(card) == [model_folder(toy.NAME) / "weights.safetensors"]


def test_what_is_not_installed_is_told_with_all_ways_to_get_it(cards):
    with pytest.raises(MissingError) as caught:
        locate(find_card(toy.NAME))
    assert caught.value.message == "the weights of toy-deep are not installed"
    assert caught.value.hint.splitlines() == [
        "bdgan models pull toy-deep",
        "or fetch one of these files where there is a network, and add it:",
        "    toy.bin  from  http://127.0.0.1:9/toy.bin",
        "    see also  https://example.org/folder",
        "bdgan models add toy.bin --as toy-deep",
    ]


def test_a_file_that_was_removed_is_told(cards):
    put()
    (model_folder(toy.NAME) / "weights.safetensors").unlink()
    with pytest.raises(MissingError, match=r"toy-deep: file weights\.safetensors is missing"):
        locate(find_card(toy.NAME))


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"format_version": 9}', '{"format_version": 1, "size": 3}'])
def test_a_damaged_record_is_told_for_its_model_alone(cards, text):
    put()
    (model_folder(toy.NAME) / "installed.json").write_text(text)
    assert "tiny-biggan" in all_cards()
    with pytest.raises(DataError, match=r"installed\.json is no valid record"):
        locate(find_card(toy.NAME))


def test_staging_leaves_nothing_unless_it_is_installed(cache):
    def fill():
        with staging("m") as folder:
            (folder / "x").write_text("x")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fill()
    assert list((cache / "models").iterdir()) == []


def test_a_model_is_replaced_whole(cache):
    put("m", b"one")
    (model_folder("m") / "extra").write_text("of the first")
    put("m", b"two")
    assert sorted(path.name for path in model_folder("m").iterdir()) == ["installed.json", "weights.safetensors"]
    assert (model_folder("m") / "weights.safetensors").read_bytes() == b"two"
    assert [path.name for path in (cache / "models").iterdir()] == ["m"]
    assert read_record("m") == RECORD


@pytest.mark.parametrize(
    ("big", "same_time", "thorough", "noticed"),
    [(True, True, False, False), (True, False, False, True), (True, True, True, True), (False, True, False, True)],
)
def test_big_files_are_hashed_only_if_they_were_touched_or_on_request(
    tmp_path, monkeypatch, big, same_time, thorough, noticed
):
    monkeypatch.setattr(files, "ALWAYS_HASHED_BYTES", 4 if big else 5)
    path = tmp_path / "w"
    path.write_bytes(b"good")
    expected = WeightFile("w", file_sha256(path), 4, path.stat().st_mtime_ns)
    path.write_bytes(b"evil")
    later = expected.mtime_ns + (0 if same_time else 10**9)
    os.utime(path, ns=(later, later))
    if noticed:
        with pytest.raises(DataError, match=r"sha256 .*, expected"):
            check(path, expected, thorough)
    else:
        check(path, expected, thorough)


@pytest.mark.parametrize(
    ("name", "named", "expected"),
    [
        ("biggan", None, "biggan-deep-512"),
        ("biggan", "biggan-512", "biggan-512"),
        ("biggan", "biggan-deep-128", "biggan-deep-128"),
        ("biggan", "tiny-biggan", "biggan-deep-512"),
        ("biggan", "vqgan", "biggan-deep-512"),
        ("vqgan", "biggan-512", "vqgan"),
    ],
)
def test_a_family_is_the_generator_that_the_dataset_names(name, named, expected):
    assert resolve_name(name, named) == expected


def test_the_family_is_found_and_hinted_at(cache):
    assert find_card("biggan", "generator").name == "biggan-deep-512"
    with pytest.raises(MissingError) as caught:
        find_card("bigan")
    assert "biggan" in caught.value.hint.split()


def test_terms_are_unseen_once(cards):
    card = find_card(toy.NAME)
    assert unseen_terms(card) == "free for all (https://example.org/licence)"
    mark_seen(card)
    assert unseen_terms(card) is None
    assert unseen_terms(find_card("vqgan")) is not None
    assert unseen_terms(find_card("tiny-biggan")) is None


def test_terms_that_changed_or_were_lost_are_shown_again(cards):
    mark_seen(find_card(toy.NAME))
    path = cards / f"{toy.NAME}.toml"
    path.write_text(path.read_text().replace("free for all", "free for some"))
    assert "free for some" in unseen_terms(find_card(toy.NAME))
    mark_seen(find_card(toy.NAME))
    (cache_folder() / "licences-shown.json").write_text("{")
    assert unseen_terms(find_card(toy.NAME)) is not None


def test_terms_are_kept_by_many_processes_at_once(cards):
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(mark_seen, [find_card(toy.NAME)] * 40))
    assert unseen_terms(find_card(toy.NAME)) is None


def test_a_cache_that_cannot_be_written_stops_nothing(cards, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("BDGAN_CACHE", str(tmp_path / "file"))
    mark_seen(find_card(toy.NAME))
    assert unseen_terms(find_card(toy.NAME)) is not None


def test_an_interrupted_replacement_leaves_the_earlier_model(cache, monkeypatch):
    with staging("m") as folder:
        (folder / "w").write_text("old")
        install(folder, "m")
    rename = Path.rename

    def interrupted(self, target):
        if Path(target).name == "m" and not self.name.endswith(".earlier"):
            raise KeyboardInterrupt
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", interrupted)
    with staging("m") as folder:
        (folder / "w").write_text("new")
        with pytest.raises(KeyboardInterrupt):
            install(folder, "m")
    assert (model_folder("m") / "w").read_text() == "old"


def test_two_processes_do_not_share_a_staging_folder(cache):
    with staging("m") as first:
        (first / "w").write_text("half")
        with staging("m") as second:
            assert second != first
        assert (first / "w").read_text() == "half"


def test_one_process_installs_a_model_at_a_time_and_sweeps_what_killed_ones_left(cache):
    left = model_folder("m").parent / ".m.killed"
    left.mkdir(parents=True)
    with installing("m"):
        assert not left.exists()
        with pytest.raises(BdganError, match="another process is writing"), installing("m"):
            pytest.fail("two at once")


def test_what_a_killed_installer_left_is_removed_but_not_under_one_at_work(cache):
    left, download = model_folder("m").parent / ".m.killed", download_folder("m") / "m.bin"
    left.mkdir(parents=True)
    with installing("m"):
        download.write_bytes(b"whole")
        tidy("m", downloads=True)
        assert download.exists()
    left.mkdir(exist_ok=True)
    tidy("m")
    assert not left.exists()
    assert download.exists()
    tidy("m", downloads=True)
    assert list(download.parent.iterdir()) == []
    tidy("never")
    assert not download_folder("never").exists()
