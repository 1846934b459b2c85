# make demo   install, then train E3B and PPO side by side on a sparse maze and compare them
# make test   install, then linters, types, import contracts and the tests
# make help   the rest
#
# Python: the first of the candidates that works; `make PYTHON=/path/to/python3.12 ...` overrides.

CANDIDATES := python3.12 python3.11 python3.13 python3 python
WORKS := import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON ?= $(shell for p in $(CANDIDATES); do \
	"$$p" -c '$(WORKS)' >/dev/null 2>&1 && { echo "$$p"; break; }; done)

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 \
	--prerelease if-necessary-or-explicit --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links pyproject.toml

# XLA's compilation cache makes a second run of the tests several times faster.
export JAX_COMPILATION_CACHE_DIR ?= $(CURDIR)/$(VENV)/cache/xla
export JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS ?= 0.3

# Most of the tests' time is XLA's code generation: the quick suite asks for the fastest to make.
# `make test-all` keeps XLA's defaults, so that they are tested, too.
QUICK_XLA := --xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true \
	--xla_cpu_use_fusion_emitters=false

DEMO_ENV := MultiRoom-N4-S5
DEMO_SEEDS := 4
DEMO_STEPS := 700000
DEMO_OUT := runs/demo
DEMO := --env $(DEMO_ENV) --seeds $(DEMO_SEEDS) --total-steps $(DEMO_STEPS)
DEMO_PPO := $(DEMO) --bonus none --out $(DEMO_OUT)/ppo  # the same agent without the bonus
DEMO_E3B := $(DEMO) --out $(DEMO_OUT)/e3b
DEMO_REPORT := $(DEMO_OUT)/e3b $(DEMO_OUT)/ppo --out $(DEMO_OUT)/report

.PHONY: help install demo test test-all lint docs lock clean

help:
	@echo "make demo      train E3B and PPO on $(DEMO_ENV), compare, write plots and a GIF"
	@echo "make test      ruff, mypy, import contracts, fast tests"
	@echo "make test-all  the slow tests too"
	@echo "make lint      ruff, mypy, import contracts"
	@echo "make docs      the documentation site, in $(VENV)/site"
	@echo "make install   the package in $(VENV)/, without development tools"
	@echo "make lock      resolve requirements/*.txt again from pyproject.toml"
	@echo "make clean     remove $(VENV)/ and $(DEMO_OUT)/"

install: $(VENV)/core.stamp

demo: $(VENV)/core.stamp
	rm -rf $(DEMO_OUT)
	$(BIN)/jaxrl run e3b $(DEMO_PPO)
	$(BIN)/jaxrl run e3b $(DEMO_E3B)
	$(BIN)/jaxrl report $(DEMO_REPORT)

test: lint
	XLA_FLAGS="$(QUICK_XLA) $$XLA_FLAGS" $(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile -m "not slow" --durations 15

test-all: lint
	$(BIN)/python -m pytest -q -n auto --maxprocesses 4 --dist loadfile

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(VENV)/docs.stamp
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --site-dir $(VENV)/site

lock: $(VENV)/dev.stamp
	$(LOCK) --upgrade --extra dev --extra bench --extra minihack --extra atari \
		--extra vizdoom -o requirements/dev.txt
	$(LOCK) -c requirements/dev.txt -o requirements/core.txt
	$(LOCK) -c requirements/dev.txt --extra docs -o requirements/docs.txt

clean:
	rm -rf $(VENV) $(DEMO_OUT)

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "No working Python 3.11, 3.12 or 3.13 found" \
		"(with venv and ensurepip); name one: make PYTHON=/path/to/python" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/core.stamp: requirements/core.txt pyproject.toml | $(VENV)/bin/python
	@echo "Installing into $(VENV)/ ..."
	$(PIP) install -r requirements/core.txt
	$(PIP) install --no-deps --editable .
	@touch $@

$(VENV)/dev.stamp: requirements/dev.txt $(VENV)/core.stamp
	@echo "Installing development tools into $(VENV)/ ..."
	$(PIP) install -r requirements/dev.txt
	@touch $@

$(VENV)/docs.stamp: requirements/docs.txt $(VENV)/core.stamp
	@echo "Installing what builds the documentation into $(VENV)/ ..."
	$(PIP) install -r requirements/docs.txt
	@touch $@
