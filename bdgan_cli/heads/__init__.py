"""Segmentation heads that read a frozen generator's features (paper section 3.1, supplement A.1)."""
