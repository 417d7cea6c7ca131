PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

# processes that run tests; on a machine with two cores, a third one uses the time in which tests wait
WORKERS ?= 2
# files stay together, for their servers; in their own order, so that the long ones with few tests do not come last
BY_FILE := --dist loadfile --no-loadscope-reorder
# a failed test runs once more; the summary lists each of these tests
RERUN := --reruns 1 -rfER
# processes that tests start load faster from bytecode
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo demo-incident test test-fast check docs docs-check docs-reference lab bench clean

help: ## List the targets
	@awk -F':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

$(VENV)/.runtime: pyproject.toml constraints.txt
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e .
	@touch $@

$(VENV)/.dev: $(VENV)/.runtime
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(VENV)/.runtime ## Release two revisions of the sample service: one is promoted, one rolled back (RUNTIME=docker: in containers behind HAProxy; STORE=influxdb: measurements in InfluxDB)
	RUNTIME=$(or $(RUNTIME),process) STORE=$(or $(STORE),delta) $(BIN)/python examples/shop/demo.py

demo-incident: $(VENV)/.runtime ## Let one instance of the sample service fail, then what all share: each page names the cause (about four minutes)
	$(BIN)/python examples/shop/demo_incident.py

check: $(VENV)/.dev ## Lint, check formatting, types, notebooks, spelling, wording and the documentation
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/nbstripout --verify --keep-id notebooks/*.ipynb runbooks/*.ipynb
	$(BIN)/mypy
	$(BIN)/codespell lib tests tools examples docs notebooks runbooks README.md CHANGELOG.md CONTRIBUTING.md
	$(BIN)/validate-pyproject pyproject.toml
	$(BIN)/python tools/wording.py
	$(BIN)/zensical build --strict

docs: docs-check ## Build the documentation and serve it at http://127.0.0.1:8000
	$(BIN)/zensical serve --dev-addr 127.0.0.1:8000

docs-check: $(VENV)/.dev ## Build the documentation into build/site, with warnings as errors
	$(BIN)/zensical build --strict

docs-reference: $(VENV)/.dev ## Regenerate docs/reference from the code
	$(BIN)/python -m tools.reference

test: check ## Check, run every test, and check the coverage (PYTEST="…": other tests, without coverage)
ifdef PYTEST
	$(BIN)/python -m pytest -n $(WORKERS) $(BY_FILE) $(RERUN) --durations 25 $(PYTEST)
else
	$(BIN)/python -m pytest -n $(WORKERS) $(BY_FILE) $(RERUN) --durations 25 --cov
	$(BIN)/coverage report --include 'lib/pratique/judge/*' --fail-under 90
endif

test-fast: $(VENV)/.dev ## Run the tests that start no server and are not slow: about a minute
	$(BIN)/python -m pytest -n 2 --dist worksteal -m fast --hypothesis-profile fast $(PYTEST)

lab: $(VENV)/.runtime ## Open JupyterLab on copies of the notebooks in build/lab, ready to run
	$(BIN)/python examples/shop/sample.py
	$(BIN)/pratique lab build/lab --config examples/shop/pratique.toml

bench: $(VENV)/.dev ## Run the benchmarks, each with a named peer (about 20 minutes)
	for script in tests/benchmarks/*.py; do $(BIN)/python $$script || exit 1; done

clean: ## Remove the environment, caches and the demo's state
	rm -rf $(VENV) build .cache .pratique examples/shop/.pratique .mypy_cache .ruff_cache .pytest_cache .hypothesis
