"""The class tables against what is known of them from elsewhere."""

from __future__ import annotations

import pytest

from bdgan_cli.imagenet import classes_by_wnid, imagenet_classes

# The classes that the released list of 992 lacks.
MISSING = {
    44: ("n01689811", "alligator lizard"),
    49: ("n01697457", "African crocodile"),
    430: ("n02802426", "basketball"),
    457: ("n02883205", "bow tie"),
    486: ("n02992211", "cello"),
    513: ("n03110669", "cornet"),
    752: ("n04039381", "racket"),
    843: ("n04371774", "swing"),
    875: ("n04487394", "trombone"),
}


def test_there_are_1000_classes_in_the_order_of_their_wnids() -> None:
    classes = imagenet_classes()
    assert [entry.id for entry in classes] == list(range(1000))
    wnids = [entry.wnid for entry in classes]
    assert wnids == sorted(set(wnids))
    assert all(len(wnid) == 9 and wnid[0] == "n" and wnid[1:].isdecimal() for wnid in wnids)


def test_a_name_means_one_class() -> None:
    # Classes are chosen by name without regard to case, and listed with commas between them.
    names = [entry.name.lower() for entry in imagenet_classes()]
    assert len(set(names)) == 1000
    assert not any("," in name or name != name.strip() or not name for name in names)


def test_names_are_those_that_torchvision_gives() -> None:
    from torchvision.models import ResNet50_Weights

    ours = [entry.name for entry in imagenet_classes()]
    theirs = ResNet50_Weights.IMAGENET1K_V1.meta["categories"]
    renamed = {i: name for i, name in enumerate(ours) if name != theirs[i]}
    expected = {134: "crane (bird)", 264: "Cardigan corgi", 517: "crane (machine)", 639: "maillot (tank suit)"}
    assert renamed == expected


def test_wnids_are_those_of_the_published_biggan() -> None:
    from pytorch_pretrained_biggan.utils import IMAGENET

    assert {int(entry.wnid[1:]): entry.id for entry in imagenet_classes()} == IMAGENET


def test_the_released_list_lacks_nine_classes_and_counts_the_rest() -> None:
    lacking = {entry.id: (entry.wnid, entry.name) for entry in imagenet_classes() if entry.seg_id is None}
    assert lacking == MISSING
    assert [entry.seg_id for entry in imagenet_classes() if entry.seg_id is not None] == list(range(1, 992))


@pytest.mark.parametrize(("wnid", "index"), [("n02084071", None), ("n02085620", 151), ("n15075141", 999)])
def test_classes_by_wnid(wnid: str, index: int | None) -> None:
    entry = classes_by_wnid().get(wnid)
    assert (entry.id if entry else None) == index
