"""Generators of 32 pixels in place of those whose weights cannot be had: same names, classes and kinds of latents."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from bdgan_cli.generators.latents import check_code_sampling, draw_uniforms
from bdgan_cli.interfaces import CodeSampling, DrawRule, Features, Latents, LatentSpec
from bdgan_cli.weights import card as cards
from tests.workflows.release_generator import SIZE, StandIn


class LikeBigGAN(StandIn):
    """The stand-in of the importer's tests, for every truncation and with something to segment."""

    def synthesize(self, latents: Latents) -> tuple[Tensor, Features]:
        images, features = super().synthesize(latents._replace(truncations=torch.ones_like(latents.truncations)))
        return images, features


class LikeVQGAN(StandIn):
    """Codes of 8x8 cells with 64 values; a picture is encoded by its brightness."""

    name = family = "vqgan"
    latent = LatentSpec((64,), torch.int64)
    default_rule: DrawRule = CodeSampling(1.0, 600, 0.92)

    def draw(self, class_ids: list[int], indices: list[int], seed: int, rule: DrawRule) -> Latents:
        check_code_sampling(rule)
        codes = (draw_uniforms(self.family, class_ids, indices, seed, 64) * 64).astype(np.int64)
        return self._latents(torch.from_numpy(codes), class_ids)

    def encode(self, images_NCHW: Tensor, class_ids: list[int]) -> Latents:
        cells = torch.nn.functional.adaptive_avg_pool2d(images_NCHW.mean(1, keepdim=True), 8).flatten(1)
        return self._latents(((cells + 1) * 31.5).round().long(), class_ids)

    def _latents(self, codes: Tensor, class_ids: list[int]) -> Latents:
        return Latents(codes, torch.tensor(class_ids), torch.full((len(class_ids),), float("nan")))

    def synthesize(self, latents: Latents) -> tuple[Tensor, Features]:
        grey = (latents.values / 31.5 - 1).view(-1, 1, 8, 8).float()
        images = torch.nn.functional.interpolate(grey, size=(SIZE, SIZE)).expand(-1, 3, -1, -1)
        coarse = torch.nn.functional.avg_pool2d(images.mean(1, keepdim=True), 2)
        return images, Features([coarse, images], torch.zeros(len(grey), 4))


def build_biggan(card: cards.ModelCard, files: list[Path], device: torch.device) -> LikeBigGAN:
    """Build what the card of biggan-512 names here."""
    return LikeBigGAN()


def build_vqgan(card: cards.ModelCard, files: list[Path], device: torch.device) -> LikeVQGAN:
    """Build what the card of vqgan names here."""
    return LikeVQGAN()


def install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Put the stand-ins in place of biggan-512 and vqgan, as installed packages of their own.

    In place of the Inception of FID stands the embedded network for features.
    """
    known = cards.all_cards()
    builders = {"biggan-512": "build_biggan", "vqgan": "build_vqgan"}
    changed = {
        name: replace(
            known[name], builder=f"{__name__}:{builder}", resolution=SIZE, files=(), sources=(), source="stand-in 1"
        )
        for name, builder in builders.items()
    }
    changed["inception-fid"] = replace(known["tiny-features"], name="inception-fid", domain="")
    monkeypatch.setattr(cards, "all_cards", lambda: {**known, **changed})
