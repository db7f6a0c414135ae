# `make` lists what can be done. Python and make are enough: the environment is made on demand.
PYTHON ?= python3
STUDY ?= digits
BIN := .venv/bin
# Many tests wait for processes, so there is one pytest process more than cores. If it finds no work
# left, it takes over another process' tests.
DISTRIBUTION := -n $(shell $(PYTHON) -c "import os; print(1 + os.cpu_count())") --dist worksteal

# Tests start many processes. Each would compile the project again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help study test quick check coverage format benchmark clean

help: ## list the targets
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-10s %s\n", $$1, $$2}'

.venv/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --no-compile --disable-pip-version-check \
	    -c constraints.txt -e '.[dev]'
	@# pip would compile on one core.
	$(BIN)/python -m compileall -q -j 0 .venv/lib
	touch $@

study: .venv/ready ## install, then run a whole study of the embedded digits
	$(BIN)/python -m search run --study $(STUDY) --dataset digits --seed-with baselines
	@echo "first activate the environment: . .venv/bin/activate"

test: .venv/ready ## all tests
	$(BIN)/python -m pytest $(DISTRIBUTION)

quick: .venv/ready ## the tests that end within a minute
	$(BIN)/python -m pytest $(DISTRIBUTION) -m "not slow"

check: .venv/ready ## lint, format, types, import rules, spelling and plain words
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/codespell search benchmarks tests docs examples *.md
	@! git grep -nIiE -f docs/banned-words.txt -- '*.py' '*.md' '*.html' ':!tuner_logs' || \
	    { echo "plainer words, please: docs/banned-words.txt, CONTRIBUTING.md"; exit 1; }

coverage: .venv/ready ## branch coverage of all tests, processes included
	$(BIN)/python -m coverage erase
	$(BIN)/python -m coverage run -m pytest $(DISTRIBUTION)
	$(BIN)/python -m coverage combine --quiet
	$(BIN)/python -m coverage report --skip-covered

format: .venv/ready ## format the code
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

benchmark: .venv/ready ## the figures of docs/speed.md (idle machine; FASHION_MNIST_DIR or the Keras cache)
	$(BIN)/python -m benchmarks.epoch
	$(BIN)/python -m benchmarks.against_kerastuner

clean: ## remove the environment; studies stay
	rm -rf .venv
