import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from bdgan_cli.errors import DataError
from bdgan_cli.weights.card import all_cards, find_card, read_card
from bdgan_cli.weights.convert import convert, read_public
from bdgan_cli.weights.files import file_sha256
from bdgan_cli.weights.layouts import vqgan
from bdgan_cli.weights.layouts.table import LAYOUTS
from bdgan_cli.weights.write import write_tensors
from tests.weights import toy


def as_float32(key):
    return torch.float32


def test_what_is_written_is_read_by_the_library(tmp_path):
    tensors = {"b": torch.randn(3, 5), "a": torch.randn(7), "scalar": torch.tensor(2.5), "none": torch.zeros(0, 4)}
    tensors["turned"] = torch.randn(4, 6).t()
    stored = write_tensors(tmp_path / "w.safetensors", tensors, lambda k: torch.bfloat16 if k == "a" else torch.float32)
    found = load_file(tmp_path / "w.safetensors")
    assert found.keys() == tensors.keys()
    assert found["a"].dtype == torch.bfloat16
    assert torch.equal(found["a"], tensors["a"].bfloat16())
    assert all(torch.equal(found[key], tensors[key]) for key in tensors if key != "a")
    assert stored.sha256 == file_sha256(tmp_path / "w.safetensors")
    assert stored.size == (tmp_path / "w.safetensors").stat().st_size


def test_the_same_tensors_make_the_same_file(tmp_path):
    tensors = toy.vqgan_tensors()
    one = write_tensors(tmp_path / "one", tensors, vqgan.stored_dtype)
    two = write_tensors(tmp_path / "two", dict(reversed(tensors.items())), vqgan.stored_dtype)
    assert one.sha256 == two.sha256


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (torch.tensor([1.0, float("nan")]), "w holds numbers that are not finite"),
        (torch.tensor([float("inf")]), "w holds numbers that are not finite"),
        (torch.ones(2, dtype=torch.complex64), "w holds torch.complex64, expected real numbers"),
    ],
)
def test_numbers_that_no_weight_has_are_refused(tmp_path, tensor, message):
    with pytest.raises(DataError, match=message):
        write_tensors(tmp_path / "w", {"w": tensor}, as_float32)


def test_a_safetensors_file_of_a_public_layout_is_taken_too(tmp_path, cards):
    save_file(toy.public_tensors(), tmp_path / "w.safetensors")
    found = read_public(tmp_path / "w.safetensors")
    assert found.layout.NAME == "biggan-deep"
    convert(found, find_card(toy.NAME), tmp_path / "native")
    with safe_open(tmp_path / "native", "pt") as native:
        assert not [key for key in native.keys() if key.endswith("weight_orig")]  # noqa: SIM118


@pytest.mark.parametrize(
    ("tensors", "message", "hint"),
    [
        (
            {"fc.weight": torch.ones(2), "fc.bias": torch.ones(1)},
            r"no known layout: found 2 tensors \(fc.weight, fc.b",
            "known: big",
        ),
        (
            {key: torch.ones(shape) for key, shape in toy.first_stage_shapes().items()},
            "VQGAN's first stage alone, without a transformer",
            "models list",
        ),
    ],
)  # fmt: skip
def test_unknown_files_are_described(tmp_path, tensors, message, hint):
    path = toy.write_public(tmp_path / "w.pth", tensors)
    with pytest.raises(DataError, match=message) as caught:
        read_public(path)
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_every_card_with_sources_is_complete():
    cards = [card for card in all_cards().values() if card.sources]
    assert {card.name for card in cards if card.kind == "generator"} == {
        "biggan-512", "biggan-deep-128", "biggan-deep-256", "biggan-deep-512", "vqgan"
    }  # fmt: skip
    known = {layout.NAME for layout in LAYOUTS}
    for card in cards:
        assert set(card.layouts) <= known
        assert card.family == card.name
        assert all([card.layouts, card.terms, card.origin, card.resolution])
        assert all(source.urls and source.file for source in card.sources)
        assert all(len(source.sha256) in (0, 8, 64) for source in card.sources)


@pytest.mark.parametrize("extra", ["[[sources]]\nfile = 3", '[[sources]]\nfile = "x"', "layouts = 4"])
def test_broken_sources_are_refused(tmp_path, extra):
    path = tmp_path / "x.toml"
    path.write_text(f'name="x"\nkind="generator"\nfamily="x"\nbuilder="a:b"\n{extra}')
    with pytest.raises(DataError, match="not valid"):
        read_card(path)
