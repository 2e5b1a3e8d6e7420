# The first `make demo` or `make test` installs everything into .venv.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin

export DO_NOT_TRACK = 1
unexport PYTHONDONTWRITEBYTECODE
# If pip is configured with a folder of wheels, its torch is used. Otherwise uv chooses the build for this machine:
# CPU without a GPU, else CUDA for the installed driver.
export UV_FIND_LINKS ?= $(PIP_FIND_LINKS)
TORCH := $(if $(wildcard $(UV_FIND_LINKS)/torch-*.whl),,--torch-backend auto)

# Aliases with the names of the predecessor of this project. OPTIONS are parameters for `--params`.
comma := ,
MODE :=
ALSO :=
OPTIONS = $(if $(BATCH_SIZE),training.samples_per_block=$(BATCH_SIZE)$(comma))$(if $(GRADIENT_ACCUMULATION_STEPS),training.accumulate=$(GRADIENT_ACCUMULATION_STEPS)$(comma))$(if $(GRAPH_WINDOW),graph.window=$(GRAPH_WINDOW)$(comma))$(if $(EPOCHS),training.epochs=$(EPOCHS)$(comma)$(if $(filter smoke,$(MODE)),training.steps_per_phase=null$(comma)))$(if $(DATASET),ml_dataset=$(DATASET)$(comma))$(ALSO)
PARAMS = $(if $(OPTIONS),--params "$(OPTIONS:%$(comma)=%)")
# MODE is an environment that sets how training computes; DATASET adds the environment `dataset` and starts at it.
LAYERS = $(if $(DATASET),dataset$(if $(MODE),$(comma)))$(MODE)
IN_LAYERS = $(BIN)/kedro run $(if $(LAYERS),--env $(LAYERS))
RUN = $(IN_LAYERS) $(if $(DATASET),--from-inputs ml_dataset)

.PHONY: help demo test test-fast test-long lint lock clean train-optimized train-quick train-safe train-monitor train-status train-stop smoke \
	train-integrated train-integrated-safe train-atft dataset-gpu hpo-setup hpo-run hpo-resume hpo-status hpo-worker mlflow-up mlflow-down doctor project-health-check

help:
	@echo "make demo      install, run the pipelines on the simulated market, print where the results are"
	@echo "make test      install, run the test suite (ARGS='-k guard' to choose)"
	@echo "make test-fast | test-long    tests that need no complete run, 2 minutes; slow tests: walks, wheels, servers"
	@echo "make lint      check style, types and the import contracts"
	@echo "make lock      resolve pyproject.toml again into constraints.txt"
	@echo "make train-optimized | train-quick | train-safe | smoke    train (EPOCHS=3 DATASET=PATH BATCH_SIZE=2048"
	@echo "               GRADIENT_ACCUMULATION_STEPS=2 GRAPH_WINDOW=252 become parameters)"
	@echo "make train-integrated | train-integrated-safe              all stages as configured; with the environment safe"
	@echo "make train-atft | dataset-gpu    only train on the existing panel; only make dataset, panel and graphs"
	@echo "make train-status | train-monitor | train-stop             show, watch or stop the newest training"
	@echo "make hpo-setup | hpo-run | hpo-resume | hpo-status | hpo-worker    search (HPO_TRIALS=24 HPO_STUDY=atft_prod)"
	@echo "make mlflow-up | mlflow-down    show the tracked runs in a browser (MLFLOW_PORT=5000 MLFLOW_STORE=sqlite:///mlflow.db)"
	@echo "make doctor    check this setup and say how to fix what is wrong"
	@echo "make clean     remove .venv and everything that runs have made (never 01_raw)"

