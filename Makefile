# Every command of the project; CI calls these, word for word. `make` alone lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
JOBS ?= 2

.PHONY: help demo test quick lint format bench clean

help:
	@echo "make demo    draw digits, see a model's mistakes, flag them (http://127.0.0.1:7860)"
	@echo "make test    lint, types and all tests"
	@echo "make quick   the fast tests only"
	@echo "make lint    ruff and mypy"
	@echo "make format  put the code in order"
	@echo "make bench   measure, beside Gradio's own logger"
	@echo "make clean   remove what these made"

demo: $(VENV)/demo
	$(BIN)/flagstone demo

test: lint
	$(BIN)/python -m pytest README.md docs
	$(BIN)/python -m pytest tests --numprocesses $(JOBS)

quick: $(VENV)/dev
	$(BIN)/python -m pytest tests --numprocesses $(JOBS) -m "not slow and not browser"

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: $(VENV)/dev
	$(BIN)/python -m benchmarks.import_time
	$(BIN)/python -m benchmarks.flag_latency

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build screenshots

$(VENV)/demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[demo]'
	touch $@

$(VENV)/dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[demo,dev]'
	touch $@
