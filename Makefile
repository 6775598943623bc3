# The one list of verbs that people and .ci/run share. `make help` prints it.
#
# PYTHON is the interpreter of a virtual environment with the `dev` extra:
#     python3 -m venv .venv && .venv/bin/pip install -e '.[dev]'

PYTHON ?= $(if $(wildcard .venv/bin/python),.venv/bin/python,python3)
CC ?= cc
CORE := sdk/movable/core
ASAN := $(CURDIR)/build/asan

# What enters the core; fronts, formats, pages of documentation and what the
# reference drivers do among themselves add nothing to it.
ASAN_TESTS := $(addprefix tests/,allocator compaction contig drivers faults huge lru migration numa pages process races \
	regressions schedules soak stateful sync vm conformance/test_kill_matrix.py conformance/test_places.py)

WARNINGS := -Wall -Wextra -Werror -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
	-Wpointer-arith -Wvla -Wwrite-strings -Wundef -Wno-unused-parameter
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
# asan-stack=0: greenlets copy slices of the stack, red zones included. libstdc++ is loaded first: greenlet
# throws C++ exceptions, which the sanitizer can only pass on if it found the library when it started.
ASAN_CFLAGS := $(SANITIZE) --param asan-stack=0 -g -O1

.PHONY: help long soak soak-processes build test test-fast lint format types layers docstrings docs cwarn asan bench check gates clean

help: ## print this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 14

build: ## rebuild the C core in place after an edit (editable installs)
	$(PYTHON) setup.py -q build_ext --inplace

test: ## every test
	$(PYTHON) -m pytest

test-fast: ## the quick tests, on all cores
	$(PYTHON) -m pytest -n auto -m "not slow and not long"

long: ## the tests that take minutes: every wrong driver in a whole run, power under many seeds
	$(PYTHON) -m pytest -n auto -m long

lint: ## ruff: rules and formatting
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

format: ## let ruff mend what it can
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

types: ## mypy, strict
	$(PYTHON) -m mypy

layers: ## import-linter: a floor imports only from floors below it
	$(PYTHON) -c "from importlinter.cli import lint_imports_command; lint_imports_command()"

docstrings: ## interrogate: everything public has a docstring, tests too
	$(PYTHON) -m interrogate conftest.py sdk reference_drivers tests docs

docs: ## the documentation, warnings as errors
	$(PYTHON) -m sphinx -W --keep-going -q -b html docs docs/_build/html

cwarn: ## the C core without a single warning
	@set -e; for file in $(CORE)/*.c; do \
		$(CC) -std=gnu11 -O2 $(WARNINGS) -Isdk/movable/include -I$(CORE) \
			-isystem $$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))') \
			-c -o /dev/null $$file; \
	done; echo "C core: no warnings"

asan: ## the tests on a copy of the core with AddressSanitizer and UBSan
	rm -rf $(ASAN)
	CFLAGS="$(ASAN_CFLAGS)" LDFLAGS="$(SANITIZE)" $(PYTHON) setup.py -q build \
		--build-base $(ASAN) --build-lib $(ASAN)/lib --build-temp $(ASAN)/temp
	export LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libstdc++.so.6)" \
		PYTHONPATH=$(ASAN)/lib \
		ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1:log_path=$(ASAN)/report \
		UBSAN_OPTIONS=print_stacktrace=1:log_path=$(ASAN)/report; \
	$(PYTHON) -c "import movable._core as core; assert core.__file__.startswith('$(ASAN)'), core" && \
	$(PYTHON) -m pytest -n 2 -m "not slow and not long" -q --timeout=600 $(ASAN_TESTS) || { cat $(ASAN)/report.* 2>/dev/null; exit 1; }

bench: ## migration and scanning against plain copies
	$(PYTHON) -c "import sys, movable.cli; sys.exit(movable.cli.main())" bench

soak: ## 100,000 random operations with a full recount after each
	PYTHONPATH=tests $(PYTHON) -m stateful.long_run --operations 100000

soak-processes: ## 50,000 random operations on processes and NUMA calls, and as many in schedules of several CPUs
	PYTHONPATH=tests $(PYTHON) -m soak.long_run --operations 50000
	PYTHONPATH=tests $(PYTHON) -m soak.long_run --operations 50000 --schedules

check: ## judge every installed driver
	$(PYTHON) -c "import sys, movable.cli; sys.exit(movable.cli.main())" check --all

gates: lint types layers docstrings cwarn docs asan ## what must hold beside the tests

clean: ## remove what builds leave behind
	rm -rf build dist docs/_build *.egg-info sdk/*.egg-info sdk/movable/_core.*.so
