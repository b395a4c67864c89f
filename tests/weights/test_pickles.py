import os
import pickle
import sys
import types
import zipfile
from collections import OrderedDict, defaultdict

import pytest
import torch

from bdgan_cli.errors import DataError
from bdgan_cli.weights.pickles import read_checkpoint

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.float16)}
both_formats = pytest.mark.parametrize("is_zip", [True, False], ids=["zip", "legacy"])


def save(path, content, is_zip=True):
    torch.save(content, path, _use_new_zipfile_serialization=is_zip)
    return path


@both_formats
@pytest.mark.parametrize("wrap", [dict, OrderedDict, lambda t: {"state_dict": t, "epoch": 3, "opt": [None, 0.1]}])
def test_a_state_dict_is_read_bare_or_wrapped(tmp_path, is_zip, wrap):
    found = read_checkpoint(save(tmp_path / "w.pth", wrap(TENSORS), is_zip))
    assert found.keys() == TENSORS.keys()
    assert all(torch.equal(found[key], TENSORS[key]) for key in TENSORS)


def test_parameters_are_tensors_without_gradient(tmp_path):
    found = read_checkpoint(save(tmp_path / "w.pth", {"a": torch.nn.Parameter(torch.ones(2))}))
    assert not found["a"].requires_grad


def defined(patch, module, name, *bases):
    """Pretend that a class of an installed package exists."""
    made = type(name, bases, {"__module__": module})
    parts = module.split(".")
    for parent in [".".join(parts[: i + 1]) for i in range(len(parts))]:
        patch.setitem(sys.modules, parent, types.ModuleType(parent))
    setattr(sys.modules[module], name, made)
    return made


@both_formats
def test_classes_that_lightning_mentions_are_not_needed(tmp_path, is_zip):
    with pytest.MonkeyPatch.context() as patch:
        callback = defined(patch, "pytorch_lightning.callbacks.model_checkpoint", "ModelCheckpoint")
        settings = defined(patch, "omegaconf.listconfig", "ListConfig")()
        settings.__dict__.update(content=[1, 2], kinds=defaultdict(int, x=1), type=int)
        attributes = defined(patch, "pytorch_lightning.utilities.parsing", "AttributeDict", dict)(rate=0.1)
        content = {
            "state_dict": TENSORS,
            "callbacks": {callback: {"best": torch.tensor(0.5)}},
            "hyper_parameters": [settings, attributes],
        }
        path = save(tmp_path / "last.ckpt", content, is_zip)
    assert read_checkpoint(path).keys() == TENSORS.keys()


class Bomb:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.system, (f"touch {self.target}",)


@pytest.mark.parametrize(
    ("write", "named"),
    [
        (lambda bomb, path: save(path, {"state_dict": TENSORS, "x": bomb}), "would run posix.system when opened"),
        (lambda bomb, path: save(path, {"a": bomb}, False), "would run posix.system when opened"),
        (lambda bomb, path: path.write_bytes(pickle.dumps(bomb, protocol=2)), "would run posix.system when opened"),
        (lambda bomb, path: path.write_bytes(pickle.dumps(bomb)), "damaged or no checkpoint"),
        (lambda bomb, path: save(path, {**TENSORS, "x": eval}), "would run eval when opened"),
        (lambda bomb, path: save(path, torch.nn.Linear(2, 2)), "would run torch.nn.modules.linear.Linear"),
    ],
    ids=["zip", "legacy", "bare pickle", "bare pickle, new protocol", "builtin", "whole network"],
)
def test_nothing_in_a_file_is_run(tmp_path, write, named):
    write(Bomb(tmp_path / "ran"), tmp_path / "w.pth")
    with pytest.raises(DataError, match=named) as caught:
        read_checkpoint(tmp_path / "w.pth")
    assert "expected" in caught.value.message
    assert "\n" not in caught.value.message
    assert not (tmp_path / "ran").exists()


def compressed(path):
    plain = save(path.with_suffix(".plain"), TENSORS)
    with zipfile.ZipFile(plain) as old, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            new.writestr(name, old.read(name))


def other_archive(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")


def shortened(is_zip, keep):
    def write(path):
        content = save(path, TENSORS, is_zip).read_bytes()
        path.write_bytes(content[: int(len(content) * keep)])

    return write


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (shortened(True, 0.5), r"cut short \(\d+ bytes, no directory at its end\)"),
        (shortened(True, 0.01), "cut short"),
        (shortened(False, 0.5), "damaged or no checkpoint"),
        (shortened(False, 0.98), "damaged or no checkpoint"),
        (lambda path: path.write_bytes(b""), "is empty"),
        (lambda path: path.write_bytes(b"\n<!DOCTYPE html><title>404"), "is a web page"),
        (lambda path: path.write_bytes(b"version https://git-lfs.github.com/spec/v1"), "begins with b'version '"),
        (lambda path: path.write_bytes(b"\x80\x02]q\x00."), "damaged or no checkpoint"),
        (compressed, "is a compressed archive"),
        (other_archive, "zip archive without a checkpoint"),
        (lambda path: save(path, [1, 2]), "holds no tensors by name"),
        (lambda path: save(path, torch.zeros(3)), "holds no tensors by name"),
        (lambda path: save(path, {"state_dict": {}}), "holds no tensors by name"),
        (lambda path: save(path, {"a": torch.zeros(1).expand(10**12)}), "a is no plain tensor"),
        (lambda path: save(path, {"a": torch.eye(3).to_sparse()}), "a is no plain tensor"),
    ],
)
def test_damaged_and_other_files_are_refused_in_one_line(tmp_path, write, message):
    path = tmp_path / "w.pth"
    write(path)
    with pytest.raises(DataError, match=message) as caught:
        read_checkpoint(path)
    assert "expected" in caught.value.message
    assert "\n" not in caught.value.message
    assert caught.value.hint