demo: $(VENV)/installed
	$(BIN)/kedro run
	@echo
	@echo "The ML dataset    data/05_model_input/ml_dataset.parquet"
	@echo "The guard report  data/08_reporting/guard_report.html"
	@echo "The features      data/08_reporting/feature_catalogue.json"
	@echo "Training data     data/05_model_input/panel, graphs.parquet, split.json, scaler.json"
	@echo "The training      data/06_models/runs/latest: metrics.jsonl, manifest.json, best.pt"
	@echo "Its scores        data/06_models/runs/latest: report.html, summary.md, metrics.json, forecasts.parquet"
	@echo "The model         data/06_models/runs/latest/gatfan_*; forecast with it: $(BIN)/kedro run --pipelines predict"
	@echo "The lineage       $(BIN)/kedro viz run"

train-optimized: MODE = production
train-safe train-integrated-safe: MODE = safe
smoke: MODE = smoke
train-quick: EPOCHS ?= 3
train-optimized train-quick train-safe smoke train-integrated train-integrated-safe: $(VENV)/installed
	$(RUN) $(PARAMS)

train-atft: $(VENV)/installed
	$(IN_LAYERS) --pipelines fit $(PARAMS)

train-monitor: $(VENV)/installed
	$(BIN)/kedro atft watch

train-status train-stop: $(VENV)/installed
	$(BIN)/kedro atft $(@:train-%=%)

hpo-setup dataset-gpu: $(VENV)/installed
	$(BIN)/kedro run --pipelines data,guard,prepare,graph $(PARAMS)

hpo-run hpo-resume: ALSO = $(if $(HPO_STUDY),hpo.study=$(HPO_STUDY)$(comma))$(if $(HPO_TRIALS),hpo.n_trials=$(HPO_TRIALS)$(comma))
hpo-run hpo-resume: $(VENV)/installed
	$(BIN)/kedro run --pipelines hpo $(PARAMS)

hpo-status hpo-worker: $(VENV)/installed
	$(BIN)/kedro atft hpo $(@:hpo-%=%) $(if $(HPO_STUDY),--study $(HPO_STUDY))

# The URL of the store may contain a password, so it is passed in the environment, not on a command line.
ifdef MLFLOW_STORE
mlflow-up: export MLFLOW_BACKEND_STORE_URI := $(value MLFLOW_STORE)
endif
mlflow-up: $(VENV)/installed
	$(BIN)/kedro atft mlflow up $(if $(MLFLOW_PORT),--port $(MLFLOW_PORT))

mlflow-down: $(VENV)/installed
	$(BIN)/kedro atft mlflow down

doctor project-health-check: $(VENV)/installed
	$(BIN)/kedro atft doctor

test: $(VENV)/installed
	$(BIN)/pytest $(ARGS)

test-fast: $(VENV)/installed
	$(BIN)/pytest -m "not slow and not long" $(ARGS)

test-long: $(VENV)/installed
	$(BIN)/pytest -m long $(ARGS)

lint: $(VENV)/installed
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

lock: $(VENV)/installed
	echo "torch==2.13.0" | $(BIN)/uv pip compile --quiet --all-extras --no-annotate --no-header \
		--python-version 3.11 --constraint - pyproject.toml \
		| sed -E '/^nvidia-ml-py/b; /^(nvidia-|cuda-|triton)/d; s/\+cpu$$//' > constraints.txt

$(VENV)/installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check uv==0.13.8
	$(BIN)/uv pip install --quiet --python $(BIN)/python $(TORCH) --constraint constraints.txt --editable '.[dev]'
	touch $@

# The data folder of the simulated market, and those of other sources: they have the record of a cache.
WORKSPACES = data $(patsubst %/stages.json,%,$(wildcard data/*/stages.json))

clean:
	$(if $(wildcard .mlflow/server.json),-$(BIN)/kedro atft mlflow down)
	rm -rf $(VENV) .viz .mlflow mlflow.db mlartifacts $(foreach file,stages.json .stages.json.lock writer.lock,$(WORKSPACES:%=%/$(file)))
	find $(wildcard $(WORKSPACES:%=%/0[2-8]_*)) -type f ! -name .gitkeep -delete
