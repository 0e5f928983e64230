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
FOLDERS := schemas service-kit $(SERVICES) ops deploy $(addprefix dev/,local-stack demo chaos benchmarks containers testing)
EDITABLE := $(foreach folder,$(FOLDERS),-e ./$(folder))
READY := .venv/.ready
PYTEST := $(BIN)/python -m pytest
# kcat, avrocat and systemd-analyze are programs of the system: their tests run where they are installed.
WITHOUT := $(if $(shell command -v kcat && command -v avrocat),,and not kcat) \
	$(if $(shell command -v systemd-analyze),,and not systemd)
# The gateway is nginx with ModSecurity and the OWASP rules, of Debian's packages.
NGINX := nginx libnginx-mod-http-modsecurity modsecurity-crs gettext-base
# Without servers two processes, of which one has all tests that load models. With servers three, since those tests
# mostly wait: each process has servers of its own, and the longest files come first.
WITH_ONE_MODEL := -n 2 --dist loadgroup
SIDE_BY_SIDE := -n 3 --dist loadfile --no-loadscope-reorder
CHAOS_ROUNDS ?= 50
CHURN_ROUNDS ?= 20
ROUNDS ?= 20
ARCHIVE_KILLS ?= 100
HOSTILE_IMAGES ?= 10000
GATEWAY_REQUESTS ?= 10000
FACTS ?= 20000
API_CASES ?= 20000
# Captures of each of four threads whose answers are compared with one thread's; tests send 250.
CAPTURES_PER_THREAD ?= 1000
# Programs that no package brings, built once by Go, whose checksum database vouches for their sources.
PROGRAMS := .local-stack/cache/programs
OPENTOFU := github.com/opentofu/opentofu@v1.12.6
# Not among our own packages: it pins most of what it needs to other versions than ours.
CHECKOV := checkov==3.3.30
ROLE ?= analyst
STACK ?= .local-stack/demo
MODELS ?= .local-stack/cache/models
# A value that a user may set, as one word of the shell.
quoted = '$(subst ','\'',$($(1)))'
# The same with its option before it, or nothing when it is not set.
option = $(if $($(2)),$(1) $(call quoted,$(2)))
# On a terminal uv shows how far it is; elsewhere its steps, without a line for each of 200 packages.
SYNC := $(BIN)/uv pip sync --compile-bytecode --python $(BIN)/python --require-hashes requirements.lock

