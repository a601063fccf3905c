# make demo   fits a model to real digits, evaluates it, and writes a report
# make test   everything that must hold: style, types, doctests, tests, examples
PYTHON ?= python3
BIN := .venv/bin
export OMP_NUM_THREADS ?= 1

.PHONY: demo test check lint types doctests tests examples clean

.venv/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --constraint constraints.txt torch
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	touch $@

demo: .venv/.installed
	rm -rf runs/demo
	$(BIN)/jensen fit vae --preset digits --out runs/demo
	$(BIN)/jensen evaluate runs/demo
	$(BIN)/jensen report runs/demo

test: lint types doctests tests examples

lint: .venv/.installed
	$(BIN)/ruff check src tests benchmarks examples
	$(BIN)/ruff format --check src tests benchmarks examples

types: .venv/.installed
	$(BIN)/mypy

doctests: .venv/.installed
	$(BIN)/pytest --doctest-modules src/jensen

tests: .venv/.installed
	$(BIN)/pytest tests

examples: .venv/.installed
	for example in examples/*.py; do $(BIN)/python $$example --tiny || exit 1; done

clean:
	rm -rf .venv runs build dist src/*.egg-info
