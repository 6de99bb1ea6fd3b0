# Everything a newcomer needs: `make run` and `make test`. The rest is for developers (CONTRIBUTING.md).
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
COMPILED_TESTS ?= tests/core tests/pipeline tests/http tests/battery tests/usage tests/test_metrics.py
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test test-failed pictures check format constraints bench bench-take bench-express bench-import bench-warm bench-usage bench-kill bench-console bench-alerts bench-ledger bench-lookup bench-scrape soak clean

run: $(VENV)/.installed-run
	@$(BIN)/keywright demo

# The console is tested in the machine's own Chromium, and by axe-core.
AXE := tests/console/node_modules/axe-core/axe.min.js

test: $(VENV)/.installed-dev $(AXE)
	$(BIN)/python -m pytest -n auto --dist worksteal

# One file of JavaScript for the tests, of the version and content that the lock file names.
$(AXE): tests/console/package.json tests/console/package-lock.json
	@command -v npm >/dev/null || { echo "The tests of the console need npm to get axe-core; install it (Debian: apt-get install npm)." >&2; exit 1; }
	@cd tests/console && npm ci --ignore-scripts --no-audit --no-fund --silent
	@touch $@

# The pictures of docs/console.md and the README, taken by the tests.
pictures: $(VENV)/.installed-dev
	@mkdir -p docs/pictures
	PICTURES=$(CURDIR)/docs/pictures $(BIN)/python -m pytest tests/console/test_pictures.py -q -n 0

# Those that failed in the last run, one after another; a failure again if there are more than five, or none is known.
test-failed: $(VENV)/.installed-dev
	@$(BIN)/python -c 'import json, sys; names = list(json.load(open(".pytest_cache/v/cache/lastfailed"))); \
	  print("Failed, and tried once more by itself:", *names, sep="\n  "); sys.exit(len(names) > 5)'
	$(BIN)/python -m pytest --last-failed --last-failed-no-failures none

# Keywright with the way of a request compiled, as .venv-compiled/bin/keywright: needs a C compiler, and some minutes.
.PHONY: compiled test-compiled

compiled: $(VENV)/.installed-dev
	@echo "Compiling the way of a request, and installing it into .venv-compiled …"
	@rm -rf build/wheel
	@HATCH_BUILD_HOOK_ENABLE_CUSTOM=1 $(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir build/wheel .
	@$(PYTHON) -m venv .venv-compiled
	@.venv-compiled/bin/python -m pip install --quiet --require-hashes -r constraints.txt
	@.venv-compiled/bin/python -m pip install --quiet --no-deps --force-reinstall build/wheel/*.whl

# A copy of the tree in build/compiled, with the way of a request compiled beside its source.
.PHONY: compiled-tree
compiled-tree: $(VENV)/.installed-dev
	@rm -rf build/compiled && mkdir -p build/compiled
	@git ls-files -z --cached --others --exclude-standard | tar --null --files-from=- --create | tar --extract --directory=build/compiled
	@echo "Compiling the way of a request in build/compiled …"
	@$(BIN)/python hatch_build.py build/compiled
	@cd build/compiled && $(abspath $(BIN))/python -c 'import gateway.http.express as lane; assert lane.__file__.endswith(".so")'

# What was compiled does what its source does: the tests of all that is compiled.
test-compiled: compiled-tree
	cd build/compiled && PYTHONPATH=. $(abspath $(BIN))/python -m pytest -n auto --dist worksteal $(COMPILED_TESTS) \
	  || PYTHONPATH=. $(abspath $(BIN))/python -m pytest --last-failed --last-failed-no-failures none $(COMPILED_TESTS)

# The gate that CI runs after the tests: format, lint, types, the import rule.
check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Pinned versions with their hashes, for every platform; names no index.
constraints: $(VENV)/.installed-dev
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --extra build --extra postgres -o constraints.txt pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --extra dev -c constraints.txt -o constraints-dev.txt pyproject.toml
	$(BIN)/uv pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-header --upgrade --extra compiled -c constraints.txt -c constraints-dev.txt -o constraints-compiled.txt pyproject.toml

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Keywright needs Python 3.11 or newer; choose one with: make PYTHON=/path/to/python3 $(MAKECMDGOALS)" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed-run: $(VENV)/bin/python constraints.txt pyproject.toml
	@echo "Installing Keywright and what it needs into $(VENV), once (about half a minute) …"
	@$(BIN)/python -m pip install --quiet --require-hashes -r constraints.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/bin/python constraints-dev.txt pyproject.toml
	@echo "Installing what the tests need into $(VENV), once (about a minute) …"
	@$(BIN)/python -m pip install --quiet --require-hashes -r constraints-dev.txt
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@ $(VENV)/.installed-run

# Keywright beside its peers: about ten minutes, into docs/performance.md and .svg. On a machine that does nothing else.
bench: compiled-tree
	cd build/compiled && PYTHONPATH=. $(abspath $(BIN))/python -m bench.compare --write
	cp build/compiled/docs/performance.md build/compiled/docs/performance.svg docs/

# What one exact limit costs on the gateway's side.
bench-take: $(VENV)/.installed-dev
	$(BIN)/python -m bench.take

# What one request of the express lane costs in Python, without its sockets.
bench-express: $(VENV)/.installed-dev
	$(BIN)/python -m bench.express

# All keys verified again after Redis was lost, and what a hot key feels of it.
bench-warm: $(VENV)/.installed-dev
	$(BIN)/python -m bench.warm

# Values from elsewhere: their import, their first use, and a move of their hashes.
bench-import: $(VENV)/.installed-dev
	$(BIN)/python -m bench.imports

# One page of each list when there are a million keys, on both databases: about ten minutes.
bench-list: $(VENV)/.installed-dev
	$(BIN)/python -m bench.list

# A month of one key out of 50 million requests, and single requests, on SQLite and PostgreSQL.
bench-lookup: $(VENV)/.installed-dev
	$(BIN)/python -m bench.lookup

# What a scrape of /metrics costs with 100,000 active keys and four workers.
bench-scrape: $(VENV)/.installed-dev
	$(BIN)/python -m bench.scrape

# Ten minutes at four fifths of what it can serve, with reloads and restarts: failed requests, slope of memory.
soak: compiled-tree
	cd build/compiled && PYTHONPATH=. $(abspath $(BIN))/python -m bench.soak

# How long a worker is away that was killed under load, with the standby and without it.
bench-kill: $(VENV)/.installed-dev
	$(BIN)/python -m bench.kill

# What each page of the console costs when its account has 10,000 keys: time and bytes.
bench-console: $(VENV)/.installed-dev
	$(BIN)/python -m bench.console

# What looking for alerts costs with 100,000 keys and 10,000 accounts: a round, when nothing is new and after a busy minute.
bench-alerts: $(VENV)/.installed-dev
	$(BIN)/python -m bench.alerts

# What recording a request costs, and how fast the journal is shipped into SQL.
bench-usage: $(VENV)/.installed-dev
	$(BIN)/python -m bench.usage

# Ten million requests, with a worker or the process that ships killed every five seconds: each counted once?
bench-ledger: $(VENV)/.installed-dev
	$(BIN)/python -m bench.ledger

clean:
	rm -rf $(VENV) .venv-compiled build var .pytest_cache .mypy_cache .ruff_cache
