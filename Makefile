# cimtwin: `make demo` shows a city, `make test` proves it. Both set up what they need.
SHELL := /bin/sh
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PYTHON ?= python3
BIN := .venv/bin
NODE := scripts/node
HOST ?= 127.0.0.1
PORT ?= 8000
SIZE ?= 100000
FUZZ ?= 100
SECONDS ?= 600
DEMO := .cim/demo
LIVE ?= 1
# One more than there are cores, as tests often wait: for a server to start, a key to expire.
JOBS ?= $(shell [ "$$(nproc 2>/dev/null || echo 1)" -gt 1 ] && echo 3 || echo 1)
SPREAD = $(if $(filter-out 0 1,$(JOBS)),-n $(JOBS) --max-worker-restart=0)
PATIENT = -o faulthandler_timeout=0

DATABASE := postgresql postgresql-postgis
BROKER := mosquitto mosquitto-clients
BROWSER := chromium libgl1-mesa-dri libegl1 libegl-mesa0 libgles2 fonts-noto-cjk

VIEWER_SOURCES := $(shell find viewer -path viewer/node_modules -prune -o -type f -print 2>/dev/null)

.PHONY: help demo demo-check demo-city test check trial trial-qgis fuzz chaos bench wheel viewer packages clean

help:
	@echo "make demo            set up, make a sample city, open it at http://$(HOST):$(PORT)"
	@echo "                     its devices speak, and a lift breaks now and then; LIVE=0 keeps them silent"
	@echo "make demo-check      the same, then ask the running server and stop"
	@echo "make test            set up, run every check and every test, on three processes where there"
	@echo "                     are two cores; JOBS=1 one after the other, JOBS=4 on four"
	@echo "make check           style, types, import contracts (part of make test)"
	@echo "make trial           load the large real data sets, try properties on new examples (minutes)"
	@echo "make trial-qgis      have a real QGIS read, filter, draw and edit the city: needs root, two minutes"
	@echo "                     and 2 GB once for a Debian 13 of its own (tests/clients/qgis/debian)"
	@echo "make fuzz FUZZ=100       try the running service with what nobody would send, so many tries a route,"
	@echo "                     and every decoder of messages, so many thousand tries"
	@echo "make chaos SECONDS=600   kill ingesters, database, broker, service and gateways under load, for so"
	@echo "                     long; SEED=7 as the run of that seed did"
	@echo "make bench NAME=load SIZE=100000     measure: load, units, tiles, updates, api, parser, addresses, feeds"
	@echo "make wheel           build the wheel, viewer included"
	@echo "make clean           remove what was built; your data in .cim stay"

# ---- set-up: each stamp is made once, and again when what it depends on changes -------------

.venv/made:
	@mkdir -p .setup
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "cimtwin needs Python 3.11 or newer / 需要 Python 3.11 或更高版本" >&2; exit 1; }
	$(PYTHON) -m venv .venv
	@touch $@

.setup/run: .venv/made requirements/run.txt pyproject.toml
	@mkdir -p .setup
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/run.txt
	$(BIN)/pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -rf .venv/lib/python3*/site-packages/tests  # gmqtt brings its own, which would hide ours
	@touch $@

.setup/dev: .setup/run requirements/dev.txt
	$(BIN)/pip install -q --disable-pip-version-check --require-hashes -r requirements/dev.txt
	@rm -rf .venv/lib/python3*/site-packages/tests  # as above
	@touch $@

.setup/bench: .venv/made requirements/bench.txt
	$(PYTHON) -m venv .setup/bench-venv
	.setup/bench-venv/bin/pip install -q --disable-pip-version-check --require-hashes -r requirements/bench.txt
	@touch $@

.setup/database:
	@mkdir -p .setup
	@scripts/debian-packages $(DATABASE)
	@touch $@

.setup/broker: .setup/database
	@scripts/debian-packages $(BROKER)
	@touch $@

.setup/browser: .setup/broker
	@scripts/debian-packages $(BROWSER)
	@touch $@

.setup/viewer: .setup/run viewer/package-lock.json
	cd viewer && ../$(NODE) npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.setup/validator: .setup/run tests/golden/validator/package-lock.json
	cd tests/golden/validator && ../../../$(NODE) npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.setup/provider: .setup/run tests/http/provider/package-lock.json
	cd tests/http/provider && ../../../$(NODE) npm ci --no-audit --no-fund --loglevel=error
	@touch $@

.setup/clients: .setup/run tests/clients/package-lock.json
	cd tests/clients && ../../$(NODE) npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

api/static/index.html: .setup/viewer $(VIEWER_SOURCES)
	cd viewer && ../$(NODE) npm run --silent build
	@touch $@

viewer: api/static/index.html

# ---- the demo ------------------------------------------------------------------------------

demo-city: .setup/broker .setup/run api/static/index.html
	@CIM_DATA_DIR=$(DEMO) $(BIN)/python -m sample_data.demo

demo: demo-city
	@export CIM_DATA_DIR=$(DEMO); [ "$(LIVE)" = 0 ] || $(BIN)/python -m sample_data.playing & \
	exec $(BIN)/cim serve --demo --host $(HOST) --port $(PORT)

demo-check: demo-city
	CIM_DATA_DIR=$(DEMO) $(BIN)/python -m sample_data.demo --check --port $(PORT)

# ---- checks and tests ----------------------------------------------------------------------

check: .setup/dev .setup/viewer
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest -q tests/house/test_budgets.py cim tiling api sample_data
	cd viewer && ../$(NODE) npm run --silent check

test: .setup/browser .setup/validator .setup/provider .setup/clients .setup/bench check api/static/index.html
	cd viewer && ../$(NODE) npm run --silent test
	$(NODE) $(BIN)/pytest -q $(SPREAD) tests

trial: .setup/broker .setup/dev .setup/validator
	HYPOTHESIS_PROFILE=wide $(BIN)/pytest -q $(PATIENT) tests/unit tests/postgis/test_derive_again.py
	$(NODE) $(BIN)/pytest -q $(PATIENT) -m trial

trial-qgis: .setup/database .setup/dev
	@scripts/debian-packages debootstrap
	$(BIN)/pytest -q $(PATIENT) -m qgis tests/clients/qgis

fuzz: .setup/broker .setup/dev
	CIM_FUZZ=$(FUZZ) $(BIN)/pytest -q -s $(PATIENT) tests/http/test_fuzz.py tests/unit/feeds/test_fuzzed.py

chaos: .setup/broker .setup/dev
	CIM_CHAOS=$(SECONDS) CIM_CHAOS_SEED=$(SEED) $(BIN)/pytest -q $(PATIENT) tests/flow/test_chaos.py

bench: .setup/broker .setup/dev .setup/bench
	@test -n "$(NAME)" || { echo "make bench NAME=load|units|tiles|updates|api|feeds SIZE=100000" >&2; exit 2; }
	$(BIN)/python -m benchmarks.run $(NAME) --size $(SIZE)

wheel: .setup/dev api/static/index.html
	$(BIN)/python -m hatchling build
	@ls -l dist

clean:
	@-[ ! -x $(BIN)/cim ] || CIM_DATA_DIR=$(DEMO) $(BIN)/cim feed broker --end 2>/dev/null
	@-[ ! -x $(BIN)/cim ] || CIM_DATA_DIR=$(DEMO) $(BIN)/cim db stop 2>/dev/null
	rm -rf $(DEMO) .venv .setup api/static dist viewer/node_modules tests/golden/validator/node_modules tests/clients/node_modules tests/http/provider/node_modules
