"""Pictures that a generator did not make, encoded for it; and names that mean a family."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
import torch

from bdgan_cli.dataset.reader import Record
from bdgan_cli.dataset.schema import ClassEntry
from bdgan_cli.errors import DataError, MissingError, UsageError
from bdgan_cli.interfaces import ClassInfo, Encodes, Latents, LatentSpec
from bdgan_cli.progress import Silent
from bdgan_cli.weights import card as cards
from bdgan_cli.weights.registry import load_generator
from bdgan_cli.workflows import head_job
from bdgan_cli.workflows.annotations import read_annotations
from bdgan_cli.workflows.encoded_annotations import encode_annotations, fit
from bdgan_cli.workflows.sample import SampleConfig, sample
from bdgan_cli.workflows.train_head import TrainHeadConfig, train_head

SIZE = 8


class Codes:
    """Encodes a picture as the whole numbers of its first row's red, to be seen in tests."""

    name, image_size = "codes", SIZE
    latent = LatentSpec((SIZE,), torch.int64)
    classes = (ClassInfo(0, "n1", "cat"), ClassInfo(1, "n2", "dog"), ClassInfo(2, "", "star"))

    def encode(self, images_NCHW, class_ids):
        assert images_NCHW.shape[1:] == (3, SIZE, SIZE)
        assert images_NCHW.abs().max() <= 1
        values = images_NCHW[:, 0, 0].add(1).mul(127.5).round().long()
        return Latents(values, torch.tensor(class_ids), torch.ones(len(class_ids)))


class Pictures:
    """A dataset of given samples, as far as training reads it."""

    reference = root = "pictures"

    def __init__(self, *samples, classes=((7, "n2", "hund"), (9, "", "star"))):
        """Take (class id, image, mask, latent) for each sample."""
        self.info = SimpleNamespace(
            label_names=("background", "object"), classes=tuple(ClassEntry(*entry) for entry in classes), generator=None
        )
        offsets = [-1 if mask is None else 0 for _, _, mask, _ in samples]
        self.table = pa.table({"class_id": [sample[0] for sample in samples], "mask_offset": offsets})
        self._records = [Record(f"k{i}", *sample[1:], None) for i, sample in enumerate(samples)]

    def __len__(self):
        return len(self._records)

    def iterate(self, members):
        yield from self._records


