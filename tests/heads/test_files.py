import json
import pickle

import pytest
import torch
from safetensors.torch import load_file, save_file

from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.heads.checkpoints import check_free, read_checkpoint, write_checkpoint
from bdgan_cli.heads.files import HEAD_FILE, WEIGHTS_FILE, HeadCard, load_head, read_card, save_head
from bdgan_cli.heads.registry import ARCHITECTURES
from tests.heads.toy import SIZE, SPEC, random_features


def make_card(arch="multilevel", **changes):
    values = {"name": "h", "arch": arch, "generator": "toy", "generator_sha256": "ab" * 32, "spec": SPEC,
              "image_size": SIZE, "labels": 2, "members": (0, 3), "seed": 1, "figures": {"oob_iou": 0.5}}  # fmt: skip
    return HeadCard(**{**values, **changes})


@pytest.fixture
def folder(tmp_path):
    card = make_card()
    save_head(tmp_path / "h", card, card.build())
    return tmp_path / "h"


def load(folder):
    return load_head(folder, "toy", "ab" * 32)


@pytest.mark.parametrize("arch", sorted(ARCHITECTURES))
def test_what_is_loaded_computes_what_was_saved(tmp_path, arch):
    card = make_card(arch)
    ensemble = card.build()
    for seed in range(3):
        ensemble(random_features(4, seed))
    written = save_head(tmp_path / "h", card, ensemble)
    head = load(tmp_path / "h")
    assert head.card == written == read_card(tmp_path / "h")
    assert (head.name, head.sha256, head.ensemble.members) == ("h", written.weights_sha256, 2)
    features = random_features(2, seed=7)
    assert torch.equal(head.ensemble(features), ensemble.for_inference()(features))
    assert sorted(path.name for path in (tmp_path / "h").iterdir()) == [HEAD_FILE, WEIGHTS_FILE]


def test_features_of_another_generator_are_refused(folder):
    with pytest.raises(UsageError, match="reads features of toy, not of other") as caught:
        load_head(folder, "other", "ab" * 32)
    assert "train-head --gen other" in caught.value.hint
    with pytest.raises(UsageError, match="other weights of toy"):
        load_head(folder, "toy", "cd" * 32)


def put_pickle(path):
    path.write_bytes(pickle.dumps({"x": 1}))


def cut_short(path):
    path.write_bytes(path.read_bytes()[:-100])


def rename_key(path):
    tensors = load_file(path)
    tensors["odd"] = tensors.pop("conv_1.weight")
    save_file(tensors, path)


def reshape(path):
    tensors = load_file(path)
    tensors["conv_1.weight"] = tensors["conv_1.weight"][:1].clone()
    save_file(tensors, path)


def change_number(path):
    tensors = load_file(path)
    tensors["conv_1.weight"][0, 0, 0, 0] += 1
    save_file(tensors, path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (put_pickle, "is a pickle, which can run code"),
        (cut_short, "no readable safetensors"),
        (rename_key, r"1 keys missing \['conv_1.weight'\], 1 unknown \['odd'\]"),
        (reshape, "conv_1.weight has shape"),
        (change_number, "sha256"),
        (lambda path: path.unlink(), "is missing"),
    ],
    ids=["pickle", "cut", "key", "shape", "changed", "gone"],
)
def test_damaged_weights_are_named(folder, damage, message):
    damage(folder / WEIGHTS_FILE)
    with pytest.raises(DataError, match=message) as caught:
        load(folder)
    assert caught.value.hint
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema_version": 2}, "expected schema_version 1, got 2"),
        ({"spec": {"taps": 3}}, "is no head card"),
        ({"more": 1}, "is no head card"),
        ({"arch": "unheard"}, "unknown architecture 'unheard'"),
    ],
)
def test_a_broken_card_is_named(folder, change, message):
    content = json.loads((folder / HEAD_FILE).read_text())
    (folder / HEAD_FILE).write_text(json.dumps({**content, **change}))
    with pytest.raises(DataError, match=message):
        load(folder)


@pytest.mark.parametrize("text", ["{", "[]", "{}", "\xff"])
def test_a_card_that_is_no_json_object(folder, text):
    (folder / HEAD_FILE).write_bytes(text.encode("latin-1"))
    with pytest.raises(DataError, match="is no head card"):
        load(folder)


def test_no_head_at_all(tmp_path):
    with pytest.raises(MissingError, match="no trained head"):
        load(tmp_path)


def test_a_checkpoint_comes_back_and_is_bound_to_its_training(tmp_path):
    state = {"x": torch.arange(3.0), "step": torch.tensor(7)}
    assert read_checkpoint(tmp_path, {"seed": 1}) is None
    write_checkpoint(tmp_path, state, {"seed": 1, "steps": 9})
    read = read_checkpoint(tmp_path, {"seed": 1, "steps": 9})
    assert read is not None
    assert all(torch.equal(read[name], value) for name, value in state.items())
    with pytest.raises(UsageError, match="with steps 9, this one has 10"):
        read_checkpoint(tmp_path, {"seed": 1, "steps": 10})


def test_a_checkpoint_that_is_none(tmp_path):
    save_file({"x": torch.zeros(1)}, tmp_path / "checkpoint.safetensors")
    with pytest.raises(DataError, match="does not say"):
        read_checkpoint(tmp_path, {})
    put_pickle(tmp_path / "checkpoint.safetensors")
    with pytest.raises(DataError, match="pickle"):
        read_checkpoint(tmp_path, {})


def test_nothing_is_replaced_unasked(folder, tmp_path):
    check_free(tmp_path / "new")
    (tmp_path / "empty").mkdir()
    check_free(tmp_path / "empty")
    with pytest.raises(UsageError, match="trained head already"):
        check_free(folder)
    write_checkpoint(folder, {"x": torch.zeros(1)}, {})
    with pytest.raises(UsageError, match="unfinished"):
        check_free(folder)
    with pytest.raises(UsageError, match="no head"):
        check_free(tmp_path)
