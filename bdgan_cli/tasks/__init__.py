"""Segmentation tasks as data: which classes there are, and what label each has."""
