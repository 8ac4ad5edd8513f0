# All commands of the project; CI runs the same. `make` lists them.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/pip install --quiet --disable-pip-version-check --constraint constraints.txt
JOBS ?= 2

# Gradio 4.44.1 and its dependencies need Python 3.11.
OLD_PYTHON ?= $(shell command -v python3.11 || echo $(PYTHON))
OLD_GRADIOS := 4.44.1 5.50.0
LOGGED_BY := 3.50.2 $(OLD_GRADIOS)
ANNOTATORS := argilla label-studio

.PHONY: help demo test quick proofs compat lint format bench clean

help:
	@echo "make demo    draw digits and flag a model's mistakes (http://127.0.0.1:7860)"
	@echo "make test    run ruff, mypy and all tests"
	@echo "make quick   run only the fast tests"
	@echo "make proofs  run the slow tests (kills, races, full disks) with all their rounds"
	@echo "make compat  run the Gradio tests on Gradio $(OLD_GRADIOS) and the newest,"
	@echo "             and import exports into the annotation tools: $(ANNOTATORS)"
	@echo "make lint    run ruff and mypy"
	@echo "make format  format the code"
	@echo "make bench   run the benchmarks, with Gradio's own logger for comparison"
	@echo "make clean   remove everything that these commands create"

demo: $(VENV)/demo
	$(BIN)/flagstone demo

test: lint
	$(BIN)/python -m pytest README.md docs
	$(BIN)/python -m pytest tests --numprocesses $(JOBS)

proofs: $(VENV)/dev
	FLAGSTONE_PROOFS=all $(BIN)/python -m pytest tests/slow tests/gradio/test_matrix.py \
		--timeout 3600

quick: $(VENV)/dev
	$(BIN)/python -m pytest tests --numprocesses $(JOBS) -m "not slow and not browser"

compat: $(VENV)/dev $(OLD_GRADIOS:%=$(VENV)/gradio-%/dev) $(VENV)/gradio-3.50.2/gradio \
		$(ANNOTATORS:%=$(VENV)/annotators/%/server)
	for gradio in $(OLD_GRADIOS); do \
		$(VENV)/gradio-$$gradio/bin/python -m pytest tests/gradio \
			--ignore tests/gradio/test_hub_saver.py --ignore tests/gradio/test_hub_layouts.py \
			--numprocesses $(JOBS) -W default || exit; \
	done
	FLAGSTONE_GRADIOS="$(LOGGED_BY:%=$(VENV)/gradio-%/bin/python)" \
		$(BIN)/python -m pytest tests/gradio tests/imports --numprocesses $(JOBS)
	FLAGSTONE_ANNOTATORS=$(VENV)/annotators $(BIN)/python -m pytest tests/annotators \
		--numprocesses $(JOBS)

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
	$(BIN)/python -m benchmarks.files
	$(BIN)/python -m benchmarks.in_flight
	$(BIN)/python -m benchmarks.chat
	$(BIN)/python -m benchmarks.hub
	$(BIN)/python -m benchmarks.reading
	$(BIN)/python -m benchmarks.export
	$(BIN)/python -m benchmarks.review
	$(BIN)/python -m benchmarks.previews

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build screenshots

$(VENV)/demo: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[demo]'
	touch $@

$(VENV)/dev: pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(PIP) --editable '.[demo,dev,readers]'
	touch $@

$(VENV)/gradio-%/dev: compat/gradio-%.txt pyproject.toml
	test -x $(@D)/bin/python || $(OLD_PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --constraint $< --editable '.[demo,dev]'
	touch $@

$(VENV)/gradio-3.50.2/gradio: compat/gradio-3.50.2.txt
	test -x $(@D)/bin/python || $(OLD_PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@

$(VENV)/annotators/%/server: compat/%.txt
	test -x $(@D)/bin/python || $(OLD_PYTHON) -m venv $(@D)
	$(@D)/bin/pip install --quiet --disable-pip-version-check --requirement $<
	touch $@
