import torch

from bdgan_cli.interfaces import Generator, KnowsTruth, Truncation, images_to_uint8
from bdgan_cli.shapes.fidelity import measure_fidelity
from bdgan_cli.shapes.world import CLASS_NAMES, render
from bdgan_cli.weights.registry import load_generator, load_model


def test_the_embedded_generator_draws_what_the_renderer_draws():
    generator = load_generator("tiny-biggan")
    classes = [c for c in range(len(CLASS_NAMES)) for _ in range(15)]
    latents = generator.draw(classes, list(range(15)) * len(CLASS_NAMES), 777, Truncation(0.9))
    images, _ = generator.synthesize(latents)
    scene = render(latents.values, latents.class_ids)
    fidelity = measure_fidelity(images, scene, latents.class_ids, load_model("tiny-segmenter"))
    assert fidelity.psnr_db >= 33
    assert fidelity.oracle_iou_renders >= 0.98
    assert fidelity.oracle_iou >= 0.95
    assert min(fidelity.oracle_iou_by_class.values()) >= 0.90


def test_it_keeps_both_contracts_and_knows_its_masks():
    generator = load_generator("tiny-biggan")
    assert isinstance(generator, Generator)
    assert isinstance(generator, KnowsTruth)
    latents = generator.draw([5, 8], [0, 1], 0, Truncation(0.9))
    masks = generator.truth(latents)
    assert masks.dtype == torch.uint8
    assert masks.unique().tolist() == [0, 1]
    assert torch.equal(masks.bool(), render(latents.values, latents.class_ids).masks)


def test_images_become_bytes_by_a_fixed_rule():
    images = torch.tensor([-1.0, 0.0, 1.0, 3.0]).view(1, 1, 1, 4).expand(1, 3, 1, 4)
    assert images_to_uint8(images)[0, 0, :, 0].tolist() == [0, 128, 255, 255]
