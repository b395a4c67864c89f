"""Pictures that show almost the same: candidates by a 64-bit difference hash, confirmed by small colour thumbnails.

The hash says in which direction brightness changes between neighbours of an 8x9 picture; it survives resizing and
compression. Plain backgrounds make unlike pictures agree by chance, therefore pairs must also look alike at 8x8 pixels.

Exact and not quadratic: 64 bits are cut into max_bits + 2 bands. Two hashes that differ in at most max_bits bits agree
in at least two bands, so only hashes that share two whole bands are compared.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from bdgan_cli.errors import UsageError

Rows = NDArray[np.int64]

MAX_BITS = 5
MOST_BITS = 16
# Grey levels of 255. Re-encoded or resized copies stay under 3; the nearest of unlike pictures seen were above 15.
MAX_RMS = 12.0
# A smaller step in grey levels is none: noise of compression would decide its sign.
_FLAT = 1.5
_HASH_ROWS, _HASH_BITS, _THUMB_PX = 8, 64, 8
_BITS_OF_16 = np.array([bin(value).count("1") for value in range(1 << 16)], np.uint8)
_BLOCK = 1 << 20


class Signatures(NamedTuple):
    """What is kept of N pictures.

    Attributes:
        hashes_N: (N,) uint64 difference hashes.
        thumbs_NC: (N, 192) uint8, the pictures at 8x8 in RGB.
    """

    hashes_N: NDArray[np.uint64]
    thumbs_NC: NDArray[np.uint8]


class Duplicates(NamedTuple):
    """Near-duplicate pairs, the closest first.

    Attributes:
        pairs_P2: (P, 2) rows of the first and of the second set. Of a group of identical pictures only the pairs with
            its first member are listed.
        bits_P: (P,) bits in which the hashes differ.
        rms_P: (P,) root mean square difference of the thumbnails, in grey levels.
        pair_count: All pairs, listed or not.
        affected_N: (N,) whether a picture of the first set is part of a pair.
    """

    pairs_P2: Rows
    bits_P: NDArray[np.uint8]
    rms_P: NDArray[np.float64]
    pair_count: int
    affected_N: NDArray[np.bool_]

    @property
    def share(self) -> float:
        """Share of the first set's pictures that are part of a pair; 0 for an empty set."""
        return float(self.affected_N.mean()) if len(self.affected_N) else 0.0


def sign(images: list[NDArray[np.uint8]]) -> Signatures:
    """Return the signatures of (H, W, 3) uint8 RGB pictures of any sizes."""
    hashes = np.zeros(len(images), np.uint64)
    thumbs = np.zeros((len(images), 3 * _THUMB_PX**2), np.uint8)
    for i, image in enumerate(images):
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        small = cv2.resize(grey.astype(np.float32), (_HASH_ROWS + 1, _HASH_ROWS), interpolation=cv2.INTER_AREA)
        hashes[i] = np.packbits(small[:, 1:] > small[:, :-1] + _FLAT).view(">u8")[0]
        thumbs[i] = cv2.resize(image, (_THUMB_PX, _THUMB_PX), interpolation=cv2.INTER_AREA).ravel()
    return Signatures(hashes, thumbs)


def join(parts: list[Signatures]) -> Signatures:
    """Put the signatures of several batches after another; none gives an empty set."""
    empty = Signatures(np.zeros(0, np.uint64), np.zeros((0, 3 * _THUMB_PX**2), np.uint8))
    hashes, thumbs = zip(*[empty, *parts], strict=True)
    return Signatures(np.concatenate(hashes), np.concatenate(thumbs))


