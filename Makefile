# Everything one needs to fetch, build, run and check piStats. `make help` lists the targets.
#
# There is one profile (release) and one target folder, so that `make run`, `make test` and `make bench` compile
# nothing twice. CARGO_TARGET_DIR is honoured.

SHELL := /usr/bin/env bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory

CARGO ?= cargo
NPM ?= npm
export CARGO NPM

TARGET := $(or $(CARGO_TARGET_DIR),target)/release
BUF := tools/node_modules/.bin/buf
BASELINE := proto/baseline.binpb
# Programs that tests call: grpcurl is built into tools/bin, buf comes from npm.
export PATH := $(CURDIR)/tools/bin:$(CURDIR)/tools/node_modules/.bin:$(PATH)

# What `make run` starts, and what `make bench` measures; both can be given: make run RUN="--data /srv/pistats"
RUN ?= --data ./data --demo
BENCH ?= bench-import $(TARGET)/pistats

# Tests wait for disks, leases and clocks much of the time, so twice as many run at once as there are cores.
export RUST_TEST_THREADS ?= $(shell echo $$((2 * $$(getconf _NPROCESSORS_ONLN))))

.PHONY: help deps dashboard build run test test-programs lint lint-rust lint-proto lint-compose proto-baseline bench bench-watch ghz

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-15s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## Fetch what cargo does not: DuckDB's library and buf (npm, pinned; only when the lock changed)
	@tools/deps

dashboard: deps ## Build the dashboard and the tracker with npm (only when a source changed)
	@tools/dashboard build

build: deps dashboard ## Build every program (release)
	$(CARGO) build --release --workspace

run: deps dashboard ## Build and start piStats on ./data with demo events; it prints its addresses
	$(CARGO) build --release -p pistats
	$(TARGET)/pistats serve $(RUN)

test-programs: # strace, grpcurl, PostgreSQL, Chromium and others, which some tests call
	@tools/test-programs

test: deps dashboard test-programs ## Run all tests; the spine's once more with the roles apart; the browser's at the end
	$(CARGO) test --release --workspace --no-fail-fast
	PISTATS_TEST_TOPOLOGY=apart $(CARGO) test --release --workspace --no-fail-fast --test spine
	@tools/dashboard test
	@PISTATS=$(abspath $(TARGET))/pistats tools/dashboard e2e

lint: lint-rust lint-proto lint-dashboard lint-compose ## Check format, clippy, the contract's style and its compatibility

# Twice, because only a test may unwrap, its helper functions included, which clippy's own setting does not cover.
lint-rust: deps
	@tools/features
	$(CARGO) fmt --all --check
	$(CARGO) clippy --release --workspace --quiet -- -D warnings
	$(CARGO) clippy --release --workspace --quiet --all-targets -- -D warnings -A clippy::unwrap_used

# The baseline is the contract as it last landed. It always equals the .proto files: a change that only adds is taken
# over by `make proto-baseline`, a change that breaks callers is refused there unless one says that it is meant.
lint-proto: deps
	$(BUF) lint
	$(BUF) breaking --against $(BASELINE)
	@$(BUF) build --exclude-source-info -o - | cmp -s - $(BASELINE) || \
		{ echo "The contract has grown since $(BASELINE): run \`make proto-baseline\` and commit it."; exit 1; }

lint-dashboard: # The types of what browsers run
	@tools/dashboard lint

lint-compose: # Needs docker's compose plugin, and says so where it is missing
	@if docker compose version >/dev/null 2>&1; then docker compose config -q && docker compose -f compose.single.yaml config -q && echo "compose files: well formed"; \
	else echo "compose.yaml: not checked, docker's compose plugin is not here"; fi

proto-baseline: deps ## Take the contract as it stands for the new baseline (BREAKING=meant allows breaking callers)
ifneq ($(BREAKING),meant)
	@if [ -f $(BASELINE) ]; then $(BUF) breaking --against $(BASELINE) || \
		{ echo "This breaks callers. If that is meant: make proto-baseline BREAKING=meant"; exit 1; }; fi
endif
	$(BUF) build --exclude-source-info -o $(BASELINE)

bench: deps ## Run the load tests (BENCH="..." chooses and sets them; see loadtest --help)
	$(CARGO) build --release -p pistats -p pistats-loadtest
	$(TARGET)/pistats-loadtest $(BENCH)

bench-watch: ## Let 200 streams of reports be watched while events come in, and tell what they cost
	@$(MAKE) bench BENCH="bench-watch $(TARGET)/pistats"

ghz: deps ## Call every rpc with ghz on a demo server of its own, a few seconds each, where Go is present
	@if tools/ghz; then $(CARGO) build --release -p pistats && PISTATS=$(TARGET)/pistats loadtest/ghz/demo; \
	else [ $$? = 3 ]; fi
