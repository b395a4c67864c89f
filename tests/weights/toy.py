"""Small public files: random weights under every public name and shape, and a card whose builder takes them.

``build`` is the builder that the card names.
"""

from __future__ import annotations

import shutil
from pathlib import Path

import torch
from pytorch_pretrained_biggan import BigGAN

from bdgan_cli.generators.biggan_deep import BigGANDeep, bake_spectral_norm
from bdgan_cli.generators.biggan_deep_public import public_config
from bdgan_cli.interfaces import ClassInfo
from bdgan_cli.weights import card
from bdgan_cli.weights.files import load_weights

NAME = "toy-deep"
RESOLUTION = 128
CARD = """
name = "toy-deep"
kind = "generator"
family = "toy-deep"
builder = "tests.weights.toy:build"
origin = "Random numbers."
licence = "free"
resolution = 128
layouts = ["biggan-deep"]
pages = ["https://example.org/folder"]
terms = "free for all (https://example.org/licence)"

[[sources]]
file = "toy.bin"
urls = ["{url}"]
sha256 = "{sha256}"
"""


def config(resolution=RESOLUTION, width=8):
    return public_config(resolution, channel_width=width, classes=3)


def build(its_card, files, device):
    model = bake_spectral_norm(BigGAN(config(its_card.resolution)))
    load_weights(model, files[0])
    return BigGANDeep(its_card.name, its_card.family, model, tuple(ClassInfo(i, "", str(i)) for i in range(3)), device)


def package_model(resolution=RESOLUTION, width=8):
    """Return the package's own model, normalised layers and all, with ordinary random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(resolution)
        model = BigGAN(config(resolution, width)).eval()
        with torch.no_grad():
            model.generator.bn.weight.fill_(1)
            model.generator.bn.bias.fill_(0.1)
            for module in model.modules():
                if hasattr(module, "weight_orig"):  # as trained: vectors close to the first singular ones
                    matrix = module.weight_orig.flatten(1)
                    module.weight_v.copy_(torch.nn.functional.normalize(matrix.t() @ module.weight_u, dim=0))
                    module.weight_u.copy_(torch.nn.functional.normalize(matrix @ module.weight_v, dim=0))
        for name, buffer in model.named_buffers():
            if "running" in name:
                buffer.uniform_(0.5, 1.5)
    return model


def public_tensors(resolution=RESOLUTION, width=8):
    return {key: tensor.clone() for key, tensor in package_model(resolution, width).state_dict().items()}


def write_public(path, tensors=None):
    torch.save(public_tensors() if tensors is None else tensors, path)
    return path


def vqgan_tensors(depth=2, width=8, vocabulary=12):
    """Return a state dict with the names of the public checkpoint, and what is left out of it, at toy size."""
    vectors = {"ln1.weight", "ln1.bias", "ln2.weight", "ln2.bias"}
    matrices = {f"attn.{part}.weight" for part in ("key", "query", "value", "proj")} | {"mlp.0.weight", "mlp.2.weight"}
    names = {f"transformer.blocks.{i}.{key}": (width,) for i in range(depth) for key in vectors}
    names |= {f"transformer.blocks.{i}.{key}": (width, width) for i in range(depth) for key in matrices}
    names |= {f"transformer.blocks.{i}.attn.mask": (1, 1, 4, 4) for i in range(depth)}
    names |= {"transformer.tok_emb.weight": (vocabulary, width), "transformer.head.weight": (vocabulary, width)}
    names |= {"transformer.pos_emb": (1, 4, width), "transformer.ln_f.weight": (width,), "transformer.ln_f.bias": (3,)}
    names |= {f"first_stage_model.{key}": shape for key, shape in first_stage_shapes(vocabulary).items()}
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in names.items()}


def first_stage_shapes(vocabulary=12):
    return {
        "encoder.conv_in.weight": (4, 3, 3, 3), "decoder.conv_in.weight": (4, 4, 3, 3),
        "quant_conv.weight": (4, 4, 1, 1), "decoder.conv_out.weight": (3, 4, 3, 3),
        "quantize.embedding.weight": (vocabulary, 4),
        "post_quant_conv.weight": (4, 4, 1, 1), "loss.discriminator.main.0.weight": (4, 3, 4, 4),
    }  # fmt: skip


def use_cards(folder, monkeypatch):
    """Use an empty cache in ``folder``, and the built-in cards with the small one; returns the folder of cards."""
    monkeypatch.setenv("BDGAN_CACHE", str(folder / "cache"))
    shutil.copytree(card.CARDS_FOLDER, folder / "cards")
    monkeypatch.setattr(card, "CARDS_FOLDER", folder / "cards")
    add_card(folder / "cards")
    return folder / "cards"


def add_card(folder: Path, url="http://127.0.0.1:9/toy.bin", sha256="") -> Path:
    path = folder / f"{NAME}.toml"
    path.write_text(CARD.format(url=url, sha256=sha256), encoding="utf-8")
    return path
