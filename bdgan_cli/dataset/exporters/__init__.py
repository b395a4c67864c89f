"""Writers of other layouts; each is one module that turns samples into files (see docs/exporting.md)."""
