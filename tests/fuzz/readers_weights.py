"""The readers of weights, of the cards beside them, and of states of trainings; torch is loaded with this module."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import nn

from bdgan_cli.backbones import ARCHITECTURES, ResNet
from bdgan_cli.errors import BdganError, DataError
from bdgan_cli.heads import checkpoints as head_checkpoints
from bdgan_cli.heads.files import HeadCard, load_head, save_head
from bdgan_cli.heads.turns import Turns
from bdgan_cli.interfaces import Features, FeatureSpec, Tap
from bdgan_cli.tasks.registry import find_task
from bdgan_cli.training import checkpoints
from bdgan_cli.weights import public_backbones
from bdgan_cli.weights.backbones import BackboneCard, load_backbone, save_backbone
from bdgan_cli.weights.card import CARDS_FOLDER, KINDS, read_card
from bdgan_cli.weights.convert import read_public
from bdgan_cli.weights.files import load_weights, read_tensors
from bdgan_cli.weights.installed import InstalledRecord, read_record, write_record
from bdgan_cli.weights.licences import unseen_terms
from bdgan_cli.weights.partial import Partial
from bdgan_cli.weights.pickles import read_checkpoint
from bdgan_cli.weights.write import write_tensors
from bdgan_cli.workflows.benchmark import run
from tests.fuzz.corpus import written
from tests.fuzz.reader import Files, Place, Reader
from tests.weights.toy import vqgan_tensors

IDENTITY = {"name": "h", "seed": 0, "plan": [1, {"a": 2.5}]}
SPEC = FeatureSpec((Tap("a", 2, 4, 4), Tap("b", 3, 8, 8)), 2)


def layer() -> nn.Module:
    torch.manual_seed(0)
    return nn.Conv2d(2, 3, 1)


def safetensors() -> Sequence[Files]:
    def write(folder: Path) -> None:
        folder.mkdir()
        write_tensors(folder / "a.safetensors", layer().state_dict(), lambda _: torch.float32)

    def half(folder: Path) -> None:
        folder.mkdir()
        write_tensors(folder / "a.safetensors", layer().state_dict(), lambda _: torch.bfloat16)

    return [written(write), written(half)]


def read_safetensors(place: Place) -> None:
    path = place.source / "a.safetensors"
    check_tensors(read_tensors(path))
    for as_stored in (False, True):
        module = layer()
        load_weights(module, path, as_stored=as_stored)
        assert module(torch.zeros(1, 2, 1, 1, dtype=module.weight.dtype)).shape == (1, 3, 1, 1)


def check_tensors(tensors: dict[str, torch.Tensor]) -> None:
    """Every element must be there: sums read all of them, so that a lie about a size would crash here."""
    for name, tensor in tensors.items():
        assert isinstance(name, str)
        assert tensor.layout == torch.strided
        tensor.double().sum() if not tensor.is_complex() else tensor.abs().sum()


def heads(arch: str) -> Sequence[Files]:
    def write(folder: Path) -> None:
        card = HeadCard("h", arch, "tiny", "ab" * 32, SPEC, 16, 1, (0, 1), 0, {"steps": 1}, {"iou": 0.5})
        save_head(folder, replace(card, label_names=("background", "object")), card.build())

    return [written(write)]


def read_head(place: Place) -> None:
    head = load_head(place.source, "tiny", "ab" * 32)
    card = head.card
    assert len(card.named_labels) == max(2, card.labels)
    assert json.dumps(card.to_json())
    maps = [torch.zeros(1, tap.channels, tap.height, tap.width) for tap in card.spec.taps]
    with torch.no_grad():
        logits = head.ensemble(Features(maps, torch.zeros(1, card.spec.condition_dim)))
    assert logits.shape == (len(card.members), 1, card.labels, card.image_size, card.image_size)


def mend_hash(card: str, files: Files) -> Files:
    """Put the hash of the weights into the card, so that what is wrong with them is found by reading them."""
    digest = hashlib.sha256(files["weights.safetensors"]).hexdigest().encode()
    before = files[card].find(b'"weights_sha256": "') + len(b'"weights_sha256": "')
    return {**files, card: files[card][:before] + digest + files[card][before + 64 :]}


def backbones() -> Sequence[Files]:
    torch.manual_seed(0)
    card = BackboneCard("b", "resnet18-narrow", {"steps": 1}, {"loss": 0.5})
    return [written(lambda folder: save_backbone(_made(folder), card, ResNet(ARCHITECTURES[card.arch])))]


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder


def read_backbone(place: Place) -> None:
    arch, tensors = load_backbone(place.source)
    assert arch in ARCHITECTURES
    check_tensors(tensors)


def trainings() -> Sequence[Files]:
    def write(folder: Path) -> None:
        state = {"step": 3, "weights": [torch.zeros(2), {"a": torch.ones(3)}], "names": {"x": None, "y": 1.5}}
        checkpoints.write_checkpoint(folder / checkpoints.CHECKPOINT_FILE, state, IDENTITY)

    return [written(write)]


def read_training(place: Place) -> None:
    state = checkpoints.read_checkpoint(place.source / checkpoints.CHECKPOINT_FILE, IDENTITY)
    assert isinstance(state, dict)


def head_trainings() -> Sequence[Files]:
    tensors = {"step": torch.tensor(3), "weights": torch.zeros(2)}
    return [written(lambda folder: head_checkpoints.write_checkpoint(folder, tensors, IDENTITY, Turns(2, 1)))]


def read_head_training(place: Place) -> None:
    turns = head_checkpoints.read_turns(place.source)
    assert turns is None or (turns.samples > 0 and turns.members > 0)
    tensors = head_checkpoints.read_checkpoint(place.source, IDENTITY)
    assert tensors is not None
    check_tensors(tensors)


def pickles() -> Sequence[Files]:
    """The formats since torch 1.6 and before, plain and as Lightning nests it, and a small file of a public layout."""
    tensors = {"fc.weight": torch.arange(6.0).reshape(2, 3), "module.a": torch.ones(2, dtype=torch.float16)}
    nested = {"epoch": 3, "state_dict": tensors, "hparams": {"a": [1, None]}}
    seeds = []
    for content in (tensors, nested, vqgan_tensors(depth=1)):
        for is_zip in (True, False):
            buffer = io.BytesIO()
            torch.save(content, buffer, _use_new_zipfile_serialization=is_zip)
            seeds.append({"a.pth": buffer.getvalue()})
    return seeds


def read_pickle(place: Place) -> None:
    path = place.source / "a.pth"
    check_tensors(read_checkpoint(path))
    check_tensors(public_backbones.read_public(path))
    try:
        found = read_public(path)
    except DataError as error:  # of no known layout, as most of the valid files
        if str(path) not in error.message:
            raise AssertionError(error.message) from error
        return
    try:
        check_tensors(found.layout.convert(found.tensors))
    except DataError as error:  # the converter of files puts the file's name before it
        raise DataError(f"{path}: {error.message}") from error


def cards() -> Sequence[Files]:
    return [{"a.toml": path.read_bytes()} for path in sorted(CARDS_FOLDER.glob("*.toml"))]


def read_model_card(place: Place) -> None:
    card = read_card(place.source / "a.toml")
    assert card.kind in KINDS
    words = (card.name, card.family, card.builder, card.summary, card.origin, card.licence, card.terms, card.domain)
    assert all(isinstance(word, str) for word in (*words, *card.layouts, *card.pages))
    assert isinstance(card.resolution, int)
    assert all(isinstance(file.name, str) and isinstance(file.size, int) for file in card.files)
    assert all(isinstance(url, str) for source in card.sources for url in source.urls)


def caches() -> Sequence[Files]:
    def write(folder: Path) -> None:
        write_record(folder / "models" / "toy", InstalledRecord("ab", 3, 4, "biggan-deep", "toy.bin", "cd"))

    shown = {"licences-shown.json": b'{"toy": "free"}'}
    part = {"toy.bin.part": b"x", "toy.bin.part.json": b'{"url": "http://a", "etag": "\\"x\\"", "total": "9"}'}
    return [{**written(write), **shown, **part}]


def read_cache(place: Place) -> None:
    """What was installed is checked; what only saves time counts as nothing where it is damaged."""
    os.environ["BDGAN_CACHE"] = str(place.source)
    card = read_card(CARDS_FOLDER / "tiny-biggan.toml")
    assert unseen_terms(replace(card, name="toy", terms="free")) in (None, "free")
    headers = Partial(place.source / "toy.bin").headers_to_resume("http://a", any_address=False)
    assert all(isinstance(value, str) for value in headers.values())
    record = read_record("toy")
    assert record is None or isinstance(record.size, int)


def tasks() -> Sequence[Files]:
    text = (
        '[labels]\n"hunting dog" = "151-153, n02088094"\ncat = [281, "tiger cat", "n02123394"]\nother = "*"\n'
        '[aliases]\ncat = ["Katze"]\n[coco]\ncat = 17\n[published]\ntrain = 3\n'
    )
    return [
        {"a.toml": f'title = "Pets"\ndomain = "imagenet"\nnote = "Ours."\n{text}'.encode()},
        {"a.toml": b'domain = "imagenet"\neach = "0-9, tiger cat"\n'},
        {"a.toml": b'[labels]\nround = "disc, Ring"\nangular = ["star, sharp"]\n'},
    ]


def read_task(place: Place) -> None:
    task = find_task(str(place.source / "a.toml"))
    assert len(task.label_names) == task.labels_count
    assert all(0 < label < task.labels_count for label in task.labels.values())
    assert all(isinstance(word, str) for word in (task.title, task.note, *task.label_names))


def benchmarks() -> Sequence[Files]:
    return [written(_write_benchmark)]


def _job(folder: Path) -> run.RunJob:
    return run.RunJob("r", folder, None, 1, 2, None, None, {}, 0, IDENTITY)  # type: ignore[arg-type]


def _write_benchmark(folder: Path) -> None:
    folder.mkdir()
    counts = run.Counts(*(np.zeros((2, 2, 2), np.int64) for _ in run.Counts._fields))
    tested = run.Tested(counts, np.zeros(1, np.int64), np.zeros((1, 4, 4), np.uint8))
    run._write_record(_job(folder), run.RunRecord({"loss": 0.5}, {"t": tested}))


def read_benchmark(place: Place) -> None:
    record = run.read_record(_job(place.source))
    assert record is not None
    assert isinstance(record.figures, dict)


def refuse_none(read: Callable[[Place], None], place: Place) -> None:
    """Nothing that may be damaged without harm may be refused."""
    try:
        read(place)
    except BdganError as error:
        raise AssertionError(error.message) from error


_JSON = (b"null", b"true", b"[]", b"{}", b"NaN", b"1e999")
_HEADER = (
    b'"dtype":"F8_E4M3"',
    b'"BOOL"',
    b'"I64"',
    b'"F4"',
    b'"shape":[',
    b'"data_offsets":[0,',
    b"__metadata__",
    b"\x80\x02",
    b"PK\x03\x04",
)
_PICKLE = (
    b"cos\nsystem\n",
    b"R.",
    b"\x8c\x02os",
    b"storage",
    b"FloatStorage",
    b"\x8a\x08",
    b"tR.",
    b"cpu",
    b"cuda:0",
    b"meta",
    b"J\xff\xff\xff\x7f",
    b"(" * 50,
    b"]" * 50,
)
READERS = (
    Reader("safetensors", safetensors, read_safetensors, ("*",), _HEADER),
    Reader(
        "head card",
        lambda: heads("multilevel"),
        read_head,
        ("head.json",),
        (*_JSON, b'"taps"', b'"official"', b'"vqgan"'),
    ),
    Reader(
        "head weights",
        lambda: heads("multilevel"),
        read_head,
        ("*.safetensors",),
        _HEADER,
        partial(mend_hash, "head.json"),
    ),
    Reader("backbone card", backbones, read_backbone, ("*.json",), (*_JSON, b'"resnet50"')),
    Reader(
        "backbone weights", backbones, read_backbone, ("*.safetensors",), _HEADER, partial(mend_hash, "backbone.json")
    ),
    Reader(
        "checkpoint of a training",
        trainings,
        read_training,
        ("*",),
        (*_HEADER, b'\\"tensor\\"', b'\\"dict\\"', b'\\"list\\"'),
    ),
    Reader("checkpoint of a head", head_trainings, read_head_training, ("*",), (*_HEADER, b'\\"samples\\"')),
    Reader("torch checkpoint", pickles, read_pickle, ("*",), _PICKLE),
    Reader(
        "model card, TOML",
        cards,
        read_model_card,
        ("*",),
        (b"[[files]]", b"[[sources]]", b"= 1e999", b"= [", b"1979-05-27", b'"""'),
    ),
    Reader("cache of models", caches, read_cache, ("*.json",), _JSON),
    Reader(
        "task, TOML",
        tasks,
        read_task,
        ("*",),
        (b"each = ", b"[labels]", b"[labels.a]", b"0-99999999999", b"1979-05-27", "\u00b2".encode(), b"= {", b"= [["),
    ),
    Reader("result of a benchmark", benchmarks, read_benchmark, ("*",), (*_JSON, b"'|O'", b"PK\x03\x04")),
)