def within(images: Signatures, *, max_bits: int = MAX_BITS, max_rms: float = MAX_RMS) -> Duplicates:
    """Find near-duplicates within a set.

    Args:
        images: The set.
        max_bits: Most bits in which the hashes of a pair differ, 0 to 16.
        max_rms: Largest difference of the thumbnails, in grey levels.

    Raises:
        UsageError: If ``max_bits`` is out of range.
    """
    firsts, group_of = _identical(images)
    close = _close_pairs(_take(images, firsts), max_bits, max_rms)
    copies = np.setdiff1d(np.arange(len(group_of)), firsts)
    same = np.stack([firsts[group_of[copies]], copies], 1)
    near = np.sort(np.stack([firsts[close.left], firsts[close.right]], 1), 1)

    sizes = np.bincount(group_of, minlength=len(firsts))
    count = (sizes * (sizes - 1) // 2).sum() + (sizes[close.left] * sizes[close.right]).sum()
    paired = sizes > 1
    paired[close.left] = paired[close.right] = True
    return _listed(same, near, close, int(count), paired[group_of])


def across(images: Signatures, others: Signatures, *, max_bits: int = MAX_BITS, max_rms: float = MAX_RMS) -> Duplicates:
    """Find pictures of one set that have a near-duplicate in another; see :func:`within`.

    Raises:
        UsageError: If ``max_bits`` is out of range.
    """
    both = join([images, others])
    total = len(images.hashes_N)
    firsts, group_of = _identical(both)
    close = _close_pairs(_take(both, firsts), max_bits, max_rms)
    mine, theirs = (np.bincount(rows, minlength=len(firsts)) for rows in (group_of[:total], group_of[total:]))
    # Each close pair of distinct pictures counts in both directions, where the one is mine and the other theirs.
    close = close.both_ways()
    close = close.keep((mine[close.left] > 0) & (theirs[close.right] > 0))

    first_mine, first_theirs = (_first_rows(rows, len(firsts)) for rows in (group_of[:total], group_of[total:]))
    shared = np.flatnonzero((mine > 0) & (theirs > 0))
    same = np.stack([first_mine[shared], first_theirs[shared]], 1)
    near = np.stack([first_mine[close.left], first_theirs[close.right]], 1)
    count = (mine * theirs).sum() + (mine[close.left] * theirs[close.right]).sum()
    paired = theirs > 0
    paired[close.left] = True
    return _listed(same, near, close, int(count), paired[group_of[:total]])


class _Close(NamedTuple):
    """Pairs of distinct pictures that look alike."""

    left: Rows
    right: Rows
    bits: NDArray[np.uint8]
    rms: NDArray[np.float64]

    def both_ways(self) -> _Close:
        left, right = np.concatenate([self.left, self.right]), np.concatenate([self.right, self.left])
        return _Close(left, right, np.tile(self.bits, 2), np.tile(self.rms, 2))

    def keep(self, chosen: NDArray[np.bool_]) -> _Close:
        return _Close(self.left[chosen], self.right[chosen], self.bits[chosen], self.rms[chosen])


def _close_pairs(images: Signatures, max_bits: int, max_rms: float) -> _Close:
    if not 0 <= max_bits <= MOST_BITS:
        raise UsageError(
            f"duplicates within {max_bits} bits, expected 0 to {MOST_BITS} of 64", "use --duplicate-bits 5"
        )
    parts = [_Close(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8), np.zeros(0))]
    for left, right, bits in _candidates(images.hashes_N, max_bits):
        for start in range(0, len(left), _BLOCK):
            block = slice(start, start + _BLOCK)
            gap = images.thumbs_NC[left[block]].astype(np.float32) - images.thumbs_NC[right[block]]
            rms = np.sqrt(np.square(gap).mean(1, dtype=np.float64))
            parts.append(_Close(left[block], right[block], bits[block], rms).keep(rms <= max_rms))
    return _Close(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _candidates(hashes_N: NDArray[np.uint64], max_bits: int) -> Iterator[tuple[Rows, Rows, NDArray[np.uint8]]]:
    """Yield each pair of hashes within ``max_bits`` once."""
    bands = _bands(max_bits + 2)
    for first, second in combinations(range(len(bands)), 2):
        key = hashes_N & (bands[first] | bands[second])
        order = np.argsort(key, kind="stable")
        ordered, key = hashes_N[order], key[order]
        ends = np.searchsorted(key, key, side="right")
        at = np.arange(len(key))
        shift = 1
        # Within a run of equal keys, the pairs at distance 1, then 2, ...: each step is one vector operation.
        while len(at := at[at + shift < ends[at]]):
            difference = ordered[at] ^ ordered[at + shift]
            bits = _popcount(difference)
            # Of all pairs of bands that agree, the first one reports the pair.
            earlier = [(difference & bands[band]) == 0 for band in range(second) if band != first]
            new = (bits <= max_bits) & ~np.logical_or.reduce([np.zeros(len(at), np.bool_), *earlier])
            yield order[at[new]], order[at[new] + shift], bits[new]
            shift += 1


def _bands(count: int) -> list[np.uint64]:
    """Cut 64 bits into masks of nearly equal width."""
    edges = [round(i * _HASH_BITS / count) for i in range(count + 1)]
    return [np.uint64((1 << high) - (1 << low)) for low, high in pairwise(edges)]


def _popcount(values: NDArray[np.uint64]) -> NDArray[np.uint8]:
    counts: NDArray[np.uint8] = _BITS_OF_16[values.view(np.uint16).reshape(-1, 4)].sum(1, dtype=np.uint8)
    return counts


def _identical(images: Signatures) -> tuple[Rows, Rows]:
    """Return the first row of each group of identical signatures, and the group of each row."""
    joined = np.concatenate([images.hashes_N.view(np.uint8).reshape(-1, 8), images.thumbs_NC], 1)
    whole = np.ascontiguousarray(joined).view(f"V{joined.shape[1]}").ravel()
    _, firsts, group_of = np.unique(whole, return_index=True, return_inverse=True)
    return firsts.astype(np.int64), group_of.astype(np.int64).ravel()


def _take(images: Signatures, rows: Rows) -> Signatures:
    return Signatures(images.hashes_N[rows], images.thumbs_NC[rows])


def _first_rows(group_of: Rows, groups: int) -> Rows:
    """Return the first row of each group, -1 for a group without any."""
    firsts = np.full(groups, -1, np.int64)
    firsts[group_of[::-1]] = np.arange(len(group_of))[::-1]
    return firsts


def _listed(same: Rows, near: Rows, close: _Close, count: int, affected: NDArray[np.bool_]) -> Duplicates:
    pairs = np.concatenate([same, near])
    bits = np.concatenate([np.zeros(len(same), np.uint8), close.bits])
    rms = np.concatenate([np.zeros(len(same)), close.rms])
    order = np.lexsort((pairs[:, 1], pairs[:, 0], rms, bits))
    return Duplicates(pairs[order], bits[order], rms[order], count, affected)
