"""Measures of masks and pictures: centres, geometry, shapes, quality (paper section 3.3, supplement C and E)."""
