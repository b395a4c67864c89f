"""VQGAN's first stage: pictures to codes and back, built from the encoder and decoder of ``taming.modules``.

The attribute names are those of the public checkpoints, so that ``state_dict`` keys agree. The quantiser is our own
few lines: the package's builds a one-hot row over the whole vocabulary for every cell.
Axis legend: N samples, C channels, H rows, W columns, T cells in row-major order.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from taming.modules.diffusionmodules.model import Decoder, Encoder
from torch import Tensor, nn

from bdgan_cli.interfaces import Tap

_CELLS_AT_ONCE = 4096


@dataclass(frozen=True)
class FirstStageConfig:
    """The shape of a first stage.

    Attributes:
        image_size: Height and width of the pictures in pixels.
        width: Channels at full resolution.
        multipliers: Channels of each resolution, in widths, from fine to coarse; every step halves the side.
        blocks: Residual blocks per resolution of the encoder; the decoder has one more.
        attention_size: Side of the maps that get attention, in cells.
        vocabulary: Codes of the quantiser.
        code_width: Entries of a code's vector, and channels between encoder and decoder.
        norm_groups: Groups of every group norm.
    """

    image_size: int
    width: int
    multipliers: tuple[int, ...]
    blocks: int
    attention_size: int
    vocabulary: int
    code_width: int
    norm_groups: int = 32

    @property
    def side(self) -> int:
        """Cells per row and column of a code map."""
        return self.image_size >> (len(self.multipliers) - 1)


class Quantizer(nn.Module):
    """The codebook: nearest neighbours without a one-hot matrix."""

    def __init__(self, vocabulary: int, code_width: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, code_width)
        nn.init.uniform_(self.embedding.weight, -1 / vocabulary, 1 / vocabulary)

    def nearest(self, vectors: Tensor) -> Tensor:
        """Return the codes closest to (..., code_width) vectors, (...) int64."""
        book = self.embedding.weight
        half_squares = 0.5 * book.square().sum(1)
        flat = vectors.reshape(-1, vectors.shape[-1])
        codes = [(half_squares - part @ book.t()).argmin(1) for part in torch.split(flat, _CELLS_AT_ONCE)]
        return torch.cat(codes).view(vectors.shape[:-1])

    def forward(self, codes: Tensor) -> Tensor:
        """Return the vectors of (...) codes, (..., code_width)."""
        vectors: Tensor = self.embedding(codes)
        return vectors


class FirstStage(nn.Module):
    """Encoder, quantiser and decoder."""

    def __init__(self, config: FirstStageConfig) -> None:
        super().__init__()
        self.config = config
        shape = {
            "ch": config.width, "out_ch": 3, "ch_mult": config.multipliers, "num_res_blocks": config.blocks,
            "attn_resolutions": [config.attention_size], "in_channels": 3, "resolution": config.image_size,
            "z_channels": config.code_width, "double_z": False,
        }  # fmt: skip
        with contextlib.redirect_stdout(io.StringIO()):  # the decoder announces its shape
            self.encoder = Encoder(**shape)
            self.decoder = Decoder(**shape)
        self.quantize = Quantizer(config.vocabulary, config.code_width)
        self.quant_conv = nn.Conv2d(config.code_width, config.code_width, 1)
        self.post_quant_conv = nn.Conv2d(config.code_width, config.code_width, 1)
        for module in self.modules():
            if isinstance(module, nn.GroupNorm):
                module.num_groups = config.norm_groups

    def encode(self, images: Tensor) -> Tensor:
        """Return the codes of (N, 3, H, W) images in [-1, 1]: (N, T) int64."""
        vectors = self.quant_conv(self.encoder(images)).permute(0, 2, 3, 1)
        return self.quantize.nearest(vectors.float()).flatten(1)

    def decode(self, codes: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Return (N, 3, H, W) images, about [-1, 1], and the maps that :func:`decoder_taps` lists."""
        side = self.config.side
        vectors = self.quantize(codes).view(len(codes), side, side, -1).permute(0, 3, 1, 2)
        return self.decode_vectors(vectors)

    def decode_vectors(self, vectors: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Like :meth:`decode`, from (N, code_width, side, side) vectors."""
        decoder = self.decoder
        h = decoder.conv_in(self.post_quant_conv(vectors))
        maps = [h]
        h = decoder.mid.block_2(decoder.mid.attn_1(decoder.mid.block_1(h, None)), None)
        maps.append(h)
        for level in reversed(range(decoder.num_resolutions)):
            stage = decoder.up[level]
            for position, block in enumerate(stage.block):
                h = block(h, None)
                if len(stage.attn):
                    h = stage.attn[position](h)
            maps.append(h)
            if level:
                h = stage.upsample(h)
        images: Tensor = decoder.conv_out(F.silu(decoder.norm_out(h)))
        return images, maps


def decoder_taps(config: FirstStageConfig) -> tuple[Tap, ...]:
    """Describe the decoder's maps: its input, its middle, and the end of every resolution (7 at 256 pixels)."""
    deepest = config.width * config.multipliers[-1]
    taps = [Tap("decoder_in", deepest, config.side, config.side), Tap("decoder_mid", deepest, config.side, config.side)]
    for level in reversed(range(len(config.multipliers))):
        size = config.image_size // 2**level
        taps.append(Tap(f"decoder_up{level}", config.width * config.multipliers[level], size, size))
    return tuple(taps)
