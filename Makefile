# `make` lists what can be done. Everything happens inside .venv, from the hashed pins in constraints.txt.
# ARGS goes to the command: `make test ARGS="tests/engine -k spend"`.
BIN := .venv/bin
PEERS := $(patsubst bench/stacks/requirements/%.txt,.venv-peers/%/installed,$(wildcard bench/stacks/requirements/*.txt))
PIP := $(BIN)/python -m pip --disable-pip-version-check
USABLE := import ensurepip, sys, venv; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))

.PHONY: help env demo serve test chaos fuzz golden lint bench bench-full bench-peers profiles docs protos constraints clean
.DELETE_ON_ERROR:

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' Makefile

env: .venv/stubs ## Make .venv: the pinned dependencies, VCCI itself (editable), the stubs

demo: env ## Start a service, upload a sample, print the result, stop
	$(BIN)/vcci demo $(ARGS)

serve: env ## Run a service on 127.0.0.1:50051
	@echo 'Once it says where it listens, talk to it from another terminal; Ctrl-C stops it:'
	@echo '  $(BIN)/vcci --help'
	@echo '  $(BIN)/vcci upload out/sample.csv     (`make demo` makes that file)'
	@echo '  grpcurl -plaintext -H "authorization: Bearer $$($(BIN)/vcci token)" 127.0.0.1:50051 list'
	$(BIN)/vcci serve $(ARGS)

test: env ## Run every test
	$(BIN)/pytest $(ARGS)

chaos: env ## Break every part of a service under load, 200 times, and check that each row is there once
	$(BIN)/python -m tests.chaos $(ARGS)

fuzz: env ## Try wrong inputs on everything that reads bytes of others, for two minutes
	$(BIN)/python -m tests.fuzz $(ARGS)

golden: env ## Calculate the published examples through the API, print the table
	$(BIN)/python -m tests.golden

lint: env ## Check style, types, imports, protos, pins, and pins against known vulnerabilities
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/python protos/build_stubs.py image | $(BIN)/buf lint -\#format=binpb --path vcci --config protos/buf.yaml
	$(PIP) check
	$(BIN)/python checks/known_vulnerabilities.py

bench: env ## Measure, in some ten minutes; results go to bench/results
	@-$(MAKE) --no-print-directory --keep-going bench-peers
	$(BIN)/python -m bench $(ARGS)

bench-full: env ## Measure with ten million rows and for longer; half an hour
	@-$(MAKE) --no-print-directory --keep-going bench-peers
	$(BIN)/python -m bench --full $(ARGS)

bench-peers: env $(PEERS) ## Make the environments of the peers to measure; without network they are left out

profiles: env ## Draw where the time of each hot path goes; pictures go to bench/results/profiles
	$(BIN)/python -m bench.profiles $(ARGS)

docs: env ## Write the tables of docs/methods.md and docs/settings.md and the picture of docs/uncertainty.md again
	$(BIN)/python docs/write_tables.py
	$(BIN)/python docs/draw_uncertainty.py

protos: .venv/installed ## Make the stubs of protos/vcci/v1 again
	$(BIN)/python protos/build_stubs.py
	@touch .venv/stubs

constraints: env ## Pin what pyproject.toml asks for (ARGS=--upgrade: in the newest versions)
	$(BIN)/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 \
	    --generate-hashes --no-header --quiet --output-file constraints.txt $(ARGS)
	for file in bench/stacks/requirements/*.in; do \
	    $(BIN)/uv pip compile $$file --universal --python-version 3.11 \
	        --generate-hashes --no-header --quiet --output-file $${file%.in}.txt $(ARGS); \
	done

clean: ## Remove all that the targets above made, .venv too
	rm -rf .venv .venv-peers dist out .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .benchmarks
	rm -f protos/vcci/v1/*_pb2*.py*
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/stubs: protos/build_stubs.py $(wildcard protos/vcci/v1/*.proto) .venv/installed
	@$(MAKE) --no-print-directory protos

.venv/installed: pyproject.toml constraints.txt | .venv/bin/python
	@echo 'Installing the pinned dependencies into .venv; the first time this takes some minutes'
	@$(PIP) install --quiet --no-deps --only-binary :all: --require-hashes -r constraints.txt
	@$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

.venv-peers/%/installed: bench/stacks/requirements/%.txt | .venv/bin/python
	$(BIN)/python -m venv --clear .venv-peers/$*
	.venv-peers/$*/bin/python -m pip --disable-pip-version-check --retries 1 --timeout 20 install --quiet \
	    --no-deps --only-binary :all: --require-hashes -r $<
	@touch $@

.venv/bin/python:
	@for python in python3 python3.14 python3.13 python3.12 python3.11; do \
	    if $$python -c '$(USABLE)' 2>/dev/null; then exec $$python -m venv --clear .venv; fi; \
	done; \
	echo 'VCCI needs Python 3.11 to 3.14 with its venv module, and found none as python3 or python3.11 to python3.14.' >&2; \
	echo 'On Debian and Ubuntu: apt install python3 python3-venv' >&2; \
	exit 1
