import json
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from bdgan_cli import runs
from bdgan_cli.backbones import ARCHITECTURES, ResNet
from bdgan_cli.errors import DataError, MissingError
from bdgan_cli.weights.backbones import BackboneCard, check_backbone, load_backbone, read_backbone, save_backbone
from bdgan_cli.weights.public_backbones import read_public

NARROW = "resnet18-narrow"


@pytest.fixture
def saved(tmp_path):
    folder = runs.backbone_folder(tmp_path, "mine")
    folder.mkdir(parents=True)
    backbone = ResNet(ARCHITECTURES[NARROW])
    return folder, backbone, save_backbone(folder, BackboneCard("mine", NARROW, {"seed": 0}), backbone)


def test_what_is_saved_is_loaded(saved, tmp_path):
    folder, backbone, card = saved
    arch, tensors = load_backbone(runs.find_backbone(tmp_path, "mine"))
    assert arch == NARROW
    assert read_backbone(folder) == card
    other = ResNet(ARCHITECTURES[arch])
    missing, unexpected = other.load_state_dict(tensors, strict=False)
    assert unexpected == []
    assert all(name.endswith("num_batches_tracked") for name in missing)
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(other.eval()(images)[-1], backbone.eval()(images)[-1])
    assert card.channels == (16, 32, 64, 128)


def test_there_is_none(tmp_path, saved):
    with pytest.raises(MissingError, match="no backbone 'mime'") as caught:
        runs.find_backbone(tmp_path, "mime")
    assert "mine" in caught.value.hint
    with pytest.raises(MissingError, match=r"backbone\.json is missing"):
        load_backbone(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda card: card.update(arch="vit"), "is no backbone card: unknown backbone architecture"),
        (lambda card: card.pop("name"), "is no backbone card"),
        (lambda card: card.update(schema_version=9), "expected schema_version 1, got 9"),
        (lambda card: card.update(weights_sha256="0" * 64), "sha256 .* says 000000000000"),
        (lambda card: card.update(arch="resnet18"), "expected a resnet18 with bn1"),
        (lambda card: card.update(arch="resnet50"), "expected a resnet50, got .* names missing"),
    ],
)
def test_a_wrong_card(saved, change, message):
    path = saved[0] / "backbone.json"
    card = json.loads(path.read_text())
    change(card)
    path.write_text(json.dumps(card))
    with pytest.raises(DataError, match=message):
        load_backbone(saved[0])


def test_missing_weights(saved):
    (saved[0] / "weights.safetensors").unlink()
    with pytest.raises(DataError, match=r"weights\.safetensors is missing"):
        load_backbone(saved[0])


@pytest.mark.parametrize("prefix", ["", "module.", "backbone.", "module.backbone."])
@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_public_files_in_torchvisions_names(tmp_path, prefix, suffix):
    backbone = ResNet(ARCHITECTURES[NARROW])
    tensors = {f"{prefix}{name}": value for name, value in backbone.state_dict().items()}
    tensors |= {f"{prefix}fc.weight": torch.zeros(2, 2)} | ({"head.weight": torch.zeros(2)} if prefix else {})
    path = tmp_path / f"public{suffix}"
    torch.save({"state_dict": tensors}, path) if suffix == ".pth" else save_file(tensors, path)
    found = read_public(path)
    check_backbone(found, NARROW, str(path))
    assert torch.equal(found["conv1.weight"], backbone.conv1.weight)


def test_a_public_file_of_another_network_or_that_runs_code(tmp_path):
    torch.save(nn.Linear(2, 2).state_dict(), tmp_path / "other.pth")
    with pytest.raises(DataError, match="expected a resnet18-narrow, got"):
        check_backbone(read_public(tmp_path / "other.pth"), NARROW, "other.pth")
    (tmp_path / "evil.pth").write_bytes(pickle.dumps(print, protocol=2))
    with pytest.raises(DataError, match="would run"):
        read_public(tmp_path / "evil.pth")
