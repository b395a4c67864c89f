"""Check the embedded VQGAN: reconstructions of fresh renders, and what its own samples look like to other networks.

    python tools/check_tiny_vqgan.py --picture /tmp/tiny-vqgan.png

Fails (exit 1) unless reconstructions reach 31 dB and the oracle finds their shapes with IoU >= 0.90, and the classifier
takes at least 55 % of the samples for their class. It was trained on sharp shapes and codes round off corners, so that
its verdict on reconstructions is the most that samples can reach.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

from bdgan_cli.interfaces import Encodes, images_to_uint8
from bdgan_cli.shapes.fidelity import oracle_iou
from bdgan_cli.shapes.world import CLASS_NAMES, LATENT_DIM, render
from bdgan_cli.weights.registry import load_generator, load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-class", type=int, default=50)
    parser.add_argument("--seed", type=int, default=12345)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    generator, segmenter, classifier = (
        load_generator("tiny-vqgan"),
        *map(load_model, ("tiny-segmenter", "tiny-classifier")),
    )
    assert isinstance(generator, Encodes)
    classes = torch.arange(len(CLASS_NAMES)).repeat_interleave(options.per_class)
    stream = torch.Generator().manual_seed(options.seed)
    scene = render(0.9 * torch.randn(len(classes), LATENT_DIM, generator=stream), classes)
    rows = torch.arange(len(classes)).split(60)
    again = torch.cat(
        [generator.synthesize(generator.encode(scene.images[part], classes[part].tolist()))[0] for part in rows]
    )
    psnr = float(-10 * torch.log10((again - scene.images).square().mean((1, 2, 3)) / 4).mean())
    shapes = float(oracle_iou(segmenter, again, scene.masks).mean())
    with torch.inference_mode():
        known = torch.cat([classifier(again[part]).argmax(1) == classes[part] for part in rows]).float()
    print(f"reconstructions: PSNR {psnr:.2f} dB, oracle IoU {shapes:.4f} over {len(classes)} fresh renders")
    print(f"reconstructions: {100 * known.mean():.1f} % are taken for their class")
    indices = list(range(options.per_class)) * len(CLASS_NAMES)
    latents = generator.draw(classes.tolist(), indices, options.seed, generator.default_rule)
    samples = torch.cat([generator.synthesize(latents.take(part))[0] for part in rows])
    with torch.inference_mode():
        right = torch.cat([classifier(samples[part]).argmax(1) == classes[part] for part in rows]).float()
    print(f"samples: {100 * right.mean():.1f} % are taken for their class")
    for i, name in enumerate(CLASS_NAMES):
        print(f"  {name:10s} {100 * right[classes == i].mean():.0f} %")
    if options.picture:
        lines = [images_to_uint8(x[i :: options.per_class]).numpy() for i in range(3) for x in (scene.images, again)]
        lines += [images_to_uint8(samples[i :: options.per_class]).numpy() for i in range(6)]
        sheet = np.concatenate([np.concatenate(list(line), axis=1) for line in lines])
        cv2.imwrite(str(options.picture), sheet[..., ::-1].repeat(2, 0).repeat(2, 1))
    sys.exit(0 if psnr >= 31 and shapes >= 0.90 and right.mean() >= 0.55 else 1)


if __name__ == "__main__":
    main()
