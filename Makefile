# Polystore. `make help` lists what there is.
PYTHON ?= python3
BIN := .venv/bin
# The lock holds hashes; pip refuses anything else. Packages only: the project itself needs none.
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
# The marks of tests, which pyproject.toml describes.
SLOW := faults or openapi or plans or slow
APART := browser or chaos or failover or generators or image

# Compiled modules spare each of the many processes a second and more of its start.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help serve demo test test-fast test-all chaos fuzz bench check format lock clean

help: ## Lists the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-9s %s\n", $$1, $$2}' Makefile

serve: .venv/serve ## Starts PostgreSQL, MongoDB and the API on http://127.0.0.1:8000 (PORT=, POLYSTORE_DATA_DIR=)
	@$(BIN)/polystore serve

demo: .venv/serve ## Sends two days of sample traffic, and records, to the running service
	@$(BIN)/polystore demo

test: .venv/dev ## Runs the suite on engines of its own (what takes minutes or other programs is for test-all)
	@$(BIN)/pytest

test-fast: .venv/dev ## Runs the part of it that takes less than a minute
	@$(BIN)/pytest -m "not ($(SLOW) or $(APART))"

test-all: .venv/dev ## Runs the tests that `make test` leaves out
	@$(BIN)/pytest -m "($(APART)) and not (chaos or failover)"
	@$(BIN)/pytest -m "chaos or failover" -n0  # alone, because they judge times

chaos: .venv/dev ## Breaks stores, network and clients under load for 10 minutes (CHAOS="--full" for an hour, "--help")
	@$(BIN)/python -m tests.chaos --report chaos.json $(CHAOS)

bench: .venv/dev ## Measures us against the tutorials' way, raw writes and ourselves: reads, logins, intake, labels, growth
	@$(BIN)/python -m benchmarks.relational
	@$(BIN)/python -m benchmarks.login_load
	@$(BIN)/python -m benchmarks.intake
	@$(BIN)/python -m benchmarks.growth
	@$(BIN)/python -m benchmarks.tracking
	@$(BIN)/python -m benchmarks.mlflow
	@$(BIN)/python -m benchmarks.log_growth
	@$(BIN)/python -m benchmarks.labels
	@$(BIN)/python -m benchmarks.bystanders

fuzz: .venv/dev ## Sends 10,000 hostile requests to a service of its own (FUZZ="--seed 7 --only items_create")
	@$(BIN)/python -m tests.fuzz --report fuzz.json $(FUZZ)

check: .venv/dev ## Format, lint, types, import contracts, migrations, lock files, spelling
	@$(BIN)/ruff format --check --quiet .
	@$(BIN)/ruff check --quiet .
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-logo
	@$(BIN)/deptry .
	@$(BIN)/codespell
	@PATH=$(BIN):$$PATH sh .ci/check-migrations
	@PATH=$(BIN):$$PATH sh .ci/check-locks

format: .venv/dev ## Formats and mends what can be mended
	@$(BIN)/ruff format . && $(BIN)/ruff check --fix .

lock: .venv/dev ## Writes the lock files anew after a change of dependencies
	@PATH=$(BIN):$$PATH sh .ci/lock .

clean: ## Removes the environment and the caches; data stays
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache *.egg-info

.venv/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Polystore needs Python 3.11 or newer; set PYTHON=python3.x" >&2; exit 1; }
	@echo "Making .venv …"
	@$(PYTHON) -m venv .venv
	@touch $@

.venv/serve: .venv/python requirements.lock pyproject.toml
	@echo "Installing what requirements.lock names (a minute the first time) …"
	@$(INSTALL) -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.venv/dev: .venv/serve requirements-dev.lock
	@echo "Installing what requirements-dev.lock names …"
	@$(INSTALL) -r requirements-dev.lock
	@touch $@
