# Two commands for newcomers: `make train` and `make test`. Both set everything up first.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
PIP = $(VENV)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt

.PHONY: train test lint docs clean

train: $(VENV)/.train
	$(VENV)/bin/python train.py $(ARGS)

test: $(VENV)/.test
	$(VENV)/bin/python -m pytest -n auto --dist loadfile $(ARGS)

lint: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

docs: $(VENV)/.test
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict
	@echo "read it: $(VENV)/bin/python -m http.server -d build/docs"

$(VENV)/.train: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || \
		{ echo "pcrnet needs Python 3.11 to 3.13: make train PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@echo "installing pcrnet and what it needs (some minutes the first time)"
	$(PIP) -e .
	@touch $@

$(VENV)/.test: $(VENV)/.train
	$(PIP) -e '.[dev]'
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
