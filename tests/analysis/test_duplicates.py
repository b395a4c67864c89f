import cv2
import numpy as np
import pytest

from bdgan_cli.analysis.duplicates import MAX_BITS, MAX_RMS, Signatures, across, join, sign, within
from bdgan_cli.errors import UsageError


def planted(seed, count=80, copies=40):
    """Random signatures; some are repeated with a few bits and grey levels changed, some exactly."""
    stream = np.random.default_rng(seed)
    hashes = stream.integers(0, 2**64, count, dtype=np.uint64)
    # Few distinct thumbnails, so that they decide over some candidates only.
    thumbs = stream.integers(0, 2, (count, 1), dtype=np.uint8) * 14 + np.full((count, 192), 100, np.uint8)
    for target in range(count - copies, count):
        source = int(stream.integers(0, count - copies))
        hashes[target] = hashes[source]
        for bit in stream.choice(64, int(stream.integers(0, 9)), replace=False):
            hashes[target] ^= np.uint64(1 << int(bit))
        thumbs[target] = thumbs[source] + stream.integers(0, 2, dtype=np.uint8) * 5
    return Signatures(hashes, thumbs)


def alike(one, two, max_bits=MAX_BITS):
    bits = (int(one[0]) ^ int(two[0])).bit_count()
    rms = float(np.sqrt(np.mean((one[1].astype(float) - two[1].astype(float)) ** 2)))
    return (bits, rms) if bits <= max_bits and rms <= MAX_RMS else None


def members(of):
    return list(zip(of.hashes_N.tolist(), of.thumbs_NC, strict=True))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("max_bits", [0, 1, 5, 8])
def test_pairs_within_are_those_of_comparing_all_with_all(seed, max_bits):
    images = members(planted(seed))
    expected = {
        (i, j): found
        for i in range(len(images))
        for j in range(i + 1, len(images))
        if (found := alike(images[i], images[j], max_bits)) is not None
    }
    found = within(planted(seed), max_bits=max_bits)
    assert expected
    assert found.pair_count == len(expected)
    listed = {tuple(pair): (bits, rms) for pair, bits, rms in zip(found.pairs_P2.tolist(), found.bits_P, found.rms_P,
                                                                  strict=True)}  # fmt: skip
    assert len(listed) == len(found.pairs_P2)
    assert {pair: pytest.approx(expected[pair]) for pair in listed} == listed
    touched = {i for pair in expected for i in pair}
    assert set(np.flatnonzero(found.affected_N)) == touched
    # Pairs that are not listed differ from a listed one by exact copies only.
    assert {i for pair in listed for i in pair} == touched
    assert found.share == pytest.approx(len(touched) / len(images))


@pytest.mark.parametrize("seed", range(4))
def test_pairs_across_are_those_of_comparing_all_with_all(seed):
    whole = planted(seed)
    mine = Signatures(whole.hashes_N[::2], whole.thumbs_NC[::2])
    theirs = Signatures(whole.hashes_N[1::2], whole.thumbs_NC[1::2])
    ours, others = members(mine), members(theirs)
    expected = {(i, j) for i, one in enumerate(ours) for j, two in enumerate(others) if alike(one, two)}
    found = across(mine, theirs)
    assert expected
    assert found.pair_count == len(expected)
    assert set(map(tuple, found.pairs_P2.tolist())) <= expected
    assert set(np.flatnonzero(found.affected_N)) == {i for i, _ in expected}
    assert across(theirs, mine).pair_count == len(expected)


def test_the_closest_pairs_come_first_and_always_the_same():
    one, two = within(planted(1)), within(planted(1))
    order = list(zip(one.bits_P.tolist(), one.rms_P.tolist(), one.pairs_P2.tolist(), strict=True))
    assert order == sorted(order)
    assert one.pairs_P2.tolist() == two.pairs_P2.tolist()


def test_many_copies_are_counted_but_not_all_listed():
    same = Signatures(np.full(1000, 5, np.uint64), np.zeros((1000, 192), np.uint8))
    found = within(same)
    assert found.pair_count == 1000 * 999 // 2
    assert len(found.pairs_P2) == 999
    assert found.share == 1
    half = Signatures(same.hashes_N[:30], same.thumbs_NC[:30])
    assert across(half, same).pair_count == 30_000


def test_no_pictures_and_one_picture_have_no_pairs():
    none, one = sign([]), sign([np.zeros((4, 6, 3), np.uint8)])
    for found in (within(none), within(one), across(none, one), across(one, none)):
        assert (found.pair_count, found.share, len(found.pairs_P2)) == (0, 0.0, 0)
    assert across(one, one).pairs_P2.tolist() == [[0, 0]]


def scene(seed, size=96):
    """A picture of soft blobs on a gradient."""
    stream = np.random.default_rng(seed)
    y, x = np.mgrid[:size, :size] / size
    picture = np.stack([stream.uniform(0, 120) + stream.uniform(0, 60) * (x if stream.random() < 0.5 else y)] * 3, 2)
    for _ in range(5):
        blob = np.hypot(x - stream.random(), y - stream.random()) < stream.uniform(0.05, 0.3)
        picture[blob] = stream.uniform(0, 255, 3)
    return cv2.GaussianBlur(picture.astype(np.uint8), (0, 0), 1)


def as_jpeg(picture):
    return cv2.imdecode(cv2.imencode(".jpg", picture, [cv2.IMWRITE_JPEG_QUALITY, 60])[1], cv2.IMREAD_COLOR)


@pytest.mark.parametrize(
    "change",
    [
        as_jpeg,
        lambda picture: cv2.resize(picture, (64, 64), interpolation=cv2.INTER_AREA),
        lambda picture: cv2.resize(picture, (150, 120), interpolation=cv2.INTER_LINEAR),
        lambda picture: np.clip(picture.astype(int) + 5, 0, 255).astype(np.uint8),
    ],
    ids=["jpeg", "smaller", "other shape", "brighter"],
)
def test_changed_copies_are_found_and_unlike_pictures_are_not(change):
    pictures = [scene(seed) for seed in range(60)]
    copies = [change(picture) for picture in pictures]
    found = across(sign(copies), sign(pictures))
    assert all(one == other for one, other in found.pairs_P2)
    assert found.share >= 0.9
    assert within(sign(pictures)).pair_count == 0


def test_the_hash_is_the_sign_of_the_slope():
    ramp = np.tile(np.arange(0, 90, 10, np.uint8), (8, 1))
    pictures = [np.repeat(of[..., None], 3, 2) for of in (ramp, ramp[:, ::-1], np.full_like(ramp, 9))]
    assert sign(pictures).hashes_N.tolist() == [2**64 - 1, 0, 0]
    # Both have the hash 0: the thumbnails tell them apart.
    assert within(sign(pictures)).pair_count == 0


def test_batches_join():
    pictures = [scene(seed, 32) for seed in range(5)]
    whole, parts = sign(pictures), join([sign(pictures[:2]), sign([]), sign(pictures[2:])])
    assert all(np.array_equal(one, two) for one, two in zip(whole, parts, strict=True))


@pytest.mark.parametrize("max_bits", [-1, 17])
def test_thresholds_that_make_no_sense_are_refused(max_bits):
    with pytest.raises(UsageError, match="expected 0 to 16 of 64"):
        within(planted(0), max_bits=max_bits)
