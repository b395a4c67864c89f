"""What several tests build."""

from bdgan_cli import runs
from bdgan_cli.heads.files import HeadCard, save_head
from bdgan_cli.weights.card import find_card
from bdgan_cli.weights.registry import load_generator


def save_random_head(workspace, name="random", generator="tiny-biggan", members=3):
    """Put an untrained ensemble into a workspace: enough for everything but label quality."""
    loaded = load_generator(generator)
    card = HeadCard(
        name=name, arch="multilevel", generator=generator, generator_sha256=find_card(generator).sha256,
        spec=loaded.spec, image_size=loaded.image_size, labels=1, members=tuple(range(members)), seed=0,
    )  # fmt: skip
    return save_head(runs.head_folder(workspace, name), card, card.build())
