# Every target works from a bare clone with nothing but Python: it makes .venv, installs, runs.
PYTHON ?= python3
VENV ?= .venv
N ?= 1000
BIN := $(VENV)/bin
PY := $(BIN)/python
PIP := $(PY) -m pip --disable-pip-version-check --quiet
SETUP := pyproject.toml setup.cfg

.PHONY: demo test test-all test-lower lint format fuzz bench clean

demo: $(VENV)/.installed-plot
	$(PY) -m jitgrad demo $(ARGS)

test: $(VENV)/.installed-test
	$(PY) -m pytest -m "not slow" -n auto --dist loadfile $(ARGS)

test-all: $(VENV)/.installed-test
	$(PY) -m pytest --timeout=7200 $(ARGS)

# The same tests on the lowest dependencies that pyproject.toml allows.
test-lower:
	PIP_CONSTRAINT=$(CURDIR)/tests/project/lower.txt $(MAKE) test VENV=$(VENV)-lower

lint: $(VENV)/.installed-test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.installed-test
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

fuzz: $(VENV)/.installed-test
	$(PY) -m tests.fuzz --programs $(N) $(ARGS)

bench: $(VENV)/.installed-bench
	env -u OPENBLAS_CORETYPE -u OPENBLAS_L2_SIZE $(PY) -m jitgrad bench --json bench.json --picture bench.png $(ARGS)

# One stamp per extra: installing again happens only when the packaging files change.
$(VENV)/.installed-%: $(SETUP) | $(VENV)/bin/python
	$(PIP) install --editable '.[$*]'
	touch $@

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
