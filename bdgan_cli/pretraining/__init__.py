"""Pre-training of backbones: contrastive, then jointly with a segmentation branch (supplement D.1)."""
