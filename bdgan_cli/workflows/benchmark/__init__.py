"""``bdgan benchmark``: does a synthetic dataset help? Segmenters trained on different sets, tested on real pictures."""
