# Everything one does with this repository. Each target makes what it needs, in .venv.
#   make PYTHON=python3.12 setup          another Python (3.11 or newer)
#   make TORCH_INDEX_URL=URL setup        torch from another index
VENV ?= .venv
PYTHON ?= python3
BIN = $(VENV)/bin
PYTEST = $(BIN)/python -m pytest
# One more at a time than there are cores, since tests often wait for processes. Those of a file share what it sets up; files start in the
# order given: the slow ones first. What takes longest is told in the end.
SHARED = -n $$(($$(getconf _NPROCESSORS_ONLN) + 1)) --dist loadfile --no-loadscope-reorder --durations 40 --durations-min 5
BENCH = PYTHONPATH=tests $(BIN)/python -m bench
export VENV PYTHON

.DEFAULT_GOAL := help
.PHONY: help setup demo test lint format check chart-check test-faults test-review-faults test-service-faults test-cluster-faults test-api test-pages test-e2e image-check stack bench bench-service bench-scale bench-gpu bench-real guide-pictures clean

help:  ## List the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup:  ## Install everything into .venv; quick when nothing has changed
	@deploy/install.sh

demo: setup  ## Run the whole job on synthetic chest CT, and say where the report is
	@$(BIN)/maskloom demo

test: setup  ## Run the unit, contract, integration and chart tests
	$(PYTEST) $(SHARED) tests/integration tests/contract tests/chart tests/unit

lint: setup  ## Check style, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/hadolint deploy/docker/Dockerfile

format: setup  ## Write the code as `lint` wants it
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

check: lint test  ## What CI runs: lint and test

chart-check: setup  ## Check the Helm chart with a real helm, without a cluster (a minute)
	$(PYTEST) -n auto tests/chart

test-faults: setup  ## Kill everything everywhere; the outcome goes to docs/benchmarks/faults.md (hours; goes on where it was)
	$(BIN)/python tests/faults/campaign.py --moments 30 --report docs/benchmarks/faults.md

test-review-faults: setup  ## Kill Label Studio and its bridge; the outcome goes to docs/benchmarks/review-faults.md (minutes)
	$(BIN)/python tests/faults/review.py --report docs/benchmarks/review-faults.md

test-service-faults: setup  ## Attack the service and kill its parts; the outcome goes to docs/benchmarks/service-faults.md (minutes)
	$(BIN)/python tests/faults/service.py --report docs/benchmarks/service-faults.md

test-cluster-faults: setup  ## Kill, freeze and cut off the parts of a Ray cluster; the outcome goes to docs/benchmarks/cluster-faults.md (as root on Debian; hours)
	@command -v redis-server >/dev/null && command -v gcc >/dev/null || { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends redis-server gcc libc6-dev >/dev/null; }
	$(BIN)/python tests/faults/cluster_campaign.py --moments 10 --report docs/benchmarks/cluster-faults.md

test-api: setup  ## Ask the API of a real service all that schemathesis can think of (5 minutes)
	PYTHONPATH=tests $(BIN)/python -m schema.campaign

test-pages: setup  ## Use the pages and reviews as people do, in Chromium and a real Label Studio
	$(PYTEST) $(SHARED) tests/e2e --ignore tests/e2e/test_demo.py --ignore tests/e2e/test_demo_review.py

test-e2e: setup  ## Run the commands as a user would, the demo included
	$(PYTEST) --timeout=3600 tests/e2e

image-check: setup  ## Build the container images, look for secrets in their layers and start them (as root on Debian; minutes)
	PYTHONPATH=tests $(BIN)/python -m images

stack: setup  ## Start what deploy/compose.yaml does as plain processes, and run the demo with readers through it (minutes)
	PYTHONPATH=tests $(BIN)/python -m stack

bench: setup  ## Measure speed on this machine; the outcome goes to docs/benchmarks (an hour)
	$(BENCH)
	$(BENCH).review

bench-service: setup  ## Measure the service over a million slices and under load; the outcome goes to docs/benchmarks (an hour)
	$(BENCH).service

bench-scale: setup  ## Measure labelling by up to 64 actors and of up to a million slices; the outcome goes to docs/benchmarks (hours)
	$(BENCH).scale

bench-gpu: setup  ## Measure training and labelling by the networks alone, on the GPU if there is one
	$(BENCH).bench_gpu docs/benchmarks

bench-real: setup  ## Measure quality on COVID-SemiSeg; the outcome goes to docs/benchmarks (hours)
	$(BENCH).real_data

guide-pictures: setup  ## Take the pictures of docs/guides anew, in the console and a real Label Studio with Chromium (minutes)
	PYTHONPATH=tests $(BIN)/python -m pictures

clean:  ## Remove caches and builds; .venv and MASKLOOM_HOME stay
	rm -rf build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path "./$(VENV)/*" -prune -exec rm -rf {} +
