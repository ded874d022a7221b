# `make` alone lists what can be done. Each target is one plain command: see it with `make -n TARGET`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
JOBS ?= 4
.DEFAULT_GOAL := help
# Where it is set, each of the hundred programs that tests start compiles all of PodHealth anew.
unexport PYTHONDONTWRITEBYTECODE
.PHONY: help install install-dev demo test test-deep faults attacks mutants machines soak fuzz test-fast lint fmt bench screenshots docs migration lock clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(VENV)/.installed ## Make .venv with the locked packages PodHealth runs on
install-dev: $(VENV)/.installed-dev ## The same, with what its tests and checks need

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "PodHealth needs Python 3.11 or later; set PYTHON=/path/to/python3.11" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.installed: requirements.lock pyproject.toml | $(VENV)/.python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	touch $@

$(VENV)/.installed-dev: requirements-dev.lock $(VENV)/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	touch $@

demo: install ## Start PodHealth with eight real pods to break and watch heal (Ctrl-C ends it)
	$(BIN)/podhealth up --demo

test: install-dev ## Run the tests: SQLite, PostgreSQL, Redis, Podman and a browser, all real
	$(BIN)/python -m tests.support.browser
	$(BIN)/python -m tests.support.podman
	$(BIN)/python -m tests.support.strace
	$(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder --short

test-deep: install-dev ## Run each test on both databases, and the slow proofs in their long forms (about an hour)
	HYPOTHESIS_PROFILE=deep $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile --no-loadscope-reorder

faults: install-dev ## Inject every fault of tests/proofs/faults.py into real processes and count (ONLY=F1,F2; ONLY=quick; TABLE=docs/faults.md)
	$(BIN)/python -m tests.support.podman
	$(BIN)/python -m tests.support.strace
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --proofs faults --only "$(ONLY)" $(if $(TABLE),--table $(TABLE))

attacks: install-dev ## Try every attack of tests/proofs/attacks.py on the running server and count (ONLY=A1,A2; TABLE=docs/attacks.md)
	$(BIN)/python -m tests.support.browser
	$(BIN)/python -m pytest -q -n 2 --dist loadfile --proofs attacks --only "$(ONLY)" $(if $(TABLE),--table $(TABLE))

machines: install-dev ## Live the long lives of the six state machines, play all interleavings, and count (ONLY=check; LIVES=5: longer)
	HYPOTHESIS_PROFILE=deep MACHINES_LIVES=$(LIVES) $(BIN)/python -m pytest -q -n 2 --dist worksteal --machines tests/machines $(if $(ONLY),-k "$(ONLY)")

mutants: install-dev ## Apply deliberate bugs to a copy of the tree and count those that no test notices (ONLY=name,name)
	$(BIN)/python -m tests.mutants --only "$(ONLY)"

soak: install-dev ## Half an hour at 1,000 checks a second with kills: nothing lost, doubled or grown (SOAK="--minutes 5")
	$(BIN)/python -m tests.proofs.soak $(SOAK)

fuzz: install-dev ## Have schemathesis look for faults of the API, longer than `make test` does (FUZZ_EXAMPLES, FUZZ_SEED)
	FUZZ_EXAMPLES=$${FUZZ_EXAMPLES:-50} $(BIN)/python -m pytest -q -n 0 tests/web/api/test_fuzz.py

test-fast: install-dev ## Run the rules' tests: seconds
	$(BIN)/python -m pytest -q tests/core -m "not slow"

lint: install-dev ## Format, style, types and import directions
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/djlint --check --lint templates --quiet

fmt: install-dev ## Write the format that lint asks for
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix --quiet .

bench: install ## Measure the probe path, the live push and the pages; prints JSON
	$(BIN)/podhealth bench probe --targets 4000 --rate 4000 --seconds 20 --json
	$(BIN)/podhealth bench probe --targets 4000 --rate 4000 --seconds 20 --timing-out 30 --timeout 3 --json
	$(BIN)/podhealth bench probe --targets 1000 --rate 200 --seconds 20 --json
	$(BIN)/podhealth bench probe --targets 4000 --rate 4000 --seconds 40 --refusing 30 --healing --json
	$(BIN)/podhealth bench live --sockets 2000 --json
	$(BIN)/podhealth bench pages --pods 5000 --days 30 --json
	$(BIN)/podhealth bench history --results 5000000 --json

screenshots: install-dev ## Take pictures of the pages, light, dark and phone, into screenshots/
	$(BIN)/python -m tests.support.browser
	$(BIN)/python -m tests.browser.screenshots

docs: install-dev ## Check the links and generated parts of the documentation
	$(BIN)/python -m pytest -q tests/docs

migration: install-dev ## Draft a migration from the models: make migration NAME="add windows"
	$(BIN)/podhealth migrate --draft "$(NAME)"

lock: ## Choose new versions of all packages and write the lock files (needs uv)
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade pyproject.toml -o requirements.lock
	uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --no-annotate --upgrade pyproject.toml --group dev -c requirements.lock -o requirements-dev.lock

clean: ## Remove what the targets above made (not your data)
	find podhealth tests bench docs migrations -name __pycache__ -prune -exec rm -rf {} +
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache *.egg-info screenshots
