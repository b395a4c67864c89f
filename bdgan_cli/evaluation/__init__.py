"""Measures of label quality: agreement of masks, and how well a score ranks them; arrays only."""
