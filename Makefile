# The two commands that a new machine needs are `make up` and `make test`; `make help` lists all of them.

VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
PYTHON ?= $(shell for python in python3.12 python3.11 python3 python; do \
	$$python -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null \
	&& echo $$python && break; done)
LOCK := --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-annotate \
	--custom-compile-command "make lock" --quiet

.DEFAULT_GOAL := help
.PHONY: help up detach down status test test-unit test-integration test-web test-browser test-timescale test-prometheus test-secure test-cluster \
	test-bench test-audit test-day test-backup test-rolling faults simulate fuzz fuzz-api lint format docs lock wheel clean

# Tests run in so many processes; those that share a server stay in one (tests/conftest.py).
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadgroup --no-loadscope-reorder
QUICK := not browser and not bench and not faults and not rolling and not cluster and not secure and not backup and not audit and not day and not long and not prometheus

# How long the long suites run; CI gives smaller numbers.
KILLS ?= 20
BROKER_KILLS ?= 3
SEEDS ?= 10000
ORDERS ?= 200000
COMMANDS ?= 10000000
FRAMES ?= 1000000
STEPS ?= 20000
CASES ?= 100000

help: ## list these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-18s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: $(VENV)/.run ## start the whole system; Ctrl-C stops it
	@$(BIN)/hft up

detach: $(VENV)/.run ## start it in the background
	@$(BIN)/hft up --detach

down: $(VENV)/.run ## stop it
	@$(BIN)/hft down

status: $(VENV)/.run ## show its processes
	@$(BIN)/hft status

test: $(VENV)/.dev ## the tests that take minutes aside, every one: unit tests, then those with the real servers
	@$(PYTEST) -m "$(QUICK)"

test-unit: $(VENV)/.dev ## the tests that start no system
	@$(PYTEST) -m "$(QUICK) and not integration"

test-integration: $(VENV)/.dev ## the tests that start the whole system
	@$(PYTEST) -m integration

test-web: $(VENV)/.dev ## the page's own checks and unit tests (TypeScript)
	@$(BIN)/python -m infra.node check test

test-browser: $(VENV)/.dev ## the page in Chromium, against the whole system
	@$(BIN)/python -m pytest -m browser

test-timescale: $(VENV)/.dev ## schema, sink and queries on a real TimescaleDB, which debootstrap makes (root only)
	@$(BIN)/python -m tests.timescale
	@$(BIN)/python -m pytest --timescaledb tests/infra/test_migrations.py tests/streams/test_schema.py \
		tests/streams/test_history.py tests/streams/test_sink_postgres.py tests/streams/test_copy.py \
		tests/gateway/test_history.py

test-prometheus: $(VENV)/.dev ## the dashboards' queries on a real Prometheus (apt-get install prometheus) and Postgres
	@$(BIN)/python -m pytest tests/dashboards

test-secure: $(VENV)/.dev ## our services on a Kafka with TLS, logins and ACLs, on Postgres and Redis with TLS
	@$(BIN)/python -m pytest -m secure

faults: $(VENV)/.dev ## kill -9 of the real processes under load; KILLS=20, HFT_SEED to repeat a run
	@KILLS=$(KILLS) $(BIN)/python -m pytest -m faults -s

test-cluster: $(VENV)/.dev ## three brokers and three workers; BROKER_KILLS=3 brokers are killed under load, one after the other
	@BROKER_KILLS=$(BROKER_KILLS) $(BIN)/python -m pytest -m cluster -s

test-bench: $(VENV)/.dev ## the benchmarks of streams and outages in their short form: that they run, and what must be exact in them
	@$(BIN)/python -m pytest -m bench

test-audit: $(VENV)/.dev ## a hundred thousand orders and a restart: the audit finds every position and P&L right
	@$(BIN)/python -m pytest -m audit

test-day: $(VENV)/.dev ## a day of ORDERS=200000 with kills, and the same day again from Kafka, bit by bit
	@ORDERS=$(ORDERS) $(BIN)/python -m pytest -m day -s

test-backup: $(VENV)/.dev ## trade, hft backup, wipe everything, hft restore, go on: in two minutes
	@$(BIN)/python -m pytest -m backup -s

test-rolling: $(VENV)/.dev ## hft restart of everything under load, with two gateways and two workers: nothing is lost or done twice
	@$(BIN)/python -m pytest -m rolling -s

simulate: $(VENV)/.dev ## the engine on a faulty disk, clock and Kafka, in one process; SEEDS=10000
	@$(BIN)/python -m tests.simulation --seeds $(SEEDS)

fuzz: $(VENV)/.dev ## COMMANDS=10000000 through matcher and reference, STEPS=20000 of Hypothesis, FRAMES=1000000 mutated ones, seeded mutations, then fuzz-api
	@$(BIN)/python tests/engine/fuzz.py --commands $(COMMANDS)
	@HFT_FUZZ_FRAMES=$(FRAMES) HFT_STATEFUL_STEPS=$(STEPS) $(BIN)/python -m pytest -q tests/engine/test_fuzz_frames.py tests/engine/test_stateful.py
	@$(BIN)/python -m pytest -q -m long
	@$(MAKE) fuzz-api

fuzz-api: $(VENV)/.dev ## CASES=100000 generated requests against the OpenAPI document
	@CASES=$(CASES) $(BIN)/python -m pytest -q -s tests/gateway/fuzz_api.py

lint: $(VENV)/.dev ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(VENV)/.dev ## let ruff format the code and sort the imports
	@$(BIN)/ruff check --fix --quiet .
	@$(BIN)/ruff format .

docs: $(VENV)/.dev ## write the generated pages of docs/
	@$(BIN)/hft settings --markdown > docs/settings.md
	@$(BIN)/python -m infra.metrics_reference
	@$(BIN)/python -m dashboards.grafana
	@$(BIN)/python -m infra.schemas
	@$(BIN)/python -m infra.licences
	@$(BIN)/python -m infra.bench.capacity_page

lock: $(VENV)/.dev ## resolve all dependencies anew: requirements*.txt and infra/kafka.lock
	@$(BIN)/uv pip compile $(LOCK) requirements.in --output-file requirements.txt
	@$(BIN)/uv pip compile $(LOCK) --constraint requirements.txt requirements-dev.in --output-file requirements-dev.txt
	@$(BIN)/python -m infra.jars

wheel: $(VENV)/.dev ## build dist/hft-VERSION.whl, the page inside
	@$(BIN)/python -m infra.node build
	@rm -rf build dist
	@$(PIP) wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .
	@ls dist

clean: ## remove the virtual environment and all that was built; the state in ./var stays
	@rm -rf $(VENV) build *.egg-info dashboards/web/node_modules dashboards/web/dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(VENV)/bin/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or 3.12 is needed and neither was found: install one, or name it: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' 2>/dev/null \
		|| { echo "$(PYTHON) is not Python 3.11 or 3.12: make PYTHON=/path/to/python3.12" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); echo "$(PYTHON) cannot make a virtual environment: install its venv module (Debian: python3-venv)" >&2; exit 1; }

$(VENV)/.run: requirements.txt pyproject.toml | $(VENV)/bin/python
	@$(BIN)/python infra/install.py requirements.txt 310
	@$(PIP) install --quiet --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements-dev.txt $(VENV)/.run
	@$(BIN)/python infra/install.py requirements-dev.txt 100
	@touch $@
