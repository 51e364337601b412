# The only commands that a person must know. `make` alone lists them.
#
# What is done already is skipped. Overridable: PYTHON=/path/to/python3 (what .venv is made from), PORT= (make demo),
# ONLY= (make test: a part of a step's name, for instance ONLY=matrix or ONLY='node 22'), FULL= (make autobahn, make ports).

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
MAKEFLAGS += --no-builtin-rules
.DELETE_ON_ERROR:
.DEFAULT_GOAL := help

PORT ?= 3000
export PYTHON

PLATFORM := npm/$(shell node scripts/targets.mjs --host 2>/dev/null || echo linux-x64-gnu)
ADDON := $(PLATFORM)/addon.node
LOADER := $(PLATFORM)/loader.node
WORKERS := $(PLATFORM)/workers.node
BRIDGE := python/asgi_node/_native.abi3.so
BINDING := npm/asgi-node/lib/native/binding.d.ts
# Not their tests: those are built when they run.
RUST := $(shell find crates -not -path '*/tests/*' -not -path '*/fuzz/*' \( -name '*.rs' -o -name Cargo.toml \)) Cargo.toml Cargo.lock $(wildcard .cargo/config.toml)

# Newer than what `make debug` wrote. Tests take that as it is; who asks for one of these wants what is optimised.
DEBUG := $(if $(filter build pack bench micro instructions release-dry-run,$(MAKECMDGOALS)),$(wildcard build/debug.stamp))

# A program of the tests with each Node of the matrix; each prints a line.
define on_each_node
failed=0; \
for node in tests/nodes/node_modules/node*/bin/node; do \
  ASGI_NODE_PYTHON=$${ASGI_NODE_PYTHON:-$(CURDIR)/.venv/bin/python} $$node $(1) || failed=1; \
done; exit $$failed
endef

.PHONY: help tools demo setup build test test-fast coverage wheel matrix bundlers compat loom fuzz exits workers kills large soak autobahn websocket-scale lint format pack debug release-dry-run venvs nodes lock clean distclean bench micro instructions

help: ## list these commands
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 25

demo: build ## build all that is needed, then serve examples/fastapi on 127.0.0.1:$(PORT)
	@VIRTUAL_ENV=$(CURDIR)/.venv PORT=$(PORT) exec node examples/fastapi/server.mjs

build: .venv/.stamp node_modules/.stamp build/protocol.stamp $(ADDON) $(LOADER) $(WORKERS) $(BRIDGE) ## the native files, next to the packages

debug: .venv/.stamp node_modules/.stamp build/protocol.stamp ## the native files, not optimised, until a source changes or `make build`
	@export PROFILE=debug; scripts/build.sh addon $(ADDON); scripts/build.sh bridge $(BRIDGE); scripts/build.sh loader $(LOADER); scripts/build.sh workers $(WORKERS)
	@touch build/debug.stamp

setup: build venvs nodes build/tools/.stamp ## all that lint and tests want; with --jobs=4 what is fetched and what is compiled, side by side

test: setup ## every test, with each Node and each Python version
	@node scripts/test.mjs $(if $(ONLY),--only '$(ONLY)')

test-fast: build ## the units of the core, of JavaScript and of Python, with one Node and one Python: two minutes
	@node scripts/test.mjs --fast $(if $(ONLY),--only '$(ONLY)')

coverage: build ## which lines of JavaScript and Python the tests reach, with one Node and one Python
	@node scripts/coverage.mjs

matrix: build venvs nodes ## every test with every Node under every Python version, the counts of soaks included (hours; ONLY= as for test)
	@node scripts/test.mjs --all --only '$(or $(ONLY),python)'

autobahn: build ## the WebSocket protocol's own test suite; all of it with FULL=1. Wants a Python 2.7, and says so
	@ASGI_NODE_PYTHON=$(CURDIR)/.venv/bin/python node scripts/autobahn.mjs $(if $(FULL),--full)

wheel: .venv/.stamp ## the wheel, tested in an environment of its own without Node
	@scripts/wheel.sh

websocket-scale: build ## what 10,000 idle WebSockets cost, and what 50,000 leave behind
	@ASGI_NODE_PYTHON=$(CURDIR)/.venv/bin/python node benches/websockets.mjs

bench: build ## speed beside uvicorn, granian and others, in half an hour (QUICK=1: four minutes; FLOOR=: a C floor), into benches/results
	@node benches/compare/run.mjs $(if $(QUICK),,--write)

micro: ## the core alone, by criterion: heads, response headers, queues; compared with the run before
	@cargo run --quiet --release --package asgi-node-micro -- --bench

instructions: build ## how many instructions of the bridge a request takes, beside the figure that is expected; wants valgrind
	@node benches/instructions/guard.mjs

bundlers: build tests/bundlers/node_modules/.stamp ## an application in Next.js, built and started (docs/bundlers.md)
	@ASGI_NODE_PYTHON=$(CURDIR)/.venv/bin/python node tests/bundlers/next.mjs

compat: build ## the test suites of Starlette and FastAPI over our test client, next to their own (half an hour; ONLY=starlette)
	@.venv/bin/python tests/compat/run.py $(ONLY)

loom: ## queues and exchanges of crates/core, in every order that their threads can take turns in (a part of test)
	@RUSTFLAGS='--cfg loom' CARGO_TARGET_DIR=build/loom cargo test --quiet --package asgi-node-core --test loom

fuzz: ## libFuzzer on what Node and its workers say to each other, for N seconds (N=60)
	@scripts/fuzz.sh $(or $(N),60)

