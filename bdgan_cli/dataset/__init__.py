"""The on-disk dataset format: tar shards hold the files, Parquet holds the facts (see docs/dataset-format.md)."""