$(READY): requirements.lock requirements-bootstrap.lock $(FOLDERS:%=%/pyproject.toml)
	@test -n $(call quoted,PYTHON) || { echo "Python 3.11, 3.12 or 3.13 is needed; name one with PYTHON=..." >&2; exit 2; }
	@echo "Installing into .venv. The first time fetches 1.2 GB (of 1.4, with the servers) and compiles a minute."
	@$(call quoted,PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --disable-pip-version-check --require-hashes -r requirements-bootstrap.lock
	@if [ -t 2 ]; then $(SYNC); else $(SYNC) 2>&1 | sed '/^ [-+~] /d'; fi
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(EDITABLE)
	@touch $@

##@ The two commands

.PHONY: demo
demo: $(READY)  ## play a morning on real components, then say what to try ## ONCE=1: verify, exit; FACES_DIR=dir PEOPLE=n STACK=dir
	$(BIN)/attendance-demo --dir $(call quoted,STACK) $(if $(ONCE),--once) $(call option,--faces-dir,FACES_DIR) $(call option,--people,PEOPLE)

.PHONY: test
test: $(READY)  ## run every test: unit, contract, integration, end to end ## apart: make access-matrix gateway-test compose-test chaos
	$(PYTEST) -m "not integration and not end_to_end and not chaos $(WITHOUT)" --durations=5 $(WITH_ONE_MODEL)
	CHAOS_ROUNDS=2 $(PYTEST) -m "(integration or end_to_end or chaos) and not gateway and not secured and not cluster $(WITHOUT)" --durations=15 $(SIDE_BY_SIDE) tests $(FOLDERS)

##@ Develop

.PHONY: setup
setup: $(READY)  ## install everything the project needs into .venv

.PHONY: check
check: $(READY)  ## format, lint, types, imports, spelling, schemas, docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy $(patsubst %,%/src,$(filter-out dev/testing,$(FOLDERS)))
	$(BIN)/lint-imports --no-cache
	for folder in $(SERVICES) service-kit ops deploy; do $(BIN)/lint-imports --no-cache --config $$folder/pyproject.toml; done
	$(BIN)/codespell
	$(BIN)/attendance-schemas check
	$(BIN)/attendance-containers package-lists --check
	$(BIN)/attendance-deploy access check
	$(BIN)/mkdocs build --quiet --strict
	$(BIN)/zizmor --quiet --offline --no-progress .github
	$(BIN)/hadolint --config dev/containers/hadolint.yaml deploy/Dockerfile dev/containers/stand-ins/Dockerfile
	$(BIN)/shellcheck .github/delivery/*.sh deploy/systemd/*.sh

.PHONY: check-delivery
check-delivery: $(READY) $(PROGRAMS)/actionlint $(PROGRAMS)/tofu  ## check workflows and OpenTofu by tools of their own
	$(PROGRAMS)/actionlint -shellcheck $(BIN)/shellcheck
	env -u TF_CLI_CONFIG_FILE $(PROGRAMS)/tofu fmt -check -diff -recursive deploy/opentofu
	$(BIN)/uv tool run --quiet --python $(BIN)/python --from $(CHECKOV) checkov --config-file deploy/opentofu/checkov.yaml

$(PROGRAMS)/actionlint:
	GOBIN=$(abspath $(PROGRAMS)) CGO_ENABLED=0 go install -trimpath github.com/rhysd/actionlint/cmd/actionlint@v1.7.12

# OpenTofu replaces one of its modules, which `go install` refuses: its own sources are built where Go keeps them.
$(PROGRAMS)/tofu:
	mkdir -p $(PROGRAMS)
	cd "$$(go mod download -json $(OPENTOFU) | $(abspath $(BIN))/python -c 'import json, sys; print(json.load(sys.stdin)["Dir"])')" && \
		CGO_ENABLED=0 go build -trimpath -buildvcs=false -o $(abspath $(PROGRAMS))/tofu ./cmd/tofu

.PHONY: format
format: $(READY)  ## format the code and mend what ruff can mend
	$(BIN)/ruff check --fix --quiet . || true
	$(BIN)/ruff format .

.PHONY: test-unit
test-unit: $(READY)  ## run the unit tests: no server, no model, seconds
	$(PYTEST) $(wildcard */tests/unit dev/*/tests/unit)

.PHONY: scenarios
scenarios: $(READY)  ## apply the attendance rules to every golden scenario
	$(BIN)/attendance-projector scenarios attendance-projector/tests/scenarios

.PHONY: docs
docs: $(READY)  ## serve the documentation on this machine
	$(BIN)/mkdocs serve

.PHONY: lock
lock: $(READY)  ## resolve the newest versions, and write the locks
	$(BIN)/uv lock --quiet --upgrade
	$(BIN)/uv export --quiet --all-packages --all-groups --format requirements.txt --no-emit-workspace --no-header \
		--no-annotate > requirements.lock
	sed -n '/^uv==/,/^[^ ]/{/^uv==/p;/^ /p}' requirements.lock > requirements-bootstrap.lock
	$(BIN)/uv pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate \
		deploy/requirements/tools.in > deploy/requirements/tools.txt
	@$(MAKE) --no-print-directory setup
	$(BIN)/attendance-containers package-lists

.PHONY: clean
clean:  ## remove what was built, and all data, if nothing runs
	@test ! -x $(BIN)/local-stack || $(BIN)/local-stack idle
	rm -rf .venv .local-stack .mypy_cache .ruff_cache .pytest_cache .hypothesis site

.PHONY: help
help:  ## list the commands
	@awk -F ' *## *' '/^##@/ {print "\n" substr($$0, 5)} \
		/^[a-z-]+:.*##/ {sub(/:.*/, "", $$1); printf "  %-18s %s\n", $$1, $$2; if ($$3) printf "%21s%s\n", "", $$3}' $(MAKEFILE_LIST)

