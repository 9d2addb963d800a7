# Everything starts from a fresh clone: each target makes .venv and installs what it needs.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Python compiles what is imported; all of it would be a sixth of the environment.
PIP := $(BIN)/python -m pip install --quiet --no-compile
# The library alone, and with the tools of its developers.
INSTALLED := $(VENV)/.installed
READY := $(VENV)/.ready

.PHONY: help quickstart test test-long lint format docs pages benchmarks clean

help:
	@echo "make quickstart  build both samples, train two models, render quickstart-output/board/index.html"
	@echo "make test        run the test suite"
	@echo "make test-long   run the tests marked long"
	@echo "make lint        ruff and mypy"
	@echo "make docs        build the documentation, docs/_build/html/index.html"
	@echo "make pages       update the tables and findings of all pages from results and entries"
	@echo "make benchmarks  time Inv-K and PCG against the usual ways"

$(INSTALLED): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "precondbench needs Python 3.11 or newer; set PYTHON=..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(PIP) --upgrade pip
	@echo "Installing precondbench, PyTorch and PyG into $(VENV): a minute or two ..."
	$(PIP) --constraint constraints.txt --editable .
	@touch $@

$(READY): $(INSTALLED)
	@echo "Installing what tests and documentation need into $(VENV) ..."
	$(PIP) --constraint constraints.txt --editable '.[dev]'
	@touch $@

quickstart: $(INSTALLED)
	$(BIN)/precondbench quickstart

test: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m 'not long' --numprocesses auto --maxprocesses 4 --durations 20

test-long: $(READY)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -m long --numprocesses auto --maxprocesses 4 --durations 20

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: $(READY)
	$(BIN)/sphinx-build -W --keep-going -q -b html docs docs/_build/html
	@echo "docs/_build/html/index.html"

pages: $(READY)
	$(BIN)/python docs/make_pages.py

benchmarks: $(READY)
	$(BIN)/python benchmarks/invk_and_pcg.py
	$(BIN)/python benchmarks/invk_scaling.py --quick

clean:
	rm -rf $(VENV) docs/_build quickstart-output runs .pytest_cache .mypy_cache .ruff_cache
