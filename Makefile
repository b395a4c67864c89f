# make demo: install into .venv and run the whole factory on the embedded generator.
# make test: install the development tools as well, then lint, types and tests.

PYTHON ?= python3
VENV ?= .venv
DEMO ?= bdgan-demo

BIN := $(VENV)/bin
METADATA := setup.cfg pyproject.toml

.DEFAULT_GOAL := help
.PHONY: help demo test lint types check speed docs site clean

help:
	@sed -n 's/^# make /make /p' Makefile

demo: $(VENV)/.installed
	$(BIN)/bdgan demo --out $(DEMO)

test: lint types check

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

check: $(VENV)/.installed-dev
	$(BIN)/pytest -n 2 --dist loadfile

# make speed: compare the quick benchmarks with the stored ratios; fails if one has become 2.5 times worse.
speed: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks --check

# make docs: write docs/cli.md anew from the commands.
docs: $(VENV)/.installed-dev
	$(BIN)/python tools/make_cli_docs.py

# make site: build the pages of docs/ into site/, which can be opened without a server or a network.
site: $(VENV)/.installed-docs
	$(BIN)/mkdocs build --strict --site-dir site

# make clean: remove the virtual environment and what the tools left behind.
clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache build site *.egg-info

# The stamps are younger than the metadata, so that a second run installs nothing.
$(VENV)/.installed: $(METADATA) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable .
	@touch $@

$(VENV)/.installed-dev: $(METADATA) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	@touch $(VENV)/.installed $@

$(VENV)/.installed-docs: $(METADATA) | $(BIN)/python
	$(BIN)/python -m pip install --quiet --editable '.[docs]'
	@touch $(VENV)/.installed $@

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)
