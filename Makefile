# Two commands do everything on a fresh machine with Python 3.11: make demo, make test.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PORT ?= 8080
EHR_PORT ?= 8081
ONCE ?=
JOBS ?= auto
FAULTS ?=
# make itself knows AS as the assembler.
ifneq ($(filter default undefined,$(origin AS)),)
AS := open
endif

# Each of the many processes that the tests start would compile the whole program again.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help demo test check lint types contracts docs bench walk soak fuzz audit clean

help: ## list these commands
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/:.*## /\t/' | expand -t 12

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "fhirplan needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Name another one: make PYTHON=python3.12 ...")'
	@$(PYTHON) -m venv $(VENV) || { echo "python3 cannot make virtual environments here; on Debian: apt-get install python3-venv"; exit 1; }

$(VENV)/installed: $(VENV)/bin/python setup.cfg pyproject.toml
	$(BIN)/pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/installed-dev: $(VENV)/installed
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[dev,postgres]'
	@touch $@

demo: $(VENV)/installed ## EHR, server, worker and sample data here; ONCE=1: change both sides, agree, exit; AS=epic; FAULTS=1
	$(BIN)/fhirplan demo --data .demo --as $(AS) --port $(PORT) --ehr-port $(EHR_PORT) $(if $(ONCE),--once) $(if $(FAULTS),--faults)

test: $(VENV)/installed-dev ## the whole test suite, on every core; JOBS=1: on one
	$(BIN)/pytest -n $(JOBS) --maxprocesses 8 --dist worksteal

check: lint types contracts test ## what CI runs

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

contracts: $(VENV)/installed-dev
	$(BIN)/lint-imports

docs: $(VENV)/installed-dev ## write the generated reference pages and profile snapshots anew
	$(BIN)/python scripts/reference_docs.py
	$(BIN)/python scripts/snapshots.py

bench: $(VENV)/installed-dev ## speed as ratios in one run (needs wrk)
	$(BIN)/python bench/run.py

walk: $(VENV)/installed-dev ## one patient's day, test by test, as docs/reference/walk.md tells it
	$(BIN)/pytest -v $$(grep -o 'tests/[a-z_/]*\.py::test_[a-z_0-9]*' docs/reference/walk.md)

soak: $(VENV)/installed-dev ## the long tests
	$(BIN)/pytest -m slow --timeout 3600

fuzz: $(VENV)/installed-dev ## throw requests made from our own OpenAPI at the server, for a long time
	FHIRPLAN_FUZZ_EXAMPLES=50 $(BIN)/pytest tests/web/test_openapi.py --timeout 3600

audit: $(VENV)/installed-dev ## bandit, and known vulnerabilities of what is installed (needs the network)
	$(BIN)/pip install --quiet --disable-pip-version-check --editable '.[audit]'
	$(BIN)/bandit --quiet --recursive fhirplan -lll
	$(BIN)/pip freeze --exclude-editable | $(BIN)/pip-audit --strict --no-deps --disable-pip --requirement /dev/stdin

clean: ## remove what the other commands made
	rm -rf $(VENV) build dist .demo *.egg-info
