import json
import os

import pytest
import torch

from bdgan_cli.errors import BdganError, DataError, MissingError, UsageError
from bdgan_cli.progress import Silent
from bdgan_cli.weights import fetch
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.files import file_sha256
from bdgan_cli.weights.installed import cache_folder, download_folder, model_folder
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.model_install import AddConfig, add_model
from bdgan_cli.workflows.model_pull import pull_models
from bdgan_cli.workflows.models import introduce, verify_models
from tests.weights import toy


class Notes:
    def __init__(self):
        self.lines = []
        self.task = Silent().task

    def note(self, text):
        self.lines.append(text)


@pytest.fixture
def cards(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "RETRY_PAUSE_S", 0.0)
    return toy.use_cards(tmp_path, monkeypatch)


@pytest.fixture(scope="module")
def public_file(tmp_path_factory):
    return toy.write_public(tmp_path_factory.mktemp("public") / "toy.bin")


def changed(path, change, resolution=toy.RESOLUTION, width=8):
    """Write a public file with something done to its tensors."""
    tensors = toy.public_tensors(resolution, width)
    change(tensors)
    return toy.write_public(path, tensors)


def installed_names():
    folder = cache_folder() / "models"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def test_a_file_that_a_user_brought_is_installed_and_used(cards, public_file):
    notes = Notes()
    result = add_model(AddConfig(public_file, toy.NAME), notes)
    assert (result.layout, result.tensors, result.resolution) == ("biggan-deep", len(toy.public_tensors()), 128)
    assert result.parameters == sum(tensor.numel() for tensor in toy.public_tensors().values())
    assert notes.lines[0] == "toy-deep: free for all (https://example.org/licence)"
    assert notes.lines[1].startswith("toy.bin: biggan-deep, BigGAN-deep as pytorch_pretrained_biggan saves it")
    card = find_card(toy.NAME)
    assert card.sha256 == result.sha256 == file_sha256(model_folder(toy.NAME) / "weights.safetensors")
    generator = load_generator(toy.NAME)
    latents = generator.draw([0, 2], [0, 1], 0, generator.default_rule)
    one_hot = torch.eye(3)[latents.class_ids]
    with torch.no_grad():
        expected = toy.package_model()(latents.values, one_hot, 0.9)
    torch.testing.assert_close(generator.synthesize(latents)[0], expected, atol=1e-4, rtol=0)


def test_the_record_says_where_the_weights_came_from(cards, public_file):
    add_model(AddConfig(public_file, toy.NAME))
    record = json.loads((model_folder(toy.NAME) / "installed.json").read_text())
    assert record["layout"] == "biggan-deep"
    assert record["came_from"] == "toy.bin"
    assert record["came_from_sha256"] == file_sha256(public_file)


def test_the_same_file_is_converted_to_the_same_bytes(cards, public_file):
    first = add_model(AddConfig(public_file, toy.NAME))
    again = add_model(AddConfig(public_file, toy.NAME, overwrite=True))
    assert first.sha256 == again.sha256


def test_an_installed_model_is_not_replaced_unasked(cards, public_file, tmp_path):
    add_model(AddConfig(public_file, toy.NAME))
    before = find_card(toy.NAME).sha256
    other = changed(tmp_path / "other.bin", lambda t: t["generator.bn.bias"].add_(1))
    with pytest.raises(UsageError, match="toy-deep is installed already in") as caught:
        add_model(AddConfig(other, toy.NAME))
    assert caught.value.hint == f"replace it: bdgan models add {other} --as toy-deep --overwrite"
    assert find_card(toy.NAME).sha256 == before
    loaded = load_generator(toy.NAME)
    add_model(AddConfig(other, toy.NAME, overwrite=True))
    assert find_card(toy.NAME).sha256 != before
    assert load_generator(toy.NAME) is not loaded


def test_a_dry_run_checks_everything_and_installs_nothing(cards, public_file, tmp_path):
    assert not add_model(AddConfig(public_file, toy.NAME, dry_run=True)).installed
    assert installed_names() == []
    broken = changed(tmp_path / "broken.bin", lambda t: t.pop("embeddings.weight"))
    with pytest.raises(DataError):
        add_model(AddConfig(broken, toy.NAME, dry_run=True))


