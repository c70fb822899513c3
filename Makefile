# Every target does its own set-up: a fresh machine needs python3 (3.11 or later) and make.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Azure's own packages stand beside ours: their pins and those of current MLflow exclude each other.
AZURE := .venv-azure
AZURE_READY := $(AZURE)/.ready
# Much of the time goes by in waiting for processes, so three files of tests at a time cost nobody anything.
SIDE_BY_SIDE := -n 3 --dist loadfile

.PHONY: help setup demo lab notebooks test test-all fault fault-nightly check format reference bench screenshots clean

help:
	@echo "make demo      the main job on real data, with its result"
	@echo "make lab       JupyterLab with the quickstart open"
	@echo "make test      the tests"
	@echo "make test-all  the tests and the slow ones"
	@echo "make fault     kills, full disks and broken code, with a table of what was lost (6 minutes)"
	@echo "make fault-nightly  the same at length, for docs/reliability.md"
	@echo "make check     lint, format, types"
	@echo "make reference docs/reference.md and the table of docs/azure.md"
	@echo "make bench     throughput against bare Dask and multiprocessing"
	@echo "make notebooks run the notebooks and store them with their outputs"
	@echo "make screenshots  the pictures in docs/images, in both themes (needs chromium)"
	@echo "make clean     remove what the targets made"

setup: $(READY)

$(READY): requirements.lock pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check "uv>=0.5"
	$(BIN)/uv pip install --quiet --python $(BIN)/python -r requirements.lock
	$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

$(AZURE_READY): requirements-azure.lock $(READY)
	@rm -rf $(AZURE)
	@$(BIN)/python -m venv --without-pip $(AZURE)
	@$(BIN)/python -c "import sysconfig; print('import site; site.addsitedir(%r)' % sysconfig.get_path('purelib'))" \
		> $$($(AZURE)/bin/python -c "import sysconfig; print(sysconfig.get_path('purelib'))")/beside.pth
	$(BIN)/uv pip install --quiet --python $(AZURE)/bin/python --no-deps -r requirements-azure.lock
	@touch $@

demo: $(READY)
	$(BIN)/python -m batchmagic.demo

lab: $(READY)
	$(BIN)/jupyter lab notebooks/quickstart.ipynb

notebooks: $(READY)
	$(BIN)/python notebooks/store_outputs.py

test: $(READY) $(AZURE_READY)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not slow and not fault"

test-all: $(READY) $(AZURE_READY)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not nightly" --junit-xml=build/test-all.xml
	$(BIN)/python docs/summarize_tests.py build/test-all.xml docs/status.md

# Kills, full disks, broken code: each trial is judged by one oracle, and the table of all of them is printed.
fault: $(READY)
	$(BIN)/python -m pytest $(SIDE_BY_SIDE) -m "not nightly and not slow" tests/fault

fault-nightly: export BATCHMAGIC_FAULT_TIER = nightly
fault-nightly: export BATCHMAGIC_FAULT_TABLE = build/fault-nightly.md
fault-nightly: $(READY)
	$(BIN)/python -m pytest -n 3 --dist worksteal --timeout=1800 tests/fault
	$(BIN)/python docs/record_faults.py build/fault-nightly.md docs/reliability.md

check: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -q tests/structure

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

reference: $(READY) $(AZURE_READY)
	$(BIN)/python docs/write_reference.py
	$(AZURE)/bin/python docs/write_azure_table.py docs/azure.md

bench: $(READY)
	$(BIN)/python -m benchmarks.run

screenshots: $(READY)
	PYTHONPATH=tests/browser $(BIN)/python docs/take_screenshots.py docs/images

clean:
	rm -rf $(VENV) $(AZURE) build demo-output .pytest_cache .mypy_cache .ruff_cache
