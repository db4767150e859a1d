# make demo   one photo over the wiretap channel, into out/demo
# make test   lint and tests
# make docs      the documentation as a site, in out/site; warnings are errors
# make examples  run every example; make notebooks   make the notebooks from them; make picture   the README's
# make test-all   the same, and what needs other programs: GNU Radio, Sionna, SigMF, Chromium (what is missing is skipped with a reason)
# Both set up .venv first, once. PYTHON=... chooses the interpreter, PIP_FLAGS=... adds to pip's options, for example
# PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu" for the smaller torch without CUDA.

usable = $(shell $(1) -c 'import sys, venv, ensurepip; print("$(1)" * (sys.version_info >= (3, 11)))' 2>/dev/null)
PYTHON ?= $(firstword $(foreach python,python3.11 python3.12 python3.13 python3.14 python3,$(call usable,$(python))))
PIP_FLAGS ?=
BIN = .venv/bin
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS)
INSTALL = $(PIP) -c constraints.txt

.PHONY: demo test test-all docs examples notebooks picture clean
.DELETE_ON_ERROR:

demo: .venv/installed
	@$(BIN)/semveil demo --out out/demo

test: .venv/installed-dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@OMP_NUM_THREADS=1 $(BIN)/pytest -n 2 --dist loadfile

test-all: .venv/installed-all
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/mypy
	@OMP_NUM_THREADS=1 SEMVEIL_TEST_ALL=1 $(BIN)/pytest -n 2 --dist loadfile -rs

docs: .venv/installed-docs
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@SEMVEIL_SITE=out/site $(BIN)/pytest tests/docs
	@echo "The site: out/site/index.html; for its search: $(BIN)/python -m http.server --directory out/site"

examples: .venv/installed-dev
	@OMP_NUM_THREADS=1 SEMVEIL_TEST_ALL=1 $(BIN)/pytest tests/examples

notebooks: .venv/installed-docs
	@$(BIN)/python tools/notebooks.py

picture: .venv/installed
	@$(BIN)/python examples/five_methods.py docs/images/five-methods.png

# The stamps are older than the settings when those have changed.
.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing semveil into .venv (once; some minutes)"
	@$(INSTALL) -e .
	@touch $@

.venv/installed-dev: pyproject.toml constraints.txt | .venv/bin/python
	@echo "Installing semveil and its tests' tools into .venv (once; some minutes)"
	@$(INSTALL) -e '.[dev]'
	@touch .venv/installed $@

.venv/installed-docs: .venv/installed-dev
	@$(INSTALL) -e '.[dev,docs]'
	@touch $@

.venv/installed-all: .venv/installed-dev
	@sed 's/^pillow==.*/pillow<13/' constraints.txt > .venv/constraints-all.txt  # gradio takes no Pillow 13
	@$(PIP) -c .venv/constraints-all.txt -e '.[dev,channels,iq,web]' playwright
	@touch $@

.venv/bin/python:
	@test -n "$(PYTHON)" || { echo "semveil needs Python 3.11 or newer with venv; name it with PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv

clean:
	@rm -rf .venv out