def truncated(path):
    content = toy.write_public(path).read_bytes()
    path.write_bytes(content[: len(content) // 2])
    return path


class Bomb:
    def __reduce__(self):
        return os.system, ("touch ran",)


def with_code(path):
    torch.save({**toy.public_tensors(), "x": Bomb()}, path)
    return path


def web_page(path):
    path.write_bytes(b"<!DOCTYPE html><title>not found</title>")
    return path


HOSTILE = {
    "truncated": (truncated, DataError, "is cut short"),
    "html": (web_page, DataError, r"is a web page \(HTML\): expected a checkpoint"),
    "code": (with_code, DataError, "would run posix.system when opened: expected tensors"),
    "missing": (
        lambda p: changed(p, lambda t: t.pop("generator.layers.3.bn_1.running_vars")),
        DataError, r"does not fit toy-deep: 1 keys missing \['generator.layers.3.bn_1.running_vars'\]",
    ),
    "unknown key": (
        lambda p: changed(p, lambda t: t.update(more=torch.ones(1))),
        DataError, r"0 keys missing \[\], 1 unknown \['more'\]"
    ),
    "shape": (
        lambda p: changed(p, lambda t: t.update({"embeddings.weight": torch.ones(128, 4)})),
        DataError, r"embeddings.weight has shape \(128, 4\), expected \(128, 3\)",
    ),
    "wider": (lambda p: changed(p, lambda t: None, width=16), DataError, r"has shape .*, expected "),
    "other size": (
        lambda p: changed(p, lambda t: None, resolution=256), DataError,
        "holds weights for 256x256 pictures, toy-deep expects 128x128",
    ),
    "not finite": (
        lambda p: changed(p, lambda t: t["embeddings.weight"].fill_(float("nan"))), DataError,
        "embeddings.weight holds numbers that are not finite",
    ),
    "other layout": (
        lambda p: toy.write_public(p, toy.vqgan_tensors()),
        DataError, "is of layout vqgan, toy-deep expects biggan-deep"
    ),
    "no layout": (lambda p: toy.write_public(p, {"w": torch.ones(1)}), DataError, "is of no known layout"),
    "absent": (lambda p: p, MissingError, "no file"),
}  # fmt: skip


@pytest.mark.parametrize(("make", "kind", "message"), HOSTILE.values(), ids=HOSTILE)
def test_wrong_and_hostile_files_install_nothing(cards, tmp_path, monkeypatch, make, kind, message):
    monkeypatch.chdir(tmp_path)
    path = make(tmp_path / "w.bin")
    with pytest.raises(kind, match=message) as caught:
        add_model(AddConfig(path, toy.NAME))
    assert "\n" not in caught.value.message
    assert str(path) in caught.value.message
    assert caught.value.hint
    assert installed_names() == []
    assert not (tmp_path / "ran").exists()


def test_256_pixel_weights_are_refused_under_the_512_name(cards, tmp_path):
    path = toy.write_public(tmp_path / "w.bin", toy.public_tensors(256))
    with pytest.raises(DataError, match="256x256 pictures, biggan-deep-512 expects 512x512"):
        add_model(AddConfig(path, "biggan"))


def test_a_failed_replacement_leaves_the_installed_model(cards, public_file, tmp_path):
    add_model(AddConfig(public_file, toy.NAME))
    before = find_card(toy.NAME).sha256
    broken = changed(tmp_path / "broken.bin", lambda t: t.pop("embeddings.weight"))
    with pytest.raises(DataError):
        add_model(AddConfig(broken, toy.NAME, overwrite=True))
    assert find_card(toy.NAME).sha256 == before
    assert verify_models([toy.NAME])[0].problem == ""


def test_embedded_models_take_no_weights(cards, public_file):
    with pytest.raises(UsageError, match="tiny-biggan comes with its package"):
        add_model(AddConfig(public_file, "tiny-biggan"))


def test_pull_fetches_installs_and_cleans_up(cards, public_file, tmp_path):
    toy.add_card(cards, public_file.as_uri(), file_sha256(public_file))
    assert [r.state for r in pull_models([toy.NAME], tmp_path, dry_run=True)] == ["would be fetched"]
    assert installed_names() == []
    result = pull_models([toy.NAME, "tiny-biggan", toy.NAME], tmp_path)
    assert [(r.name, r.state) for r in result] == [(toy.NAME, "installed"), ("tiny-biggan", "embedded")]
    left = download_folder(toy.NAME) / "left.bin"  # by a process that was killed when all but this was done
    left.write_bytes(b"whole")
    assert pull_models([toy.NAME], tmp_path, dry_run=True)[0].state == "already installed"
    assert left.exists()
    assert pull_models([toy.NAME], tmp_path)[0].state == "already installed"
    assert list(download_folder(toy.NAME).iterdir()) == []
    assert load_generator(toy.NAME).image_size == 128


def test_a_download_that_is_no_such_model_is_removed(cards, tmp_path):
    wrong = toy.write_public(tmp_path / "wrong.bin", toy.vqgan_tensors())
    toy.add_card(cards, wrong.as_uri())
    with pytest.raises(DataError, match=r"is of layout vqgan.*; the download was removed"):
        pull_models([toy.NAME], tmp_path)
    assert list(download_folder(toy.NAME).iterdir()) == []
    assert installed_names() == []


def test_a_wrong_checksum_installs_nothing(cards, public_file, tmp_path):
    toy.add_card(cards, public_file.as_uri(), "0" * 64)
    with pytest.raises(DataError, match=r"cannot fetch toy\.bin: .*sha256 .*, expected 000000000000"):
        pull_models([toy.NAME], tmp_path)
    assert installed_names() == []


def test_another_file_of_the_same_model_is_tried(cards, public_file, tmp_path):
    path = toy.add_card(cards)
    path.write_text(path.read_text() + f'\n[[sources]]\nfile = "again.bin"\nurls = ["{public_file.as_uri()}"]\n')
    assert pull_models([toy.NAME], tmp_path)[0].state == "installed"


def test_offline_a_pull_says_what_can_be_done(cards, tmp_path):
    with pytest.raises(MissingError, match=r"cannot fetch toy\.bin: 127\.0\.0\.1:9: Connection refused") as caught:
        pull_models([toy.NAME], tmp_path)
    assert "http://127.0.0.1:9/toy.bin" in caught.value.hint
    assert "bdgan models add toy.bin --as toy-deep" in caught.value.hint


def test_terms_are_told_once(cards):
    notes = Notes()
    introduce("biggan", Silent())  # nobody heard it
    introduce("biggan", notes)
    introduce("biggan-deep-512", notes)
    introduce("tiny-biggan", notes)
    assert len(notes.lines) == 1
    assert notes.lines[0].startswith("biggan-deep-512: weights by DeepMind, Apache-2.0")


def test_verify_tells_what_is_absent_whole_and_broken(cards, public_file):
    checks = {check.name: check for check in verify_models(["biggan", toy.NAME])}
    assert checks[toy.NAME] == (toy.NAME, "", False)
    add_model(AddConfig(public_file, toy.NAME))
    assert verify_models([toy.NAME]) == [(toy.NAME, "", True)]
    path = model_folder(toy.NAME) / "weights.safetensors"
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert "sha256" in verify_models([toy.NAME])[0].problem
    path.write_bytes(content[:-1])
    assert "expected" in verify_models([toy.NAME])[0].problem
    (model_folder(toy.NAME) / "installed.json").write_text("{")
    assert "no valid record" in verify_models([toy.NAME])[0].problem


def test_loading_a_model_that_is_not_installed_is_an_error_of_missing_weights(cards):
    with pytest.raises(BdganError) as caught:
        load_generator("biggan")
    assert caught.value.exit_code == 4
    assert "bdgan models pull biggan-deep-512" in caught.value.hint
