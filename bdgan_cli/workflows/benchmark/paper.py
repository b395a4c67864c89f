"""What the paper states of the benchmark, to stand beside our numbers. Its data are other ones than any here.

Table 2 of the main paper was not available but for means over its seven tasks; the supplement's tables are complete.
"""

from __future__ import annotations

# Supplement, Table 1: truncation, mIoU on the dog task in percent, FID-5k.
TRUNCATION = ((0.6, 84.2, 22.35), (0.8, 86.4, 18.42), (0.9, 87.0, 14.95), (1.0, 86.0, 15.54), (1.5, 87.5, 19.57),
              (2.0, 86.6, 39.52))  # fmt: skip

# Supplement, Table 3: mIoU in percent on ImageNet-MC-16 and on MS-COCO-MC-16.
TRANSFER = {"sup": ("Sup.IN", 58.7, 25.8), "off": ("BigGAN-off", 64.6, 29.2)}

# Supplement, Table 1 and 3, where a task and an arm have a number of their own.
BY_TASK = {("dog", "off"): 87.0, ("mc16", "sup"): 58.7, ("mc16", "off"): 64.6}

# Main paper, Table 2: mean mIoU in percent over the seven tasks, as far as known.
SEVEN_TASKS = (
    ("MoCo-v3", "no synthetic data", 52.5),
    ("MoCo-v3", "VQGAN-sim", 62.7),
    ("SupCon", "no synthetic data", 55.9),
    ("SupCon", "BigGAN-sim", 61.6),
    ("method not known", "BigGAN-off", 59.0),
    ("method not known", "BigGAN-on", 60.4),
)
