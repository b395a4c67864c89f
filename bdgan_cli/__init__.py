"""Labelled segmentation datasets from class-conditional generators: BigDatasetGAN (Li et al., CVPR 2022) and beyond."""

__version__ = "0.1.0"
