# Everything a person or a machine runs here. Needs Python 3.11 or newer; prefers `uv` when it is there.
#
#   make start [PORT=8080] [HOST=…] [DATA_DIR=…] [ARGS=--no-demo]    the whole service, nothing else to install
#   make test                                                        every check and every test, as CI runs them

.DEFAULT_GOAL := help
.PHONY: help start dev worker test check format migration openapi lock clean

USABLE := import sys, venv; sys.exit(sys.version_info < (3, 11))
PYTHON ?= $(shell for python in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$python -c '$(USABLE)' >/dev/null 2>&1 && { echo $$python; break; }; done)
UV := $(shell command -v uv 2>/dev/null)
BIN := .venv/bin
WORKERS ?= auto

# Only when given on the command line: HOST and PORT mean other things in many environments.
ifeq ($(origin HOST),command line)
export STEWARD_HOST := $(HOST)
endif
ifeq ($(origin PORT),command line)
export STEWARD_PORT := $(PORT)
endif
ifeq ($(origin DATA_DIR),command line)
export STEWARD_DATA_DIR := $(DATA_DIR)
endif

help:
	@sed -n 's/^#   //p' Makefile

start: .venv/.start
	@exec $(BIN)/steward start --with-parent $(ARGS)

dev: .venv/.dev
	@exec $(BIN)/steward start --with-parent --reload $(ARGS)

worker: .venv/.start
	@exec $(BIN)/steward work

test: check
	$(BIN)/pytest -q -n $(WORKERS) --dist loadfile -m "not faults"
	$(BIN)/pytest -q -m faults

check: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry .
	$(BIN)/python -m app.embedded $(BIN)/alembic upgrade head + $(BIN)/alembic check

format: .venv/.dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

migration: .venv/.dev
	@test -n "$(name)" || { echo "Say what it is: make migration name=0012_events_by_time"; exit 2; }
	$(BIN)/python -m app.embedded $(BIN)/alembic upgrade head + $(BIN)/alembic revision --autogenerate --rev-id $(name)
	@echo $(name) > migrations/HEAD

openapi: .venv/.dev
	$(BIN)/steward openapi > docs/openapi.json

# hatchling builds the editable install, so it is locked beside what it installs.
COMPILE = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
lock:
	@test -n "$(UV)" || { echo "Locking needs uv on PATH."; exit 1; }
	$(COMPILE) $(UPGRADE) pyproject.toml -o requirements.lock
	echo hatchling | $(COMPILE) $(UPGRADE) pyproject.toml - -c requirements.lock --extra embedded -o requirements-embedded.lock
	echo hatchling | $(COMPILE) $(UPGRADE) pyproject.toml - -c requirements-embedded.lock --extra embedded --extra dev \
		-o requirements-dev.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist *.egg-info
	find app tests migrations benchmarks -name __pycache__ -prune -exec rm -rf {} +

.venv/.start: requirements-embedded.lock pyproject.toml
.venv/.dev: requirements-dev.lock pyproject.toml
.venv/.start .venv/.dev:
	@test -n "$(PYTHON)" || { echo "Steward needs Python 3.11 or newer with the venv module; say where it is: make PYTHON=/path/to/python3"; exit 1; }
	@echo "Installing $< into .venv (once) ..."
ifdef UV
	@test -x $(BIN)/python || uv venv --quiet --python $(PYTHON) .venv
	@uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r $<
	@uv pip install --quiet --compile-bytecode --python $(BIN)/python --no-deps --no-build-isolation --editable .
else
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $<
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
endif
	@touch $@
