"""VQGAN's second stage: a transformer that draws the codes of a class, on the GPT of ``taming.modules``.

The package's module holds the weights under the names of the public checkpoints; this file runs them, with torch's
scaled-dot-product attention, with a key/value cache, and with the hidden states that heads read.
Axis legend: N samples, T positions, D width, V vocabulary.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from taming.modules.transformer.mingpt import GPT, Block, CausalSelfAttention
from torch import Tensor

from bdgan_cli.interfaces import CodeSampling


@dataclass(frozen=True)
class PriorConfig:
    """The shape of a prior.

    Attributes:
        layers: Transformer blocks.
        heads: Attention heads. A checkpoint does not tell: every count that divides the width has the same tensors.
        width: Width of the hidden states.
        vocabulary: Codes; a class is the code of the same number.
        positions: Longest input: the class and all codes but the last.
        tap_every: A head reads the hidden states after every so many blocks.
    """

    layers: int
    heads: int
    width: int
    vocabulary: int
    positions: int
    tap_every: int = 4


def build_transformer(config: PriorConfig) -> GPT:
    """Build the package's transformer, whose attribute names are those of the public checkpoints."""
    transformer = GPT(config.vocabulary, config.positions, config.layers, config.heads, config.width)
    for block in transformer.blocks:
        # The mask is implied by causal attention; 48 of them would only fill memory.
        del block.attn.mask
    return transformer


class Prior:
    """Draws codes one after the other, and tells what it thinks of given ones."""

    def __init__(self, config: PriorConfig, transformer: GPT) -> None:
        self.config = config
        self.transformer = transformer
        # In bfloat16 logits around 10 would come in steps of 1/16, and with them the probabilities.
        self._head = transformer.head.weight.float()

    def logits(self, class_ids: Tensor, codes: Tensor) -> Tensor:
        """Return (N, T, V) logits of every code given its class and the codes before it."""
        x, _ = self._hidden(class_ids, codes)
        return self._logits(x)

    def _logits(self, x: Tensor) -> Tensor:
        return F.linear(self.transformer.ln_f(x).float(), self._head)

    def states(self, class_ids: Tensor, codes: Tensor) -> list[Tensor]:
        """Return the tapped hidden states, each (N, T, D): position i decides code i and has read those before it."""
        return self._hidden(class_ids, codes)[1]

    def _hidden(self, class_ids: Tensor, codes: Tensor) -> tuple[Tensor, list[Tensor]]:
        tokens = torch.cat([class_ids.unsqueeze(1), codes[:, :-1]], dim=1)
        x = self.transformer.tok_emb(tokens) + self.transformer.pos_emb[:, : tokens.shape[1]]
        taps = []
        for number, block in enumerate(self.transformer.blocks, start=1):
            query, key, value = _projections(block.attn, block.ln1(x))
            x = _after(block, x, F.scaled_dot_product_attention(query, key, value, is_causal=True))
            if number % self.config.tap_every == 0:
                taps.append(x)
        return x, taps

    @torch.inference_mode()
    def sample(self, class_ids: Tensor, uniforms: Tensor, recipe: CodeSampling) -> Tensor:
        """Draw codes.

        Args:
            class_ids: (N,) int64.
            uniforms: (N, T) float64 in (0, 1): the number that decides each code, by inversion.
            recipe: Temperature, top-k and top-p.

        Returns:
            (N, T) int64 codes.
        """
        count, length = uniforms.shape
        shape = (count, self.config.heads, length, self.config.width // self.config.heads)
        weight = self.transformer.tok_emb.weight
        cache = [(weight.new_empty(shape), weight.new_empty(shape)) for _ in self.transformer.blocks]
        token, codes = class_ids, []
        for position in range(length):
            x = (self.transformer.tok_emb(token) + self.transformer.pos_emb[:, position]).unsqueeze(1)
            for block, (keys, values) in zip(self.transformer.blocks, cache, strict=True):
                query, key, value = _projections(block.attn, block.ln1(x))
                keys[:, :, position : position + 1], values[:, :, position : position + 1] = key, value
                seen = slice(0, position + 1)
                x = _after(block, x, F.scaled_dot_product_attention(query, keys[:, :, seen], values[:, :, seen]))
            token = pick(self._logits(x.squeeze(1)), uniforms[:, position], recipe)
            codes.append(token)
        return torch.stack(codes, dim=1)


def pick(logits: Tensor, uniforms: Tensor, recipe: CodeSampling) -> Tensor:
    """Choose a code per row by inverting the filtered distribution.

    Args:
        logits: (N, V).
        uniforms: (N,) float64 in (0, 1).
        recipe: ``top_k`` keeps the most probable codes, ``top_p`` the fewest of those that hold that much probability.

    Returns:
        (N,) int64 codes.
    """
    kept = min(recipe.top_k or logits.shape[1], logits.shape[1])
    values, codes = (logits.float() / recipe.temperature).topk(kept, dim=1)
    probabilities = values.double().softmax(1)
    # A code stays while the codes before it hold less than top_p: the most probable one always does.
    before = probabilities.cumsum(1) - probabilities
    probabilities = probabilities.masked_fill(before >= recipe.top_p, 0)
    cumulative = probabilities.cumsum(1)
    targets = uniforms.to(cumulative.device).unsqueeze(1) * cumulative[:, -1:]
    places = torch.searchsorted(cumulative, targets, right=True).clamp_max(kept - 1)
    return codes.gather(1, places).squeeze(1)


def _projections(attention: CausalSelfAttention, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return query, key and value, each (N, heads, T, D / heads)."""
    count, length, width = x.shape
    split = (count, length, attention.n_head, width // attention.n_head)
    layers = (attention.query, attention.key, attention.value)
    query, key, value = (layer(x).view(split).transpose(1, 2) for layer in layers)
    return query, key, value


def _after(block: Block, x: Tensor, attended: Tensor) -> Tensor:
    """Return the hidden states after a block, from those before it and what its attention gathered."""
    x = x + block.attn.proj(attended.transpose(1, 2).reshape(x.shape))
    out: Tensor = x + block.mlp(block.ln2(x))
    return out
