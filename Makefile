# The commands of the project; `make help` lists them.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help

# The first Python that TensorFlow has wheels for.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Compiled modules are kept, whatever the machine's environment says: services and tests start in half the time.
export PYTHONDONTWRITEBYTECODE :=
SERVICES := ingest recognition-worker attendance-projector query-api
FOLDERS := schemas service-kit $(SERVICES) $(addprefix dev/,local-stack demo chaos benchmarks testing)
EDITABLE := $(foreach folder,$(FOLDERS),-e ./$(folder))
READY := .venv/.ready
PYTEST := $(BIN)/python -m pytest
# kcat and avrocat are programs of the system: their test runs where they are installed.
WITHOUT := $(if $(shell command -v kcat && command -v avrocat),,and not kcat)
# Tests with servers mostly wait: two processes, each with servers of its own; the longest files first.
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder
CHAOS_ROUNDS ?= 50
CHURN_ROUNDS ?= 20
HOSTILE_IMAGES ?= 10000
# Captures of each of four threads whose answers are compared with one thread's; tests send 250.
CAPTURES_PER_THREAD ?= 1000
ROLE ?= analyst
STACK ?= .local-stack/demo
MODELS ?= .local-stack/cache/models

.PHONY: help
help:  ## list the commands
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sort | sed -E 's/^([a-z-]+):.*## */\1\t/' | expand -t 16

$(READY): requirements.lock requirements-bootstrap.lock $(FOLDERS:%=%/pyproject.toml)
	@test -n "$(PYTHON)" || { echo "Python 3.11, 3.12 or 3.13 is needed; name one with PYTHON=..." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	$(BIN)/uv pip sync --quiet --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

.PHONY: setup
setup: $(READY)  ## install everything the project needs into .venv

.PHONY: demo
demo: $(READY)  ## play a morning on real components (ONCE=1: verify and exit; FACES_DIR=folder PEOPLE=n)
	$(BIN)/attendance-demo $(if $(ONCE),--once) $(if $(FACES_DIR),--faces-dir $(FACES_DIR)) $(if $(PEOPLE),--people $(PEOPLE))

.PHONY: test
test: $(READY)  ## run every test: unit, contract, integration, end to end
	$(PYTEST) -m "not integration and not end_to_end and not chaos $(WITHOUT)" --durations=5
	CHAOS_ROUNDS=3 $(PYTEST) -m "(integration or end_to_end or chaos) $(WITHOUT)" --durations=15 $(SIDE_BY_SIDE) tests $(FOLDERS)

.PHONY: test-unit
test-unit: $(READY)  ## run the unit tests: no server, no model, seconds
	$(PYTEST) $(wildcard */tests/unit dev/*/tests/unit)

.PHONY: chaos
chaos: $(READY)  ## harm everything under load: CHAOS_ROUNDS=50 (SEED=n), then CHURN_ROUNDS=20 of single parts
	$(BIN)/python -m chaos --rounds $(CHAOS_ROUNDS) $(if $(SEED),--seed $(SEED))
	CHAOS_ROUNDS=$(CHURN_ROUNDS) $(PYTEST) -m chaos -v --timeout=3600 --deselect tests/test_chaos.py
	CAPTURES_PER_THREAD=$(CAPTURES_PER_THREAD) $(PYTEST) -v recognition-worker/tests/integration/test_threads.py

.PHONY: hostile
hostile: $(READY)  ## send HOSTILE_IMAGES=10000 hostile images through ingest's checks and the worker's analyser
	HOSTILE_IMAGES=$(HOSTILE_IMAGES) $(PYTEST) tests/test_hostile_images.py -s --timeout=3600

.PHONY: scenarios
scenarios: $(READY)  ## apply the attendance rules to every golden scenario, with the names of the rules
	$(BIN)/python -m attendance_projector scenarios attendance-projector/tests/scenarios

.PHONY: bench
bench: $(READY)  ## measure each embedder beside plain ONNX Runtime, in one run
	$(BIN)/python -m benchmarks.recognition_backends --model-cache $(MODELS)

.PHONY: bench-recognition
bench-recognition: $(READY)  ## measure recognition beside DeepFace, and through Kafka and S3 (FACES_DIR=folder)
	$(BIN)/python -m benchmarks.recognition_pipeline --model-cache $(MODELS)
	$(BIN)/python -m benchmarks.recognition_service --model-cache $(MODELS)

.PHONY: bench-search
bench-search: $(READY)  ## measure searches in 10k, 100k and 1M templates beside numpy and faiss, in one run
	$(BIN)/python -m benchmarks.gallery_search

.PHONY: bench-projector
bench-projector: $(READY)  ## measure projection and rebuild beside PostgreSQL itself (EVENTS=200000 SIZES=1000000,20000000, SIZES= for none; FEED_APART=1)
	LOCAL_STACK_DURABLE=1 $(BIN)/python -m benchmarks.projector $(if $(EVENTS),--events $(EVENTS)) $(if $(filter-out undefined,$(origin SIZES)),--sizes=$(SIZES)) $(if $(FEED_APART),--feed-apart)

.PHONY: bench-rebuild
bench-rebuild: $(READY)  ## rebuild EVENTS=5000000 under RATE=200 live events/s and readers, killed twice: equal, no error
	LOCAL_STACK_DURABLE=1 $(BIN)/python -m benchmarks.rebuild_at_scale $(if $(EVENTS),--events $(EVENTS)) $(if $(RATE),--rate $(RATE))

.PHONY: check
check: $(READY)  ## format, lint, types, imports, spelling, schema compatibility, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(patsubst %,%/src,$(filter-out dev/testing,$(FOLDERS)))
	$(BIN)/lint-imports --no-cache
	$(BIN)/codespell
	$(BIN)/attendance-schemas check
	$(BIN)/mkdocs build --quiet --strict

.PHONY: format
format: $(READY)  ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

.PHONY: up
up: $(READY)  ## start Kafka, registry, PostgreSQL, S3 and Valkey in the background
	$(BIN)/local-stack up --detach

.PHONY: down
down: $(READY)  ## stop them; the data stays
	$(BIN)/local-stack down

.PHONY: token
token: $(READY)  ## print a token for the running demo: ROLE=analyst ORG=... [SUBJECT=...]
	@$(BIN)/local-stack token --dir $(STACK) --role $(ROLE) $(if $(SUBJECT),--subject $(SUBJECT)) $(if $(ORG),--org $(ORG))

.PHONY: docs
docs: $(READY)  ## serve the documentation on this machine
	$(BIN)/mkdocs serve

.PHONY: lock
lock: $(READY)  ## resolve the newest versions again and write the locks, with hashes and without host names
	$(BIN)/uv lock --quiet --upgrade
	$(BIN)/uv export --quiet --all-packages --all-groups --format requirements.txt --no-emit-workspace --no-header \
		--no-annotate > requirements.lock
	sed -n '/^uv==/,/^[^ ]/{/^uv==/p;/^ /p}' requirements.lock > requirements-bootstrap.lock

.PHONY: clean
clean:  ## remove what was built; the local stack's data too
	-@test ! -x $(BIN)/local-stack || $(BIN)/local-stack down
	rm -rf .venv .local-stack .mypy_cache .ruff_cache .pytest_cache .hypothesis site
