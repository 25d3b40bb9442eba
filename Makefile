# Two commands for newcomers: `make train` and `make test`. Both set everything up first.
PYTHON ?= python3
VENV ?= .venv
ARGS ?=
PIP = $(VENV)/bin/python -m pip install --disable-pip-version-check -q -c constraints.txt

LOCK = $(VENV)/bin/uv pip compile pyproject.toml --universal --python-version 3.11.5 --generate-hashes \
	--constraint constraints.txt --no-header --no-annotate --no-emit-index-url --no-emit-find-links --quiet

.PHONY: train test lint docs lock audit clean

train: $(VENV)/.train
	$(VENV)/bin/python train.py $(ARGS)

test: $(VENV)/.test
	$(VENV)/bin/python -m pytest -n auto --dist worksteal $(ARGS)

lint: $(VENV)/.test
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy

# Every version that the README installs, with the hashes of its files: run, serve, develop.
lock: $(VENV)/.train
	$(PIP) uv
	@mkdir -p locks
	$(LOCK) -o locks/run.txt
	$(LOCK) --extra serve --extra sr --extra sign -o locks/serve.txt
	$(LOCK) --extra dev -o locks/dev.txt

# Known vulnerabilities of what is locked; says that it was skipped where nobody can be asked.
audit: $(VENV)/.train
	$(PIP) pip-audit
	$(VENV)/bin/python .ci/audit.py locks/run.txt locks/serve.txt

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