##@ Operate: a local stack apart from the demo's, and the demo that runs

.PHONY: up
up: $(READY)  ## start Kafka, PostgreSQL and others, beside the demo's
	$(BIN)/local-stack up --detach

.PHONY: down
down: $(READY)  ## end what `make demo` and `make up` started; the data stays
	$(BIN)/attendance-demo down --dir $(call quoted,STACK)
	$(BIN)/local-stack down

.PHONY: token
token: $(READY)  ## print a token for the demo or stack that runs ## ROLE=analyst SUBJECT=who ORG=organisation
	@$(BIN)/attendance-demo token --dir $(call quoted,STACK) --role $(call quoted,ROLE) $(call option,--subject,SUBJECT) $(call option,--org,ORG)

##@ Containers: as root on Debian, without any registry

.PHONY: images
images: $(READY)  ## build every image, and print their sizes
	$(BIN)/attendance-containers images

.PHONY: compose-test
compose-test: $(READY)  ## play compose.yaml: traffic, kills, cuts, upgrade, restart ## SECURE=1 CUT_SECONDS=60
	$(BIN)/attendance-containers compose-test $(if $(SECURE),--secure) $(call option,--cut-seconds,CUT_SECONDS)

.PHONY: chart-test
chart-test: $(READY)  ## hold the charts against Kubernetes, operators, access.yaml
	$(BIN)/python -m attendance_containers.charts check

.PHONY: cluster-test
cluster-test: $(READY)  ## play the charts on a one-node Kubernetes of this machine
	$(BIN)/python -m attendance_containers.kubernetes

##@ Measure

.PHONY: bench
bench: $(READY)  ## measure each embedder beside plain ONNX Runtime
	$(BIN)/python -m benchmarks.recognition.backends --model-cache $(call quoted,MODELS)

.PHONY: bench-recognition
bench-recognition: $(READY)  ## measure recognition beside DeepFace, and end to end ## FACES_DIR=folder
	$(BIN)/python -m benchmarks.recognition.pipeline --model-cache $(call quoted,MODELS)
	$(BIN)/python -m benchmarks.recognition.service --model-cache $(call quoted,MODELS)

.PHONY: bench-fairness
bench-fairness: $(READY)  ## measure live captures beside a backlog ## COUNT=5000 (captures of the backlog)
	$(BIN)/python -m benchmarks.recognition.fairness --model-cache $(call quoted,MODELS) $(call option,--count,COUNT)

.PHONY: bench-search
bench-search: $(READY)  ## measure searches in up to 1M templates beside numpy, faiss
	$(BIN)/python -m benchmarks.search.gallery_search

.PHONY: bench-projector
bench-projector: $(READY)  ## measure projection and rebuild beside PostgreSQL itself ## EVENTS=200000 SIZES=1000000,20000000 FEED_APART=1
	LOCAL_STACK_DURABLE=1 $(BIN)/python -m benchmarks.projection.speed $(call option,--events,EVENTS) $(if $(filter-out undefined,$(origin SIZES)),--sizes=$(call quoted,SIZES)) $(if $(FEED_APART),--feed-apart)

.PHONY: bench-rebuild
bench-rebuild: $(READY)  ## rebuild under live events and readers, killed twice ## EVENTS=5000000 RATE=200 (live events a second)
	LOCAL_STACK_DURABLE=1 $(BIN)/python -m benchmarks.projection.rebuild_at_scale $(call option,--events,EVENTS) $(call option,--rate,RATE)

.PHONY: bench-views
bench-views: $(READY)  ## read a directory of millions beside Kafka's plain client ## COUNT=2000000
	$(BIN)/python -m benchmarks.views.time_to_ready $(call option,--count,COUNT)

