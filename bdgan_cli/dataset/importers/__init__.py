"""Readers of other layouts; each is one module that turns its source into encoded samples."""
