import pytest
import torch

from bdgan_cli.errors import DataError, UsageError
from bdgan_cli.heads.files import load_head
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows.model_install import AddConfig, add_model
from tests.weights import toy, toy_original


@pytest.fixture
def cards(tmp_path, monkeypatch):
    folder = toy.use_cards(tmp_path, monkeypatch)
    (folder / "toy-original.toml").write_text(toy_original.CARD)
    return folder


@pytest.fixture(scope="module")
def public_file(tmp_path_factory):
    return toy_original.write_public(tmp_path_factory.mktemp("public") / "checkpoint_latest.pth")


def test_a_released_checkpoint_becomes_a_generator_and_a_head(cards, public_file, tmp_path):
    result = add_model(AddConfig(public_file, toy_original.NAME, tmp_path))
    assert (result.layout, result.resolution) == ("bigdatasetgan", 128)
    assert result.head == tmp_path / "heads" / "released-checkpoint_latest"
    card = find_card(toy_original.NAME)
    head = load_head(result.head, card.name, card.sha256)
    assert (head.card.arch, head.ensemble.members) == ("official", 1)
    generator = load_generator(card.name)
    latents = generator.draw([0, 3], [0, 1], 0, generator.default_rule)
    images, features = generator.synthesize(latents)
    assert images.shape == (2, 3, 128, 128)
    with torch.no_grad():
        assert torch.isfinite(head.ensemble(features)).all()


def test_a_dry_run_writes_no_head(cards, public_file, tmp_path):
    result = add_model(AddConfig(public_file, toy_original.NAME, tmp_path, dry_run=True))
    assert result.head is not None
    assert not (tmp_path / "heads").exists()


def test_a_head_of_that_name_is_not_replaced_unasked(cards, public_file, tmp_path):
    head = tmp_path / "heads" / "released-checkpoint_latest" / "head.json"
    head.parent.mkdir(parents=True)
    head.write_text("mine")
    with pytest.raises(UsageError, match=r"a head released-checkpoint_latest is in workspace .* already"):
        add_model(AddConfig(public_file, toy_original.NAME, tmp_path))
    assert head.read_text() == "mine"
    assert not find_card(toy_original.NAME).is_installed
    add_model(AddConfig(public_file, toy_original.NAME, tmp_path, overwrite=True))
    assert head.read_text() != "mine"


def test_a_head_that_does_not_fit_installs_nothing(cards, tmp_path):
    tensors = dict(toy_original.joint().state_dict())
    tensors.pop("mid_feature_mix_conv.conv1.bias")
    path = toy.write_public(tmp_path / "w.pth", tensors)
    with pytest.raises(DataError, match=r"w\.pth: .*1 keys missing \['mid_feature_mix_conv.conv1.bias'\]"):
        add_model(AddConfig(path, toy_original.NAME, tmp_path))
    assert not find_card(toy_original.NAME).is_installed
    assert not (tmp_path / "heads").exists()
