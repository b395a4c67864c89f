"""Latents as a pure function of a sample's name.

A counter-based stream (Philox) is keyed by (generator family, seed, class, index); its raw bits become uniforms and,
by the inverse normal distribution, normals. Nothing depends on a batch, a rank or the order of work, and no rejection
loop is needed: ``threshold`` maps the uniforms into the truncated distribution directly.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtr, ndtri

from bdgan_cli.errors import UsageError
from bdgan_cli.interfaces import CodeSampling, DrawRule, Latents, Truncation

TRUNCATION_MODES = ("scale", "threshold")


def draw_normal(family: str, class_ids: list[int], indices: list[int], seed: int, rule: DrawRule, dim: int) -> Latents:
    """Draw z for samples (class_ids[i], indices[i]).

    Args:
        family: Generator family; different families see different streams.
        class_ids: N class ids.
        indices: N positions within their class, 0 or more.
        seed: The data set's seed.
        rule: A truncation: ``scale`` gives N(0, value^2); ``threshold`` gives N(0, 1) conditioned on |z| <= value.
        dim: Width of z.

    Returns:
        (N, dim) float32 values with their classes and truncation.

    Raises:
        UsageError: If the rule is no truncation, or one that no latent can follow.
    """
    truncation = check_truncation(rule)
    uniforms = draw_uniforms(family, class_ids, indices, seed, dim)
    if truncation.mode == "threshold":
        low, high = ndtr(-truncation.value), ndtr(truncation.value)
        normals = ndtri(low + uniforms * (high - low))
    else:
        normals = ndtri(uniforms) * truncation.value
    return Latents(
        torch.from_numpy(normals.astype(np.float32)),
        torch.tensor(class_ids, dtype=torch.int64),
        torch.full((len(class_ids),), truncation.value),
    )


def check_truncation(rule: DrawRule) -> Truncation:
    """Return the rule if it is a truncation that latents can follow.

    Raises:
        UsageError: If it is none, its value is not in (0, 4] or its mode is unknown.
    """
    if not isinstance(rule, Truncation):
        raise UsageError(
            "temperature, top-k and top-p are for generators that draw codes; this one takes a truncation",
            "use --trunc 0.9",
        )
    if not 0 < rule.value <= 4:
        raise UsageError(
            f"truncation {rule.value}, expected a number above 0 and at most 4", "the paper uses --trunc 0.9"
        )
    if rule.mode not in TRUNCATION_MODES:
        raise UsageError(
            f"truncation mode {rule.mode!r}, expected one of {', '.join(TRUNCATION_MODES)}",
            "the paper's code uses scale",
        )
    return rule


def check_code_sampling(rule: DrawRule) -> CodeSampling:
    """Return the rule if it tells how to draw codes.

    Raises:
        UsageError: If it does not, or a number is out of range.
    """
    if not isinstance(rule, CodeSampling):
        raise UsageError(
            "a truncation is for generators that draw latents; this one draws codes",
            "use --temperature, --top-k and --top-p instead of --trunc",
        )
    if not 0 < rule.temperature <= 10:
        raise UsageError(
            f"temperature {rule.temperature}, expected a number above 0 and at most 10", "the default is 1"
        )
    if rule.top_k < 0:
        raise UsageError(f"top-k {rule.top_k}, expected 0 (all codes) or more", "the default is 600")
    if not 0 < rule.top_p <= 1:
        raise UsageError(f"top-p {rule.top_p}, expected a number above 0 and at most 1", "the default is 0.92")
    return rule


def draw_uniforms(family: str, class_ids: list[int], indices: list[int], seed: int, dim: int) -> NDArray[np.float64]:
    """Return (N, dim) uniforms strictly between 0 and 1, a function of each sample's name alone."""
    return np.stack([_uniforms(family, seed, c, i, dim) for c, i in zip(class_ids, indices, strict=True)])


def _uniforms(family: str, seed: int, class_id: int, index: int, dim: int) -> NDArray[np.float64]:
    """Return dim uniforms strictly between 0 and 1, the same on every platform."""
    name = f"{family}/{seed}/{class_id}/{index}".encode()
    key = np.frombuffer(hashlib.blake2b(name, digest_size=16).digest(), dtype="<u8")
    raw = np.random.Philox(key=key).random_raw(dim)
    uniforms: NDArray[np.float64] = ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return uniforms
