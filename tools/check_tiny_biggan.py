"""Check the embedded generator against the renderer over fresh latents, and draw both side by side.

    python tools/check_tiny_biggan.py --picture /tmp/tiny-biggan.png

Fails (exit 1) unless PSNR >= 33 dB, oracle IoU >= 0.98 on renders, >= 0.95 on generated pictures and >= 0.90 in the
worst class, all at truncation 0.9.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import cv2
import numpy as np
import torch

from bdgan_cli.interfaces import Latents, Truncation, images_to_uint8
from bdgan_cli.shapes.fidelity import measure_fidelity
from bdgan_cli.shapes.world import CLASS_NAMES, render
from bdgan_cli.weights.registry import load_generator, load_model


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--per-class", type=int, default=200)
    parser.add_argument("--seed", type=int, default=12345)
    parser.add_argument("--trunc", type=float, default=0.9)
    parser.add_argument("--picture", type=Path)
    options = parser.parse_args()
    generator = load_generator("tiny-biggan")
    classes = [c for c in range(len(CLASS_NAMES)) for _ in range(options.per_class)]
    indices = list(range(options.per_class)) * len(CLASS_NAMES)
    latents = generator.draw(classes, indices, options.seed, Truncation(options.trunc))
    images = torch.cat(
        [generator.synthesize(Latents(*part))[0] for part in zip(*(v.split(50) for v in latents), strict=True)]
    )
    scene = render(latents.values, latents.class_ids)
    fidelity = measure_fidelity(images, scene, latents.class_ids, load_model("tiny-segmenter"))
    worst = min(fidelity.oracle_iou_by_class, key=lambda name: fidelity.oracle_iou_by_class[name])
    print(f"PSNR {fidelity.psnr_db:.2f} dB (pooled {fidelity.psnr_pooled_db:.2f} dB) over {len(classes)} pictures")
    print(f"oracle IoU: renders {fidelity.oracle_iou_renders:.4f}, generated {fidelity.oracle_iou:.4f}")
    for name, value in fidelity.oracle_iou_by_class.items():
        print(f"  {name:10s} {value:.4f}")
    if options.picture:
        rows = [images_to_uint8(x[i :: options.per_class]).numpy() for i in range(6) for x in (scene.images, images)]
        sheet = np.concatenate([np.concatenate(list(row), axis=1) for row in rows])
        cv2.imwrite(str(options.picture), sheet[..., ::-1].repeat(2, 0).repeat(2, 1))
    reached = (
        fidelity.psnr_db >= 33
        and fidelity.oracle_iou_renders >= 0.98
        and fidelity.oracle_iou >= 0.95
        and fidelity.oracle_iou_by_class[worst] >= 0.90
    )
    sys.exit(0 if reached else 1)


if __name__ == "__main__":
    main()
