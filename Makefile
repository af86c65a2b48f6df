# Two commands matter: `make demo` and `make test`. Each makes .venv the first time.
#
#   make demo AUDIO=folder     the demo on your own recordings
#   make ... TORCH_INDEX=url   an extra package index, for example one with CPU builds
#   make ... PYTHON=python3.12 another interpreter to make .venv with

PYTHON ?= python3
TORCH_INDEX ?=
AUDIO ?= demo/clips
OUTPUT ?= demo/output
PYTEST_ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install -c constraints.txt \
	$(if $(TORCH_INDEX),--extra-index-url $(TORCH_INDEX))
# What a change of makes pip run again; sources of the native kernel are compiled by it.
SOURCES := pyproject.toml setup.py constraints.txt scripts/set_torchaudio_aside.py \
	$(wildcard dac_lobe/execution/native/*.cpp dac_lobe/execution/native/*.h)
# Everything, once installed, serves the demo too.
FOR_DEMO := $(if $(wildcard $(VENV)/.installed-all),$(VENV)/.installed-all,$(VENV)/.installed-demo)
# Two test processes on two cores: each gets one thread.
PYTEST := OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 8 -q -rs $(PYTEST_ARGS)

.PHONY: help demo test test-all test-slow check format docs bench clean
.DELETE_ON_ERROR:

help:
	@echo "make demo      encode, decode and score six bundled clips (AUDIO=folder: yours)"
	@echo "make test      the test suite, every extra installed"
	@echo "make test-all  the slow tests too"
	@echo "make check     ruff, yamllint, codespell, mypy"
	@echo "make docs      the site, into site/index.html"
	@echo "make bench     speed against the other implementations"
	@echo "make clean     remove .venv and everything built"

demo: $(FOR_DEMO)
	@$(BIN)/python scripts/demo.py "$(AUDIO)" --output "$(OUTPUT)"

test: $(VENV)/.installed-all
	$(PYTEST) -m "not slow and not network and not gpu"

# Tests marked gpu skip themselves where there is none.
test-all: $(VENV)/.installed-all
	$(PYTEST) -m "not network"

test-slow: $(VENV)/.installed-all
	$(PYTEST) -m "slow and not network"

check: $(VENV)/.installed-all
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/yamllint --no-warnings .
	$(BIN)/codespell
	$(BIN)/mypy

format: $(VENV)/.installed-all
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# Warnings are errors. Material's own notice about its successor is not about the site.
docs: $(VENV)/.installed-all
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

bench: $(VENV)/.installed-all
	$(BIN)/python benchmarks/speed.py

clean:
	rm -rf $(VENV) build dist site *.egg-info demo/output dac_lobe/execution/native/*.so \
		.pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and \
		f"Python {sys.version.split()[0]} is too old: dac-lobe needs 3.11 or newer. " \
		"Name another interpreter: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-demo: $(SOURCES) | $(VENV)/bin/python
	$(PIP) -e ".[evaluation]"
	$(BIN)/python scripts/set_torchaudio_aside.py
	@touch $@

$(VENV)/.installed-all: $(SOURCES) | $(VENV)/bin/python
	$(PIP) -e ".[all]"
	$(BIN)/python scripts/set_torchaudio_aside.py
	@touch $@
