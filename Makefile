# `make demo` makes sound, `make test` checks everything. Both need python3 and nothing else: what they install goes
# into .venv, once, and again only after setup.py or constraints.txt changed.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: demo test lint format clean
.DELETE_ON_ERROR:

demo: $(VENV)/installed
	$(BIN)/audiolcm generate "a dog barking" --output dog.wav

test: lint
	$(BIN)/python -m pytest

lint: $(VENV)/installed-for-tests
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/lint-imports

format: $(VENV)/installed-for-tests
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

clean:
	rm -rf $(VENV) *.egg-info

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else \
	  f"Python 3.11 or later is needed; {sys.executable} is {v.major}.{v.minor}. Try: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

$(VENV)/installed: setup.py constraints.txt | $(BIN)/python
	$(INSTALL) --editable .
	@touch $@

$(VENV)/installed-for-tests: setup.py constraints.txt | $(BIN)/python
	$(INSTALL) --editable '.[test]'
	@touch $@ $(VENV)/installed