exits: build nodes ## N processes that end at random moments under load, on each Node (N=500)
	@$(call on_each_node,tests/life/exits.mjs $(or $(N),500))

workers: build nodes ## N worker threads terminated with 20 requests in flight, on each Node (N=1000)
	@$(call on_each_node,tests/life/terminations.mjs $(or $(N),1000))

kills: build nodes ## N workers (option `workers`) killed at random moments under load, on each Node (N=1000)
	@$(call on_each_node,tests/workers/storm.mjs $(or $(N),1000))

large: build nodes ## a body of 4 GiB on each Node; wants 10 GiB of memory
	@$(call on_each_node,tests/life/large.mjs)

soak: build ## N requests of every kind, sockets and aborts, and what they leave behind (N=1000000)
	@ASGI_NODE_PYTHON=$${ASGI_NODE_PYTHON:-$(CURDIR)/.venv/bin/python} node --expose-gc tests/life/soak.mjs $(or $(N),1000000)

lint: build build/tools/.stamp ## every check that needs no test run
	@scripts/lint.sh

format: .venv/.stamp ## rewrite Rust and Python in the house format
	@cargo fmt --all
	@.venv/bin/ruff format . && .venv/bin/ruff check --fix .

pack: build ## the npm packages as they are published, in build/packages
	@node scripts/pack.mjs build/packages

release-dry-run: build build/tools/.stamp ## all of a release that needs no account, in build/release (RELEASING.md)
	@scripts/release/dry-run.sh

.PHONY: ports ports-quick runtimes
ports: .venv/.stamp ## the native files of all platforms, tests on those that this machine can run, a table (root; an hour, 8 GB; FULL=1: as published)
	@FULL=$(FULL) scripts/ports/all.sh

ports-quick: ## the short form: the floor of glibc, arm64 under emulation, cargo check of the others and of free-threaded Pythons
	@scripts/ports/build.sh linux-x64-gnu linux-arm64-gnu && scripts/ports/run.sh linux-arm64-gnu && \
	  scripts/ports/build.sh --check linux-x64-musl darwin-arm64 && scripts/ports/free-threaded.sh

runtimes: build ## the packed packages on Bun and Deno
	@scripts/ports/runtimes.sh

venvs: .venv/.stamp ## a virtual environment for each Python that is installed
	@node scripts/venvs.mjs all

nodes: tests/nodes/node_modules/.stamp ## the Node versions of the matrix

lock: .venv/.stamp ## choose newer versions of what the development environment holds
	@scripts/lock.sh

clean: ## remove what builds and tests wrote
	rm -rf build target $(ADDON) $(LOADER) $(WORKERS) $(BRIDGE) npm/*/python .pytest_cache .mypy_cache .ruff_cache .hypothesis

distclean: clean ## and the virtual environments and npm packages
	rm -rf .venv .venvs node_modules tests/nodes/node_modules

# --- steps ---

tools:
	@scripts/tools.sh

.venv/.stamp: requirements-dev.txt $(if $(PYTHON),FORCE) | tools
	@echo 'Python environment …'
	@node scripts/venvs.mjs primary
	@touch $@

node_modules/.stamp: package-lock.json package.json $(wildcard npm/*/package.json) | tools
	@echo 'npm packages …'
	@npm ci --no-fund --no-audit --loglevel=error
	@touch $@

# What checks and releases, and no test imports: an environment of its own.
build/tools/.stamp: requirements-tools.txt | .venv/.stamp
	@echo 'tools …'
	@rm -rf build/tools/venv && .venv/bin/python -m venv --without-pip build/tools/venv
	@scripts/pip-install.sh build/tools/venv/bin/python -r requirements-tools.txt
	@touch $@

tests/nodes/node_modules/.stamp: tests/nodes/package-lock.json | tools
	@echo 'Node versions for the matrix …'
	@cd tests/nodes && npm ci --no-fund --no-audit --loglevel=error
	@touch $@

# What Rust, JavaScript and Python agree about is written down once, in Rust; the files of the others are committed.
build/protocol.stamp: $(addprefix crates/core/src/,protocol.rs config.rs bin/protocol.rs) | tools
	@cargo run --quiet --locked --package asgi-node-core --bin protocol
	@mkdir -p $(@D) && touch $@

tests/bundlers/node_modules/.stamp: tests/bundlers/package-lock.json | tools
	@echo 'Next.js …'
	@cd tests/bundlers && npm ci --no-fund --no-audit --loglevel=error
	@touch $@

# One after the other: cargo would let them wait for each other, and most of what the later ones need is compiled already. First
# those that need nothing of npm, which takes as long to be installed as they take.
$(BRIDGE): $(RUST) $(DEBUG) | tools
	@echo 'bridge …'
	@scripts/build.sh bridge $@

$(LOADER): $(RUST) $(BRIDGE) $(DEBUG) | tools
	@echo 'loader …'
	@scripts/build.sh loader $@

# The build writes binding.d.ts beside the addon. It is copied to its place only when it differs, and that is
# committed; `make lint` compares.
$(ADDON): $(RUST) $(LOADER) node_modules/.stamp $(DEBUG) | tools
	@echo 'addon …'
	@scripts/build.sh addon $@

# The addon for applications that run in workers: it needs no Python.
$(WORKERS): $(RUST) $(ADDON) $(DEBUG) | tools
	@echo 'workers …'
	@scripts/build.sh workers $@

.PHONY: FORCE
FORCE:
