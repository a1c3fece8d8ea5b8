# What can be done with this repository; `make` alone lists it.
# The first target that needs it installs everything from PyPI into .venv, and nothing anywhere else.

.DEFAULT_GOAL := help
.PHONY: help setup bubblewrap chromium ui demo test check real bench clean

BIN := .venv/bin
READY := .venv/.ready
UI := src/taskyard/interface/dist/.stamp
UI_TOOL = $(BIN)/uv run --quiet --no-project --python $(BIN)/python $$($(BIN)/python ui/build.py --with) ui/build.py
UI_SOURCES := $(shell find ui -name node_modules -prune -o -type f -not -name openapi.json -not -name schema.gen.ts -print)
UV := uv==0.13.8
PYTHONS := python3.13 python3.12 python3.11 python3 python
export UV_PYTHON_DOWNLOADS := never
export UV_HTTP_TIMEOUT ?= 120
export UV_SYSTEM_CERTS := 1
unexport VIRTUAL_ENV

help: ## List these targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z]+:.*## / { printf "  make %-6s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

setup: $(READY) $(UI) bubblewrap chromium ## Install everything into .venv; the command is .venv/bin/taskyard
	@echo "Ready: $(BIN)/taskyard"

# The stronger of the sandbox's tiers needs it; without it code of definitions runs in the other, on Landlock.
bubblewrap:
	@command -v bwrap >/dev/null || { [ "$$(id -u)" = 0 ] && echo "Installing the Debian package bubblewrap" && \
	  { apt-get update -qq && apt-get install -y -qq bubblewrap; } >/dev/null 2>&1; } || \
	  echo "No bubblewrap here: apt-get install bubblewrap gives the sandbox its stronger tier"

# The tests of the browser interface need it.
chromium:
	@command -v chromium >/dev/null || { [ "$$(id -u)" = 0 ] && echo "Installing the Debian package chromium" && \
	  { apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium; } >/dev/null 2>&1; } || \
	  echo "No chromium here: apt-get install chromium lets the tests of the browser interface run"

ui: $(UI) ## Build the browser interface

demo: $(READY) $(UI) ## Run the sample tasks before your eyes, then keep serving; ARGS=--once ends with them
	@$(BIN)/taskyard demo $(ARGS)

test: $(READY) $(UI) ## Pass the tests; ARGS goes to pytest, as in ARGS="tests/domain -x"
	@$(BIN)/pytest -n auto --dist worksteal $(ARGS)

check: $(READY) ## Check format, lint, types, layers and docs
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache
	$(BIN)/python docs/generate.py --check
	$(UI_TOOL) check

real: $(READY) ## Pass the tests that take long: against servers from Debian and Maven, and with many examples
	@PATH="$$PATH:/usr/sbin"; for need in pgbouncer=pgbouncer mariadbd=mariadb-server rabbitmqctl=rabbitmq-server; do \
	  command -v $${need%%=*} >/dev/null && continue; package=$${need#*=}; \
	  echo "Installing the Debian package $$package"; \
	  { apt-get update -qq && RUNLEVEL=1 apt-get install -y -qq $$package; } >/dev/null 2>&1 \
	  || { echo "make real needs $$package: apt-get install $$package" >&2; exit 1; }; \
	done
	@HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-long} $(BIN)/pytest -m "real or hypothesis" --timeout=3600 $(ARGS)

bench: $(READY) ## Measure the speed of both stores on this machine, and draw the plots; ARGS goes to the benchmark
	@$(BIN)/uv sync --frozen --quiet --all-extras --group bench
	@$(BIN)/python -m bench $(ARGS)

clean: ## Remove what make has made
	rm -rf .venv .taskyard/demo src/taskyard/interface/dist ui/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(READY): pyproject.toml uv.lock | $(BIN)/uv
	@echo "Installing the locked packages into .venv"
	@TASKYARD_UI=skip $(BIN)/uv sync --frozen --quiet --all-extras
	@touch $@

# Where it cannot be built the server is API only, and says so.
$(UI): $(UI_SOURCES) | $(READY)
	-@$(UI_TOOL) && touch -c $@

# A name on the PATH may be a shim with no Python behind it, so each is tried.
$(BIN)/uv:
	@for python in $(PYTHONS); do \
	  if $$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then \
	    echo "Making .venv with $$($$python --version)"; \
	    $$python -m venv --clear .venv && exec $(BIN)/python -m pip install --quiet --disable-pip-version-check '$(UV)'; \
	    echo "$$python cannot make a virtual environment; on Debian and Ubuntu install python3-venv." >&2; exit 1; \
	  fi; \
	done; \
	echo "Taskyard needs Python 3.11 or newer, and none of these is one: $(PYTHONS)." >&2; exit 1
