# Larder. `make` alone lists the targets. Needs GNU Make, bash, Python 3.11 or 3.12 and Java 17 or later.
SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.ONESHELL:
.PHONY: help setup demo test soak check bench ui lock clean

VENV := .venv/bin
READY := .venv/.ready
PACKAGES := contracts features models export jobs dagster_project
# Set-up alone may be given another interpreter: make setup PYTHON=/path/to/python3.12
PYTHON ?=
# The root folder that `make ui` looks at.
ROOT ?= larder
# Passed on to pytest: make test ARGS='-k publish'
ARGS ?=
# Files of tests that run at a time; each may start a JVM and servers of its own.
WORKERS ?= 2

# A module or a variable of the caller's shell must not leak into the environment that the lock describes.
unexport PYTHONPATH PYTHONHOME VIRTUAL_ENV SPARK_HOME PYSPARK_PYTHON

help: ## List the targets
	@sed -n 's/^\([a-z]*\):[^#]*## \(.*\)/  make \1\t\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 16

setup: $(READY) ## Make .venv with the locked packages, the Delta jars and the larder command; again does nothing
	@echo "setup: ready, $(VENV)/larder"

$(READY): requirements/build.lock requirements/larder.lock pyproject.toml scripts/setup scripts/compile_reader.py \
		export/format/_compiled.pyx jobs/machine/jars.py
	@PYTHON="$(PYTHON)" scripts/setup
	touch $@

demo: $(READY) ## One real night on real data, from raw purchases to a user's list
	@$(VENV)/larder demo

test: $(READY) ## All tests, two files at a time, the longest first
	@$(VENV)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

soak: $(READY) ## The stores for hours of a shop in minutes: publish, roll back, retain and kill while readers read
	@$(VENV)/python -m pytest tests/stores -m soak $(ARGS)

check: $(READY) ## Lint, format, types, import rules, sizes; changes nothing, and shows all findings in one go
	@red=0
	$(VENV)/ruff check --quiet . || red=1
	$(VENV)/ruff format --check --quiet . || { red=1; echo "check: not formatted; run $(VENV)/ruff format ."; }
	$(VENV)/mypy --no-error-summary $(PACKAGES) $(if $(wildcard benchmarks/*.py),benchmarks) $(wildcard scripts/*.py) || red=1
	$(VENV)/python scripts/check_sizes.py || red=1
	report=$$($(VENV)/lint-imports 2>&1) || { red=1; echo "$$report"; }
	[ $$red = 0 ] || { echo "check: red, see above"; exit 1; }
	echo "check: clean (ruff, format, mypy --strict, sizes, import rules)"

bench: $(READY) ## Ratios against peers, in one run; writes build/bench.json
	@$(VENV)/python -m benchmarks

ui: $(READY) ## Dagster's pages for the root folder ROOT (default: larder)
	@mkdir -p "$(ROOT)/dagster"
	LARDER_ROOT="$(abspath $(ROOT))" DAGSTER_HOME="$(abspath $(ROOT))/dagster" exec $(VENV)/dagster dev

lock: $(READY) ## Compile requirements/*.lock from pyproject.toml (LOCK_FLAGS=--upgrade for newer versions)
	@scripts/lock

clean: ## Remove what was built, not the data: .venv, caches, build
	@rm -rf .venv export/format/_compiled.*.so build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	echo "clean: .venv, caches and build folders removed"
