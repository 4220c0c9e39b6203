# Each target does its own set-up: a virtual environment in .venv, made once and again only when
# pyproject.toml has changed. Needs Python 3.10 or newer; another one: make test PYTHON=python3.12

PYTHON ?= python3
STUDY  ?= examples/studies/ieee37.toml
BIN    := .venv/bin
# two processes, a file of tests at a time; one process: make test WORKERS=
WORKERS ?= -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help study studies test test-all quick lint types bench docs notebooks clean

help:
	@echo "make study   solve $(STUDY) and write its tables and report (STUDY=... for another)"
	@echo "make test    the tests that every change must pass"
	@echo "make test-all   these, whole sweeps over solvers, all notebooks, feeders of thousands of buses"
	@echo "make quick   tests but the slow ones"
	@echo "make lint    ruff"
	@echo "make types   mypy"
	@echo "make bench   benchmarks, by hand"
	@echo "make studies all studies of docs/studies.md, and its tables and pictures (20 minutes)"
	@echo "make docs    the documentation as a site in site/, the notebooks with their outputs (3 minutes, once)"
	@echo "make notebooks   examples/*.ipynb from their scripts"
	@echo "make clean   remove .venv and caches"

study: .venv/installed
	$(BIN)/pyomo-dlmp study $(STUDY) --overwrite

test: .venv/installed-test
	$(BIN)/python -m pytest $(WORKERS)

test-all: .venv/installed-test
	$(BIN)/python -m pytest --large $(WORKERS)

studies: .venv/installed-test
	for file in ieee37 ieee37_heavy ieee37_markets ieee37_owners ieee37_svg ieee37_unbalance ieee37_per_phase \
	        ieee37_uncertain ieee123; do \
	    $(BIN)/pyomo-dlmp study examples/studies/$$file.toml --overwrite || [ $$? -eq 3 ] || exit 1; \
	done
	$(BIN)/python tests/benchmarks/_studies_page.py

docs: .venv/installed-test
	$(BIN)/python docs/notebooks.py
	$(BIN)/python -m mkdocs build --strict

notebooks: .venv/installed-test
	$(BIN)/python -m jupytext --to ipynb examples/[0-9]*.py

quick: .venv/installed-test
	$(BIN)/python -m pytest -m "not slow" $(WORKERS)

lint: .venv/installed-test
	$(BIN)/ruff check .

types: .venv/installed-test
	$(BIN)/mypy

bench: .venv/installed-test
	@set -e; for file in tests/benchmarks/*.py; do \
	    [ -e "$$file" ] || continue; case "$$file" in */_*) continue;; esac; \
	    echo "== $$file"; $(BIN)/python "$$file"; \
	done

.venv/installed: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit("pyomo_dlmp needs Python 3.10 or newer: make PYTHON=python3.12") if sys.version_info < (3, 10) else None'
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@echo "make: installing pyomo_dlmp and what it needs into .venv (once)"
	$(BIN)/python -m pip install --quiet -e .
	touch $@

# The commercial and the second open solver are welcome, not needed: each is tried on its own, and
# tests that want a solver which is not there skip themselves.
.venv/installed-test: .venv/installed
	$(BIN)/python -m pip install --quiet -e ".[test]"
	@for extra in gurobi scip cplex xpress cbc nlp mpi; do \
	    $(BIN)/python -m pip install --quiet -e ".[$$extra]" \
	    || echo "make: the optional extra '$$extra' cannot be installed here; its tests are skipped"; \
	done
	touch $@

clean:
	rm -rf .venv site .pytest_cache .mypy_cache .ruff_cache .hypothesis build *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
