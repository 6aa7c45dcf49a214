# Everything here makes its own environment first: all it takes is Python 3.11 with pip.
# `make` alone lists the targets.

SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
READY := .venv/.ready
JOBS ?= 2
ARGS ?=

# Python comes from this machine, never from a download.
export UV_NO_PYTHON_DOWNLOADS := 1
# A machine behind a proxy of its own trusts what its administrator says, where it says so.
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem),)
export UV_SYSTEM_CERTS ?= 1
endif

.PHONY: help
help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-8s %s\n", $$1, $$2}'

# ── set-up ──────────────────────────────────────────────────────────────────────────────

.PHONY: setup
setup: $(READY) ## Make the environment in .venv (all other targets do so themselves)

# Of the lock's packages uv comes first, with its hashes, and installs all the others.
$(READY): requirements.lock pyproject.toml sdk/pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "Ensue needs Python 3.11 or newer; $(PYTHON) is older. Try: make PYTHON=python3.11 $(MAKECMDGOALS)" >&2; exit 1; }
	@echo "Setting up .venv ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv --without-pip .venv
	@awk '/^[^ ]/ {wanted = /^uv==/} wanted' requirements.lock > .venv/uv.lock
	@test -x $(BIN)/uv || $(PYTHON) -m pip --python $(BIN)/python install --quiet --disable-pip-version-check \
		--root-user-action=ignore --require-hashes -r .venv/uv.lock
	@$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e sdk -e .
	@$(BIN)/python -m compileall -qq base events triggers automations engine server sdk
	@touch $@

.PHONY: lock
lock: $(READY) ## Pin the newest allowed versions of all packages in requirements.lock
	@rm -f uv.lock
	$(BIN)/uv export --quiet --upgrade --all-groups --no-emit-workspace --no-header --no-annotate -o requirements.lock

# ── use ─────────────────────────────────────────────────────────────────────────────────

.PHONY: demo
demo: $(READY) ## Serve examples/github, deliver signed webhooks to it, and tell what ensues
	@$(BIN)/python examples/github/demo.py $(ARGS)

.PHONY: serve
serve: $(READY) ## Serve a project directory: make serve DIR=examples/github
	@test -n "$(DIR)" || { echo "Say which directory: make serve DIR=examples/github" >&2; exit 2; }
	@$(BIN)/ensue serve $(DIR) $(ARGS)

# ── proof ───────────────────────────────────────────────────────────────────────────────

.PHONY: test
test: $(READY) ## Run the tests (ARGS="-k journal" for some of them)
	@$(BIN)/pytest -q -n $(JOBS) --dist worksteal $(ARGS)

.PHONY: check
check: lint types test ## Run all that CI runs

.PHONY: lint
lint: $(READY) ## Check style, format and the direction of imports
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

.PHONY: format
format: $(READY) ## Put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: types
types: $(READY) ## Check the types
	$(BIN)/mypy

.PHONY: docs
docs: $(READY) ## Renew the tables of the reference that come from the code
	@$(BIN)/python docs/generate.py $(ARGS)

.PHONY: bench
bench: $(READY) ## Measure: each figure beside the limit it is measured against
	@$(BIN)/python -m benchmarks $(ARGS)

.PHONY: chaos
chaos: $(READY) ## Kill the service over and over and reconcile every ledger; hold rules to their model
	@$(BIN)/python -m tests.chaos $(ARGS)
	$(if $(ARGS),,@$(BIN)/python -m tests.schedules)

.PHONY: clean
clean: ## Remove the environment and every cache
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache .bench .chaos dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
