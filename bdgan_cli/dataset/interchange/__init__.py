"""Masks in the words of other tools, and back: polygons, brushes and the files that hold them; no dataset is opened."""