.PHONY: bench-replay
bench-replay: $(READY)  ## replay a million records beside a bare produce loop ## COUNT=1000000
	$(BIN)/python -m benchmarks.replay.speed $(call option,--count,COUNT)

.PHONY: bench-reconcile
bench-reconcile: $(READY)  ## hold 20,000 captures against every store, twice ## COUNT=20000
	$(BIN)/python -m benchmarks.operations.reconcile $(call option,--count,COUNT)

.PHONY: bench-backlog
bench-backlog: $(READY)  ## change a shift of 100,000 days under facts, killed once
	LOCAL_STACK_DURABLE=1 $(BIN)/python -m benchmarks.projection.backlog

##@ Harm

.PHONY: chaos
chaos: $(READY)  ## harm everything under load, then single parts ## CHAOS_ROUNDS=50 CHURN_ROUNDS=20 SEED=n
	$(BIN)/python -m chaos --rounds $(call quoted,CHAOS_ROUNDS) $(call option,--seed,SEED)
	CHAOS_ROUNDS=$(call quoted,CHURN_ROUNDS) $(PYTEST) -m chaos -v --timeout=3600 --deselect tests/test_chaos.py
	CAPTURES_PER_THREAD=$(call quoted,CAPTURES_PER_THREAD) $(PYTEST) -v recognition-worker/tests/integration/test_threads.py

.PHONY: archive-kills
archive-kills: $(READY)  ## kill the archive's runner under records, count what is kept ## ARCHIVE_KILLS=100
	@rm -f .local-stack/archive-kills.txt
	ARCHIVE_KILLS=$(call quoted,ARCHIVE_KILLS) ARCHIVE_REPORT=.local-stack/archive-kills.txt $(PYTEST) \
		ops/tests/integration/test_archive.py -k killed --timeout=3600
	@cat .local-stack/archive-kills.txt

.PHONY: failover
failover: $(READY)  ## kill PostgreSQL, promote a standby that lags, audit ## ROUNDS=20 SEED=n
	$(BIN)/python -m chaos --failover --rounds $(call quoted,ROUNDS) $(call option,--seed,SEED)

.PHONY: tenancy
tenancy: $(READY)  ## try every write on things of others, two wrong ids, too
	TENANCY_PAIRS=1 $(PYTEST) tests/test_tenancy.py -s --timeout=1800

.PHONY: access-matrix
access-matrix: $(READY)  ## try everything at every server as every identity
	$(PYTEST) -n0 deploy/tests/integration -s

.PHONY: hostile-facts
hostile-facts: $(READY)  ## send facts at every edge, ask what became of each ## FACTS=20000 SEED=1
	FACTS=$(call quoted,FACTS) SEED=$(call quoted,SEED) $(PYTEST) tests/test_hostile_facts.py -s --timeout=7200

.PHONY: describe
describe: $(READY)  ## hold both APIs to their descriptions, by many requests ## API_CASES=20000 SEED=1
	API_CASES=$(call quoted,API_CASES) SEED=$(call quoted,SEED) $(PYTEST) tests/test_api_descriptions.py -s --timeout=7200

.PHONY: hostile
hostile: $(READY)  ## send hostile images to ingest's checks and the worker ## HOSTILE_IMAGES=10000
	HOSTILE_IMAGES=$(call quoted,HOSTILE_IMAGES) $(PYTEST) tests/test_hostile_images.py -s --timeout=3600

.PHONY: gateway-test
gateway-test: $(READY)  ## attack the gateway, and send what people send, through it ## GATEWAY_REQUESTS=10000
	@test -d /usr/share/modsecurity-crs/rules || { echo "Install nginx first: apt-get install $(NGINX)" >&2; exit 2; }
	GATEWAY_REQUESTS=$(call quoted,GATEWAY_REQUESTS) GATEWAY_ATTACKS=100000 $(PYTEST) tests/test_gateway.py -s --timeout=3600