def picture(height=SIZE, width=SIZE, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def mask_of(height=SIZE, width=SIZE):
    mask = np.zeros((height, width), np.uint8)
    mask[height // 4 : height // 2, width // 4 : width // 2] = 1
    return mask


class Notes(Silent):
    def __init__(self):
        self.notes = []

    def note(self, text):
        self.notes.append(text)


def test_pictures_are_encoded_and_classes_matched_by_wnid_or_name():
    samples = [(7 if i % 2 else 9, picture(seed=i), mask_of(), None) for i in range(9)]
    found = encode_annotations(Pictures(*samples, (7, picture(), None, None)), Codes(), Silent())
    assert found.latents.values.dtype == torch.int64
    assert found.latents.values.tolist() == [image[0, :, 0].tolist() for _, image, _, _ in samples]
    assert found.latents.class_ids.tolist() == [2, 1] * 4 + [2]
    assert found.latents.truncations.tolist() == [1.0] * 9
    assert (found.labels, found.skipped) == (1, 1)
    assert torch.equal(found.masks_NHW[0], torch.from_numpy(mask_of()))
    assert isinstance(Codes(), Encodes)


def test_the_hash_is_of_pictures_masks_and_classes():
    def digest(class_id=7, seed=0, mask=None):
        sample = (class_id, picture(seed=seed), mask_of() if mask is None else mask, None)
        return encode_annotations(Pictures(sample), Codes(), Silent()).sha256

    assert digest() == digest()
    assert len({digest(), digest(9), digest(seed=1), digest(mask=mask_of()[::-1].copy())}) == 4


def test_fit_crops_the_middle_and_resizes():
    image = np.zeros((4 * SIZE, 6 * SIZE, 3), np.uint8)
    image[:, SIZE : 5 * SIZE] = 200  # the central square
    mask = (image[..., 0] > 0).astype(np.uint8)
    mask[0, SIZE] = 255
    small, labels = fit(image, mask, SIZE)
    assert small.shape == (SIZE, SIZE, 3)
    assert (small == 200).all()
    assert (labels == 1).all()
    assert np.array_equal(fit(picture(), mask_of(), SIZE)[0], picture())
    large, labels = fit(picture(), mask_of(), 2 * SIZE)
    assert large.shape == (2 * SIZE, 2 * SIZE, 3)
    assert np.array_equal(labels, mask_of().repeat(2, 0).repeat(2, 1))


def test_labels_stay_where_the_picture_is():
    image = picture(3 * SIZE, 3 * SIZE) // 2
    mask = np.zeros((3 * SIZE, 3 * SIZE), np.uint8)
    mask[7, 10], image[6:9, 9:12] = 1, 255  # the middle of a cell of 3x3
    small, labels = fit(image, mask, SIZE)
    assert np.argwhere(labels).tolist() == [[2, 3]]
    assert np.argwhere(small.min(2) == 255).tolist() == [[2, 3]]


def test_an_object_outside_the_square_is_left_out():
    mask = np.zeros((SIZE, 3 * SIZE), np.uint8)
    mask[:, 0] = 1
    report = Notes()
    samples = [(7, picture(SIZE, 3 * SIZE), mask, None), (7, picture(), mask_of(), None)]
    assert len(encode_annotations(Pictures(*samples), Codes(), report).masks_NHW) == 1
    assert report.notes == ["1 samples whose object lies outside the central square are left out"]


@pytest.mark.parametrize(
    ("sample", "classes", "message"),
    [
        ((7, picture(), mask_of(), None), ((7, "n7", "dog"),), r"codes lacks the classes 7 \(n7\)"),
        ((8, picture(), mask_of(), None), ((7, "n2", "dog"),), "codes lacks the classes 8"),
        ((7, picture(), None, None), ((7, "n2", "dog"),), "none of its 1 samples carries a mask"),
        ((7, picture(), mask_of() * 3, None), ((7, "n2", "dog"),), "k0: mask value 3, expected 0..1"),
        ((7, picture(), mask_of() * 0, None), ((7, "n2", "dog"),), "no pixel of an object"),
    ],
)
def test_pictures_that_nothing_can_be_learnt_from(sample, classes, message):
    with pytest.raises(DataError, match=message) as caught:
        encode_annotations(Pictures(sample, classes=classes), Codes(), Silent())
    assert caught.value.hint


def test_many_lacking_classes_are_counted():
    samples = [(i, picture(), mask_of(), None) for i in range(7)]
    classes = tuple((i, f"n9{i}", "") for i in range(7))
    with pytest.raises(DataError, match=r"0 \(n90\), .*4 \(n94\) and 2 more"):
        encode_annotations(Pictures(*samples, classes=classes), Codes(), Silent())


@pytest.mark.parametrize(
    ("latent", "message"),
    [
        (np.arange(SIZE, dtype=np.uint16), None),
        (np.arange(SIZE, dtype=np.int64), None),
        (np.arange(SIZE, dtype=np.float32), r"latent of float32, expected codes \(integers\)"),
        (np.arange(SIZE) - 1, "negative code -1"),
        (np.arange(SIZE + 1), r"latent of shape \(9,\), expected \(8,\)"),
    ],
)
def test_codes_are_read_as_they_are(latent, message):
    dataset = Pictures((0, None, mask_of(), latent))
    if message is None:
        values = read_annotations(dataset, Codes()).latents.values
        assert values.dtype == torch.int64
        assert values.tolist() == [latent.tolist()]
    else:
        with pytest.raises(DataError, match=message):
            read_annotations(dataset, Codes())


@pytest.fixture(scope="module")
def annotated(tmp_path_factory):
    workspace = tmp_path_factory.mktemp("annotated")
    config = SampleConfig(workspace=workspace, classes="0-1", per_class=2, labels="exact", classifier="none", batch=2)
    return sample(replace(config, shard_size=2)).folder


@pytest.fixture
def other(monkeypatch):
    """Put a generator ``other`` beside the embedded one, with the same network; return a way to let it encode."""
    tiny = load_generator("tiny-biggan")
    known = cards.all_cards()
    known["other"] = replace(known["tiny-biggan"], name="other")

    class Other:
        name, family, image_size, classes, spec = "other", "other", tiny.image_size, tiny.classes, tiny.spec
        latent, default_rule = tiny.latent, tiny.default_rule
        draw, synthesize = tiny.draw, tiny.synthesize

    class Encoding(Other):
        def encode(self, images, class_ids):
            return tiny.draw(class_ids, [0] * len(class_ids), 0, tiny.default_rule)

    def install(encodes):
        made = Encoding() if encodes else Other()
        monkeypatch.setattr(head_job, "load_generator", lambda name, device=None: made)

    monkeypatch.setattr(cards, "all_cards", lambda: known)
    monkeypatch.setattr(head_job, "all_cards", lambda: known)
    return install


@pytest.fixture
def config(tmp_path, annotated):
    return TrainHeadConfig("other", annotated, tmp_path, members=2, steps=2, batch=2, device="cpu")


def test_a_generator_that_encodes_learns_from_anothers_pictures(config, other, annotated):
    other(encodes=True)
    report = Notes()
    result = train_head(config, report)
    assert f"{annotated} holds tiny-biggan's samples: other encodes their pictures" in report.notes
    assert (result.card.generator, result.steps_made) == ("other", 2)


def test_the_newest_set_of_anything_serves_a_generator_that_encodes(config, other, annotated):
    other(encodes=True)
    report = Notes()
    train_head(replace(config, dataset=None, workspace=annotated.parent.parent, name="encoded"), report)
    assert report.notes[0] == f"dataset: {annotated} (newest annotated set)"


def test_a_generator_that_cannot_encode_refuses_anothers(config, other, annotated):
    other(encodes=False)
    with pytest.raises(UsageError, match="holds tiny-biggan's samples, expected those of other"):
        train_head(config)
    with pytest.raises(MissingError, match="no annotated dataset of other"):
        train_head(replace(config, dataset=None, workspace=annotated.parent.parent))


@pytest.mark.parametrize("given", [True, False])
def test_a_family_means_the_generator_of_the_annotated_set(config, monkeypatch, annotated, given):
    monkeypatch.setitem(cards.ALIASES, "tiny", cards.Alias("tiny-none", ("tiny-*",)))
    known = cards.all_cards()
    known["tiny-none"] = replace(known["tiny-biggan"], name="tiny-none")
    monkeypatch.setattr(cards, "all_cards", lambda: known)
    report = Notes()
    place = {"dataset": annotated} if given else {"dataset": None, "workspace": annotated.parent.parent}
    result = train_head(replace(config, generator="tiny", overwrite=True, **place), report)
    assert "generator: tiny-biggan (of the family tiny)" in report.notes
    assert result.card.name == "tiny-biggan-multilevel"


def test_a_family_falls_back_to_its_default(config, monkeypatch, annotated):
    monkeypatch.setitem(cards.ALIASES, "family", cards.Alias("tiny-biggan", ("nothing-*",)))
    assert train_head(replace(config, generator="family")).card.generator == "tiny-biggan"


def test_the_origin_of_real_pictures_is_said(config, other, monkeypatch, annotated):
    other(encodes=True)
    opened = head_job.open_dataset

    def without_generator(path):
        dataset = opened(path)
        dataset.info = replace(dataset.info, generator=None)
        return dataset

    monkeypatch.setattr(head_job, "open_dataset", without_generator)
    report = Notes()
    train_head(config, report)
    assert f"{annotated} holds no generator's samples: other encodes their pictures" in report.notes
