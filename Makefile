# ClawWeb. `make up` starts everything, `make test` checks everything; both make their environment first.

.DEFAULT_GOAL := help
VENV := .venv
BIN := $(VENV)/bin
UV := UV_PYTHON_DOWNLOADS=never VIRTUAL_ENV=$(CURDIR)/$(VENV) $(BIN)/uv
COMPILE := $(UV) pip compile -q --universal --python-version 3.11 --generate-hashes \
	--no-header --no-annotate --no-emit-index-url --no-emit-find-links
# Linters load the settings; they must not touch the user's data for that.
NOTHING := CLAWWEB_SECRET_KEY=lint DATABASE_URL=sqlite:///:memory:
# The first Python of at least 3.11 that can make an environment; PYTHON=… chooses another one.
PYTHON ?= $(shell for p in python3.11 python3 python3.12 python3.13 python3.14; do \
	$$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)

.PHONY: help setup setup-dev up test test-fast bench lint format lock clean

help:
	@echo "make up      start ClawWeb and print a sign-in link"
	@echo "make test    linters, types and every test"
	@echo "make bench   speed, beside the floors"
	@echo "make setup   only make the environment in $(VENV)"
	@echo "make lint, make format, make lock, make clean"

$(BIN)/uv: requirements-uv.txt
	@test -n "$(PYTHON)" || { echo "ClawWeb needs Python 3.11 or newer; none was found (PYTHON=… names one)." >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "The environment cannot be made: on Debian, install python3-venv." >&2; exit 1; }
	@$(BIN)/python -m pip install -q --disable-pip-version-check --require-hashes -r requirements-uv.txt \
		|| { echo "uv cannot be installed: is there a connection to a package index?" >&2; exit 1; }
	@touch $@

# The runtime is a part of what the tests need: whoever has the second need not sync to the first.
$(VENV)/.runtime: $(BIN)/uv requirements.txt
	@if test -e $(VENV)/.dev -a ! requirements-dev.txt -nt $(VENV)/.dev; then :; else \
		$(UV) pip sync -q --require-hashes requirements.txt requirements-uv.txt \
		|| { echo "The dependencies cannot be installed: is there a connection to a package index?" >&2; exit 1; }; fi
	@touch $@

$(VENV)/.dev: $(BIN)/uv requirements-dev.txt
	@$(UV) pip sync -q --require-hashes requirements-dev.txt requirements-uv.txt \
		|| { echo "The dependencies cannot be installed: is there a connection to a package index?" >&2; exit 1; }
	@touch $@ $(VENV)/.runtime

setup: $(VENV)/.runtime
	@:

setup-dev: $(VENV)/.dev
	@:

up: setup
	@exec $(BIN)/python manage.py up $(ARGS)

test: lint
	@$(BIN)/python -m pytest $(ARGS)

lint: setup-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/djlint --quiet --check templates
	$(BIN)/djlint --quiet --lint templates
	$(NOTHING) $(BIN)/mypy
	$(NOTHING) $(BIN)/python manage.py makemigrations --check --dry-run

format: setup-dev
	$(BIN)/ruff check --fix -q . || true
	$(BIN)/ruff format .
	$(BIN)/djlint --quiet --reformat templates || true

bench: setup-dev
	@$(BIN)/python -m tests.bench $(ARGS)

lock: setup-dev
	$(COMPILE) pyproject.toml -o requirements.txt
	$(COMPILE) pyproject.toml --extra dev -o requirements-dev.txt
	echo uv | $(COMPILE) - -o requirements-uv.txt

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis test-results
