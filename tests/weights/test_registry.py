import pickle
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.interfaces import ClassInfo
from bdgan_cli.weights import registry
from bdgan_cli.weights.card import WeightFile, all_cards, find_card, read_card
from bdgan_cli.weights.files import check, load_weights, read_tensors
from bdgan_cli.weights.registry import load_generator, load_model


def test_a_model_is_loaded_once():
    assert load_generator("tiny-biggan") is load_generator("tiny-biggan", "cpu")


def test_unknown_names_get_near_ones():
    with pytest.raises(MissingError) as caught:
        find_card("tiny-bigan")
    assert "unknown model 'tiny-bigan'" in caught.value.message
    assert "tiny-biggan" in caught.value.hint


def test_a_classifier_is_no_generator():
    with pytest.raises(UsageError, match="tiny-classifier is a classifier, expected a generator"):
        load_generator("tiny-classifier")


def test_every_embedded_file_is_what_its_card_says_and_all_are_small():
    cards = [card for card in all_cards().values() if card.source == "built-in" and not card.sources]
    assert {card.kind for card in cards} == {"generator", "classifier", "segmenter", "features"}
    for card in cards:
        load_model(card.name)
        assert card.origin, f"{card.name} must say how its weights came about"
    assert find_card("tiny-biggan").files[0].size <= 8e6


class Oddly:
    """A generator whose classes are not numbered from 0."""

    name = family = "oddly"
    image_size, spec, latent, default_rule = 16, None, None, None
    classes = (ClassInfo(7, "", "seven"), ClassInfo(9, "", "nine"))

    def draw(self, class_ids, indices, seed, rule):
        raise AssertionError("never called")

    def synthesize(self, latents):
        raise AssertionError("never called")


def test_classes_must_be_numbered_from_zero(monkeypatch):
    monkeypatch.setattr(registry, "load_model", lambda *_: Oddly())
    with pytest.raises(UsageError, match=r"numbers its classes \[7, 9\], expected 0, 1, 2"):
        load_generator("oddly")


def test_a_builder_that_does_not_exist_is_named():
    from bdgan_cli.weights import card as cards
    from bdgan_cli.weights.registry import resolve

    broken = cards.ModelCard("odd", "generator", "odd", "bdgan_cli.nowhere:build")
    with pytest.raises(MissingError, match=r"odd: cannot load its builder bdgan_cli\.nowhere:build"):
        resolve(broken)


def test_a_file_of_another_size_or_content_is_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    path.write_bytes(b"1234")
    with pytest.raises(DataError, match="4 bytes, expected 9"):
        check(path, WeightFile("w", "0" * 64, 9))
    with pytest.raises(DataError, match=r"sha256 .*, expected 000000000000"):
        check(path, WeightFile("w", "0" * 64, 4))


class Bomb:
    def __reduce__(self):
        return (Path.touch, (Path(self.target),))


@pytest.mark.parametrize("writer", [lambda bomb, path: path.write_bytes(pickle.dumps(bomb)), torch.save])
def test_a_pickle_with_code_in_it_is_refused_and_not_run(tmp_path, writer):
    bomb = Bomb()
    bomb.target = str(tmp_path / "ran")
    path = tmp_path / "weights.safetensors"
    writer(bomb, path)
    with pytest.raises(DataError, match="is a pickle, which can run code; expected safetensors"):
        read_tensors(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("content", [b"", b"<html>not found</html>", b"\x10\x00\x00\x00\x00\x00\x00\x00{broken"])
def test_other_files_are_no_safetensors(tmp_path, content):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(DataError, match="no readable safetensors"):
        read_tensors(path)


@pytest.mark.parametrize(
    ("tensors", "message"),
    [
        ({"weight": torch.zeros(2, 3)}, r"1 keys missing \['bias'\]"),
        ({"weight": torch.zeros(2, 3), "bias": torch.zeros(2), "more": torch.zeros(1)}, r"1 unknown \['more'\]"),
        ({"weight": torch.zeros(3, 3), "bias": torch.zeros(2)}, r"weight has shape \(3, 3\), expected \(2, 3\)"),
    ],
)
def test_weights_of_another_network_are_refused(tmp_path, tensors, message):
    save_file(tensors, tmp_path / "w.safetensors")
    with pytest.raises(DataError, match=message):
        load_weights(torch.nn.Linear(3, 2), tmp_path / "w.safetensors")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not valid"),
        ('name = "x"', "missing"),
        ('name="x"\nkind="poem"\nfamily="x"\nbuilder="a:b"', "kind 'poem'"),
    ],
)
def test_broken_cards_are_refused(tmp_path, text, message):
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        read_card(path)


def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path):
    from safetensors.torch import save

    for words in range(64):
        data = save({"x": torch.ones(1)}, {"told": "x" * words})
        if data.startswith(b"\x80"):
            break
    assert data.startswith(b"\x80")
    (tmp_path / "x.safetensors").write_bytes(data)
    assert read_tensors(tmp_path / "x.safetensors")["x"].tolist() == [1.0]
