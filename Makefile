# `make` lists what can be done. Python and make are enough: the environment is made on demand.
PYTHON ?= python3
STUDY ?= digits
BIN := .venv/bin

.DEFAULT_GOAL := help
.PHONY: help study test quick check format benchmark clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	touch $@

study: .venv/ready ## run the main job on the embedded data, to its summary
	$(BIN)/python -m search run --study $(STUDY) --dataset digits --seed-with baselines

test: .venv/ready ## all tests
	$(BIN)/python -m pytest -n logical --dist loadfile

quick: .venv/ready ## the tests that end within two minutes
	$(BIN)/python -m pytest -n logical --dist loadfile -m "not slow"

check: .venv/ready ## lint, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: .venv/ready ## put the code into its format
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: .venv/ready ## the README's figures (idle machine; FASHION_MNIST_DIR or the Keras cache)
	$(BIN)/python -m benchmarks.epoch
	$(BIN)/python -m benchmarks.against_kerastuner

clean: ## remove the environment; studies stay
	rm -rf .venv
