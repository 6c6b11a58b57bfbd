# Two commands: `make repro` runs the pipeline, `make test` the checks; both set up .venv/ first.
# `make test-all` adds the slow tests (`@pytest.mark.slow`), which `pytest` alone runs too. Both run tests in JOBS
# processes, mypy beside them; the tests of one file stay in one.
PYTHON ?= $(firstword $(foreach p,python3.12 python3.11 python3.13 python3,$(if $(shell $(p) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo ok),$(p))))
VENV := .venv
DOCS := build/docs
READY := $(VENV)/ready
JOBS ?= 2
PYTEST := pytest -n $(JOBS) --dist loadfile --no-loadscope-reorder
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)

.PHONY: help repro in-git test test-all fast-tests all-tests coverage params lock audit lint style types contract results release docs

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1: /p' Makefile

repro: in-git $(READY) ## runs the whole pipeline, from images to metrics/report.html
	@python -P -m roundoff.pipeline.mending
	dvc repro

# An archive of the sources has no git, which DVC wants.
in-git:
	@git rev-parse --git-dir >/dev/null 2>&1 || { echo 'error: DVC works in a git repository alone, and this folder is none; start one (git init && git add -A && git commit -m start), or run the stages without DVC: pip install -e . && roundoff run' >&2; exit 1; }

# Types are checked beside the tests, so that no processor waits; either that fails makes the whole fail.
test: style ## lint, types and the fast tests
	$(MAKE) --no-print-directory --jobs types fast-tests

test-all: style ## the slow tests, too: what CI runs
	$(MAKE) --no-print-directory --jobs types all-tests

fast-tests: $(READY)
	$(PYTEST) -m "not slow"

all-tests: $(READY)
	$(PYTEST)

# Bytecode is written even where the environment forbids it: the tests start hundreds of processes, and each would compile anew what it imports.
test test-all coverage: export PYTHONDONTWRITEBYTECODE =

# All tests, the stages that DVC starts included; the pages are under build/coverage/html.
coverage: $(READY) ## all tests, and what they cover: build/coverage/html
	rm -rf build/coverage && mkdir -p build/coverage
	coverage run -m pytest
	coverage combine --quiet
	coverage html --quiet --directory build/coverage/html
	coverage report --skip-covered

lint: style types ## ruff and mypy

style: $(READY)
	ruff check .
	ruff format --check .

types: $(READY)
	mypy

params: $(READY) ## composes params.yaml from conf/
	python -P -m roundoff.pipeline.params

# Keeps a finished run: make results NAME=cpu-2-cores/cifar10-resnet20
results: $(READY) ## keeps a finished run: make results NAME=MACHINE/RUN
	@test -n "$(NAME)" || { echo 'error: no NAME; use make results NAME=MACHINE/RUN' >&2; exit 1; }
	python -P stages/report.py -cn frozen report.language=ja hydra.run.dir=build/ja
	python -P -m roundoff.revisions.keep "$(NAME)" build/ja/metrics

# Packs the committed run, or a kept one, with all that a stranger needs: make release DIR=build/release RUN=cpu-2-cores/cifar10-resnet20
release: $(READY) ## packs the run for strangers: make release DIR=FOLDER [RUN=MACHINE/RUN]
	@test -n "$(DIR)" || { echo 'error: no DIR; use make release DIR=FOLDER' >&2; exit 1; }
	python -P -m roundoff.revisions.release "$(DIR)" "$(RUN)"

contract: $(READY) ## the TensorRT code against each TensorRT that installs
	python -m tests.contract.environments

# In an environment of its own, which takes seconds to set up. Nothing in the pages is loaded from a network.
docs: $(DOCS)/ready ## the documentation as a site: build/site/index.html
	rm -rf build/pages build/site && mkdir -p build/pages
	find *.md LICENSE docs results -name '*.md' -o -name '*.png' -o -name '*.json' -o -name LICENSE | xargs cp --parents -t build/pages
	$(DOCS)/bin/zensical build --clean
	@! grep -rlE --include='*.html' '<(script|link|img|iframe)[^>]* (src|href)="?(https?:)?//' build/site || { echo 'error: these pages load something from a network' >&2; exit 1; }

# Versions and hashes only; run after a change of pyproject.toml's dependencies.
lock: $(READY) ## writes requirements.lock anew
	uv pip compile --quiet pyproject.toml --group dev --universal --python-version 3.11 --generate-hashes \
	  --no-annotate --no-header --output-file requirements.lock

audit: $(READY) ## requirements.lock against versions with known faults
	python -m tests.supply_chain.audit

define require_python
@test -n "$(PYTHON)" || { echo 'error: no Python from 3.11 to 3.13 found; install one or set PYTHON=/path/to/python' >&2; exit 1; }
endef

$(READY): requirements.lock pyproject.toml
	$(require_python)
	$(PYTHON) -m venv --clear $(VENV)
	$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.5,<1"
	uv pip install --quiet --compile-bytecode --require-hashes --python $(VENV)/bin/python --requirement requirements.lock
	uv pip install --quiet --no-deps --python $(VENV)/bin/python --editable .
	touch $@

$(DOCS)/ready: pyproject.toml
	$(require_python)
	$(PYTHON) -m venv --clear $(DOCS)
	$(DOCS)/bin/python -m pip install --quiet --disable-pip-version-check "uv>=0.7,<1"
	$(DOCS)/bin/uv pip install --quiet --python $(DOCS)/bin/python --group docs
	touch $@
