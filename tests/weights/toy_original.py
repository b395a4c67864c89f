"""A narrow original BigGAN with a head beside it in one file, as the released code saves them; see ``toy``."""

import torch

from bdgan_cli.generators.biggan import BigGAN, BigGANConfig, BigGANModel
from bdgan_cli.interfaces import ClassInfo
from bdgan_cli.weights.files import load_weights
from tests.generators import biggan_reference as reference

NAME = "toy-original"
CONFIG = BigGANConfig(128, width=4, chunk=3, shared_dim=8, class_count=5, attention_size=64)
CARD = """
name = "toy-original"
kind = "generator"
family = "toy-original"
builder = "tests.weights.toy_original:build"
origin = "Random numbers."
resolution = 128
layouts = ["biggan", "biggan-v1", "bigdatasetgan"]

[[sources]]
file = "checkpoint_latest.pth"
urls = ["http://127.0.0.1:9/checkpoint_latest.pth"]
"""


def build(card, files, device):
    model = BigGANModel(CONFIG)
    load_weights(model, files[0])
    return BigGAN(card.name, card.family, model, tuple(ClassInfo(i, "", str(i)) for i in range(5)), device)


def joint():
    """Return the released model, generator and head, with random numbers."""
    return reference.filled(reference.Joint(CONFIG), 1).eval()


def write_public(path):
    torch.save(dict(joint().state_dict()), path)
    return path
