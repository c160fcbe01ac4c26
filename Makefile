# Two commands are all a newcomer needs: `make run` and `make test`. Both do their own set-up.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt
# Two workers kept two cores busy four fifths of the time, since tests wait for clocks.
WORKERS ?= 3

.PHONY: run install test quick lint types soak oracle baselines results benchmarks clean

run: $(VENV)/.run
	$(BIN)/evolve run tasks/data_selection --steps 200 --rng-seed 0
	$(BIN)/evolve elites
	$(BIN)/evolve map

install: $(VENV)/.dev

test: install lint types
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not soak"

quick: install lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal -m "not slow and not soak"

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install
	$(BIN)/mypy

# Long laws and loads; what came out is told in docs/soak.md.
soak: install
	EVOLVE_SOAK=1 $(BIN)/python -m pytest -n $(WORKERS) -m "soak or slow"

# The grid against pyribs, which is 579 MB and so no part of the tests.
oracle: install
	$(PIP) --editable '.[oracle]'
	$(BIN)/python -m pytest tests/oracle

baselines: install
	for task in tasks/*/; do $(BIN)/python -m evolve.baselines $$task || exit 1; done

# Hours; what is finished is kept in results.db and not run again. Each line is what docs/results.md holds.
# Nobody has paid yet for searches of data_selection_text, bin_packing_online, cache_prediction, circle_packing,
# pruning_finetune and pruning_search, nor for the arms that are not named here. One of them:
# `.venv/bin/python benchmarks/results.py circle_packing --steps 100`.
results: install
	$(BIN)/python benchmarks/results.py data_selection --steps 400
	$(BIN)/python benchmarks/results.py cap_set --steps 250
	for task in diffusion_solver pruning bin_packing tsp_constructive; do \
	  $(BIN)/python benchmarks/results.py $$task --steps 250 --arms published,tuned,random || exit 1; done
	$(BIN)/python benchmarks/results.py pruning_structured --steps 150 --arms published,tuned,random
	$(BIN)/python benchmarks/results.py cache_priority --steps 100 --arms published,tuned,random
	$(BIN)/python benchmarks/results.py optimizer --steps 100 --arms published,tuned,random
	$(BIN)/python benchmarks/results.py cache_eviction --steps 80 --arms published
	$(BIN)/python benchmarks/results.py pruning_nm --steps 60 --arms published

benchmarks: install
	$(BIN)/python benchmarks/sandbox_bench.py
	$(BIN)/python benchmarks/step_bench.py
	$(BIN)/python benchmarks/operators_bench.py
	$(BIN)/python benchmarks/tables_bench.py
	$(BIN)/python benchmarks/workers_bench.py
	$(BIN)/python benchmarks/noise_bench.py
	$(BIN)/python benchmarks/novelty_bench.py
	$(BIN)/python benchmarks/hashing_bench.py
	$(BIN)/python benchmarks/hurdle_bench.py
	$(BIN)/python benchmarks/gpu_bench.py
	$(BIN)/python benchmarks/cluster_bench.py
	$(BIN)/python benchmarks/scale_bench.py --steps 5000

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# torch comes first and by its exact version, so that a CPU build at hand is taken.
$(VENV)/.run: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch==2.13.0
	$(PIP) --editable .
	touch $@

$(VENV)/.dev: pyproject.toml constraints.txt | $(VENV)/bin/python
	$(PIP) torch==2.13.0
	$(PIP) --editable '.[dev,postgres,litellm]'
	touch $@ $(VENV)/.run

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis
