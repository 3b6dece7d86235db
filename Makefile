# hall-edge: one target a task. setup.sh installs what a target needs and is instant when it is there.
.DEFAULT_GOAL := help
.PHONY: help demo test test-long faults faults-long lint bench contract units codes manual \
	screenshots deb bundle wheel package-test vm-test lock clean setup-demo setup-test setup-package setup-vm

# Without its bytecode the program takes 1.4 times as long to start, and the tests start it a thousand times.
unexport PYTHONDONTWRITEBYTECODE

BIN := .venv/bin
ARGS ?=
VM_ARGS ?=
PYTEST_ARGS ?=
PYTHON ?= python3

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: setup-demo ## every simulator, a broker, one visit after another (ARGS="...")
	@set -- .venv/debian/usr/lib/*-linux-gnu; [ ! -d "$$1" ] || export LD_LIBRARY_PATH="$$PWD/$$1"; \
	exec $(BIN)/hall-edge demo $(ARGS)

test: lint ## lint, types, import rules and all tests (PYTEST_ARGS="-k outbox -x")
	$(BIN)/python -m pytest -n 4 --dist worksteal $(PYTEST_ARGS)

test-long: setup-test ## the long tier: the same faults, many more times (an hour)
	$(BIN)/python -m pytest --long $(PYTEST_ARGS)

faults: setup-test ## the fault bench: kills, power cuts, broken disks, brokers, networks (part of `make test`)
	$(BIN)/python -m pytest -n 4 --dist worksteal tests/faults $(PYTEST_ARGS)

LONG_FAULTS := tests/faults tests/whole/test_isolation.py
faults-long: setup-test ## the fault bench at full length (hours); writes evidence/*.json and docs/promises.md
	HALL_EDGE_EVIDENCE=evidence $(BIN)/python -m pytest tests/faults tests/core/test_salvage.py $(PYTEST_ARGS)
	HALL_EDGE_EVIDENCE=evidence $(BIN)/python -m pytest --long $(LONG_FAULTS) $(PYTEST_ARGS)
	$(BIN)/python -m tests.faults.promises

lint: setup-test ## ruff, mypy --strict, the one-way rule
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: setup-test ## measured numbers of this machine
	$(BIN)/python -m tests.bench $(ARGS)

contract: setup-test ## write docs/contract anew from edge/events/
	$(BIN)/python -m edge.contract docs/contract

units: setup-test ## write the generated parts of systemd/ anew from what the drivers declare
	$(BIN)/python -m edge.tools.units write systemd

codes: setup-test ## write docs/codes.md anew from the catalogue of codes
	$(BIN)/python -m edge.messages.write docs/codes.md

manual: setup-test ## write docs/man and docs/completion anew from the program's arguments
	$(BIN)/python -m edge.tools.manual docs

screenshots: setup-test ## docs/images/status-*.png anew: the status page in Chromium
	$(BIN)/python -m tests.page.screenshots

deb: setup-package ## dist/hall-edge_VERSION_ARCH.deb, the package for Debian 12
	sh debian/build deb

bundle: deb ## dist/hall-edge-VERSION-debian12-ARCH.tar: the package and all that it needs, for PCs without a network
	sh debian/build bundle

wheel: setup-demo ## dist/hall_edge-VERSION-py3-none-any.whl
	sh debian/build wheel

# The Debian to install in is made meanwhile: it takes as long as the package.
package-test: setup-package ## install, upgrade, downgrade, remove and purge the package in a clean Debian 12 (needs root)
	@$(BIN)/python -m tests.package.chroot & debian=$$!; $(MAKE) --no-print-directory bundle wheel && wait $$debian
	$(BIN)/python -m pytest --package-test tests/package $(PYTEST_ARGS)

vm-test: setup-test setup-vm deb ## the package in an emulated PC: plugs, power cuts, watchdog (needs root; over an hour; docs/vm-lab.md)
	$(BIN)/python -m pytest --vm tests/vm $(VM_ARGS) $(PYTEST_ARGS)

# Needs any Python >= 3.11. Pins stay as they are unless pyproject.toml asks for others; UPGRADE=1 takes the
# newest of all. Resolved for every platform and Python >= 3.11; the files name no host.
UV := uv==0.13.9
COMPILE = "$$tmp/bin/uv" pip compile --quiet --no-config --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-emit-find-links --no-annotate --custom-compile-command "make lock" \
	$(if $(UPGRADE),--upgrade)
PACKAGED := camera plug report scanner usb # what the Debian package holds; cards is Debian's own python3-pyscard

lock: ## requirements/*.txt anew from pyproject.toml (UPGRADE=1: newest versions)
	@set -e; tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; \
	$(PYTHON) -m venv "$$tmp"; "$$tmp/bin/python" -m pip install --quiet $(UV); \
	sed -n 's/^requires = \["\(.*\)"\]$$/\1/p' pyproject.toml >"$$tmp/build.in"; \
	$(COMPILE) pyproject.toml "$$tmp/build.in" --extra demo --extra dev -o requirements/dev.txt >/dev/null; \
	$(COMPILE) pyproject.toml "$$tmp/build.in" --extra demo -c requirements/dev.txt -o requirements/demo.txt >/dev/null; \
	$(COMPILE) pyproject.toml -c requirements/dev.txt -o requirements/run.txt >/dev/null; \
	$(COMPILE) pyproject.toml $(PACKAGED:%=--extra %) -c requirements/dev.txt -o requirements/package.txt >/dev/null; \
	$(COMPILE) "$$tmp/build.in" -c requirements/dev.txt -o requirements/build.txt >/dev/null

clean: ## everything that a target made
	rm -rf .venv build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

setup-demo:
	@sh setup.sh demo

setup-test:
	@sh setup.sh test

setup-package:
	@sh setup.sh package

setup-vm:
	@sh setup.sh vm
