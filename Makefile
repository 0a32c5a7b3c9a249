# Each target sets up what it needs: only Python 3.10-3.12, make and a C compiler must be there.
PYTHON ?= python3
VENV   ?= .venv
BIN    := $(VENV)/bin
OUT    ?= runs/demo
# Many tests wait for a server: two processes at once take little more than half the time.
WORKERS ?= 2
# Servers and workers are started by the hundred: kept byte code starts each in a third of the time.
unexport PYTHONDONTWRITEBYTECODE
# A worker that dies ends the run: with a new one in its place xdist may wait for ever.
# Files keep the order of tests/conftest.py: xdist's own leaves a long one for the end.
PYTEST  := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder \
             --max-worker-restart 0

# mypy needs one core for a minute; what it says comes last.
beside_types = $(BIN)/mypy > $(VENV)/types.txt & types=$$!; \
  $(PYTEST) $(1); tests=$$?; \
  wait $$types; code=$$?; cat $(VENV)/types.txt; exit $$((code || tests))

.PHONY: demo test quick test-long kernels lint types docs suite clean help
help:
	@echo "make demo   drive Town03 in fog with RGB, dehazed and fused images, print the table"
	@echo "make test   install the test and training extras, run lint, types and tests"
	@echo "make quick  lint, types and the tests that need neither a server nor training (WORKERS=2)"
	@echo "make test-long  all tests, with the slow ones and each snippet of the docs"
	@echo "make docs   the documentation as a site, build/site/index.html"
	@echo "make suite  the paper's Appendix B matrix on the embedded server (hours)"

$(BIN)/python:
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 10) <= v <= (3, 12) else \
	  "Python 3.10 to 3.12 is needed, found %d.%d; name another with: make PYTHON=python3.11" % v)'
	@echo "[setup] creating $(VENV)"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --upgrade pip

$(VENV)/.core: pyproject.toml | $(BIN)/python
	@echo "[setup] installing the core (CARLA client, numba, OpenVINO; no torch), 1 to 3 minutes"
	@$(BIN)/python -m pip install --quiet --no-compile --editable .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(BIN)/python
	@echo "[setup] installing the core with the extras train and dev (torch is large), 2 to 6 minutes"
	@$(BIN)/python -m pip install --quiet --no-compile --editable '.[train,dev]'
	@touch $@ $(VENV)/.core

demo: $(VENV)/.core
	@echo "[demo] Town03, fog, 3 routes: RGB, fused, and dehazed RGB as its control; the first run compiles the renderer (about a minute)"
	@$(BIN)/python -m harness.run --town Town03 --weather fog --arms rgb dehaze oracle --routes 3 --video --out $(OUT)
	@echo "[demo] rows, tables and videos are in $(OUT)"

lint: $(VENV)/.dev
	@echo "[lint] ruff"
	@$(BIN)/ruff check . && $(BIN)/ruff format --check .
	@echo "[lint] codespell"
	@$(BIN)/codespell

types: $(VENV)/.dev
	@echo "[types] mypy --strict"
	@$(BIN)/mypy

kernels: $(VENV)/.dev
	@echo "[setup] the simulator's kernels, about a minute the first time"
	@$(BIN)/python -c "from simulator.startup.compiling import compile_missing as go; go()"

quick: lint
	@echo "[quick] mypy, and pytest without servers and training"
	@$(call beside_types,-m "not server and not heavy and not slow")

test: lint kernels
	@echo "[test] mypy, and pytest"
	@$(call beside_types,-m "not slow")

test-long: kernels
	@echo "[test] everything, with the slow ones"
	@$(BIN)/python -m pytest

docs: $(VENV)/.dev
	@echo "[docs] every link and anchor is checked, the reference is made of the parsers and declarations"
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "[docs] build/site/index.html"

suite: $(VENV)/.core
	@$(BIN)/python -m harness.run --suite appendix_b --out runs/appendix_b

clean:
	rm -rf $(VENV) build *.egg-info
