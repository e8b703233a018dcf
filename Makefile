# Everything a developer runs. Needs make and Python 3.11 or newer; the rest is installed into .venv.

PORT ?= 8000
# The first Python on the path that is new enough; `make PYTHON=/path/to/python …` overrides it.
PYTHON ?= $(shell for name in python3 python3.14 python3.13 python3.12 python3.11; do \
	"$$name" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo "$$name" && break; done)

BIN := .venv/bin
READY := .venv/.installed
PIP := $(BIN)/python -m pip --quiet --disable-pip-version-check
PIP_TOOLS := pip-tools>=7.6,<8

.DEFAULT_GOAL := help
.PHONY: help serve test browser fuzz lint fixtures conformance bench sbom lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

serve: $(READY) ## Start the service on 127.0.0.1:$(PORT)
	@CDS_AUTH=off $(BIN)/cds-service serve --port $(PORT)

test: lint browser ## Run every check: lint, types, card files, tests
	$(BIN)/pytest

browser: ## Install Chromium for the tests of the pages, where it is missing
	$(require_chromium)

fuzz: $(READY) ## Send hostile requests for MINUTES=30; SEED=… repeats one round
	$(BIN)/python tests/fuzz.py $(if $(SEED),--seed $(SEED),--minutes $(or $(MINUTES),30))

lint: $(READY) ## Check style, types and card files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy --strict cds_service
	$(BIN)/cds-service lint

fixtures: $(READY) ## Write the golden answers of all fixtures anew; read the difference before you commit it
	$(BIN)/python tests/refresh_fixtures.py

conformance: $(READY) ## Write docs/conformance.md: each requirement with the test that shows it
	$(BIN)/pytest -n0 --conformance=docs/conformance.md

bench: $(READY) ## Compare CPU per order-sign with a minimal service
	$(BIN)/python bench/bench.py

sbom: $(READY) ## Write the bill of materials (CycloneDX) to build/sbom.json; show and check all licences
	$(BIN)/python tools/sbom.py build/sbom.json

lock: ## Pin the newest versions that pyproject.toml allows
	$(require_python)
	rm -rf .venv-lock && $(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check '$(PIP_TOOLS)'
	CUSTOM_COMPILE_COMMAND='make lock' .venv-lock/bin/pip-compile --quiet --upgrade --generate-hashes \
		--extra dev --build-deps-for editable --allow-unsafe --strip-extras \
		--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options \
		--output-file requirements.lock pyproject.toml
	rm -rf .venv-lock

clean: ## Remove .venv, caches and build output
	rm -rf .venv .venv-lock build dist .hypothesis .mypy_cache .pytest_cache .ruff_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Stops unless there is a Python that can make virtual environments. Debian ships that part (ensurepip)
# as a package of its own: root gets it installed, anybody else the one line to run.
define require_python
@python='$(PYTHON)'; \
test -n "$$python" || { echo 'Python 3.11 or newer is needed: make PYTHON=/path/to/python' >&2; exit 1; }; \
"$$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	{ echo "$$python is not Python 3.11 or newer" >&2; exit 1; }; \
"$$python" -c 'import ensurepip, venv' 2>/dev/null && exit 0; \
package="$$("$$python" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')"; \
if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	echo "A Debian package is missing. Run: sudo apt-get update && sudo apt-get install -y $$package" >&2; \
	exit 1; \
fi; \
echo "Installing $$package"; \
export DEBIAN_FRONTEND=noninteractive; \
apt-get -qq update && apt-get -qq install -y "$$package"
endef

# Debian's Chromium: root gets it installed, anybody else the one line to run. Without it those tests are skipped, and fail
# where CI=true.
define require_chromium
@command -v chromium >/dev/null && exit 0; \
if [ "$$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then \
	echo "Chromium is missing, so the pages are not tested. Run: sudo apt-get update && sudo apt-get install -y chromium" >&2; \
	exit 0; \
fi; \
echo "Installing chromium"; \
export DEBIAN_FRONTEND=noninteractive; \
apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium >/dev/null
endef

$(READY): pyproject.toml requirements.lock
	$(require_python)
	@echo 'Setting up .venv'
	@rm -rf .venv && $(PYTHON) -m venv .venv
	@$(PIP) install --require-hashes -r requirements.lock
	@$(PIP) install --no-build-isolation --no-deps --editable .
	@touch $@
