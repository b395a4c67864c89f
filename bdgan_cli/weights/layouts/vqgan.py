"""VQGAN with its class-conditional transformer, as the Lightning checkpoints of taming-transformers hold them.

Both stages lie in one state dict under ``transformer.`` and ``first_stage_model.``; these names are kept. What only
training needs (discriminator, perceptual loss) and the constant attention masks are left out.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping

import torch
from torch import Tensor

from bdgan_cli.errors import DataError

NAME = "vqgan"
SUMMARY = "VQGAN and its transformer, a Lightning checkpoint of taming-transformers (last.ckpt)"

_PRIOR, _FIRST_STAGE = "transformer.", "first_stage_model."
_TOKENS, _HEAD = f"{_PRIOR}tok_emb.weight", f"{_PRIOR}head.weight"
_CODEBOOK = f"{_FIRST_STAGE}quantize.embedding.weight"
_REQUIRED = (
    _TOKENS, _HEAD, f"{_PRIOR}pos_emb", f"{_PRIOR}ln_f.weight", f"{_PRIOR}blocks.0.attn.key.weight", _CODEBOOK,
    f"{_FIRST_STAGE}encoder.conv_in.weight", f"{_FIRST_STAGE}decoder.conv_out.weight",
    f"{_FIRST_STAGE}post_quant_conv.weight",
)  # fmt: skip
_HINT = "the file is not whole or is another model's; see bdgan models list"


def matches(keys: Collection[str]) -> bool:
    """Tell the layout by its two parts."""
    return _TOKENS in keys and any(key.startswith(_FIRST_STAGE) for key in keys)


def matches_first_stage(keys: Collection[str]) -> bool:
    """Tell a stand-alone first stage: the same names without their prefix and without a transformer."""
    return {"encoder.conv_in.weight", "decoder.conv_in.weight", "quantize.embedding.weight"} <= set(keys)


def stored_dtype(key: str) -> torch.dtype:
    """Return in which precision a tensor is kept: the transformer, nine tenths of the file, in bfloat16."""
    return torch.bfloat16 if key.startswith(_PRIOR) else torch.float32


def convert(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Choose what sampling needs. The tensors stay those of the file, so that none is copied before it is written.

    Raises:
        DataError: If a part is missing, or both stages are not of one vocabulary.
    """
    missing = [key for key in _REQUIRED if key not in tensors]
    if missing:
        raise DataError(f"{SUMMARY}: {len(missing)} keys missing {missing[:3]}", _HINT)
    for key in (_TOKENS, _HEAD, _CODEBOOK):
        if tensors[key].ndim != 2:
            raise DataError(f"{SUMMARY}: {key} has shape {tuple(tensors[key].shape)}, expected a matrix", _HINT)
    rows = {key: tensors[key].shape[0] for key in (_TOKENS, _HEAD, _CODEBOOK)}
    if len(set(rows.values())) != 1:
        found = ", ".join(f"{key} {count}" for key, count in rows.items())
        raise DataError(f"{SUMMARY}: expected as many rows in each vocabulary, got {found}", _HINT)
    return {key: tensor for key, tensor in tensors.items() if _is_kept(key)}


def _is_kept(key: str) -> bool:
    if key.startswith(_FIRST_STAGE):
        return not key.startswith(f"{_FIRST_STAGE}loss.")
    return key.startswith(_PRIOR) and re.fullmatch(r"transformer\.blocks\.\d+\.attn\.mask", key) is None
