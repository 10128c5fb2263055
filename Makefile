# Tasks of a developer; they need python3 >= 3.11 and make. `make` prints the list.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
# Airflow's environment; it needs older versions than serving
AIRFLOW_VENV := .venv-airflow
AIRFLOW_READY := $(AIRFLOW_VENV)/.ready
AIRFLOW_PORT ?= 8080
# JupyterLab's environment; its kernel is that of .venv
JUPYTER_VENV := .venv-jupyter
JUPYTER_READY := $(JUPYTER_VENV)/.ready
JUPYTER_PORT ?= 8888
WORKERS ?= 2

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate
NEW_ENOUGH = $(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "$(PYTHON) is missing or older than 3.11; name a newer one: make PYTHON=python3.12 $(firstword $(MAKECMDGOALS))" >&2; exit 1; }

# Bytecode is compiled once here, not at the start of every process.
export UV_COMPILE_BYTECODE := 1
# No step sends usage statistics.
export MLFLOW_DISABLE_TELEMETRY := true
export DO_NOT_TRACK := 1

.DEFAULT_GOAL := help
.PHONY: help setup test test-fast check format lint types layers docs fix lock protocol bench-serving airflow notebooks env up programs down status logs demo backup restore clean

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## Make .venv with everything the project needs (the other targets do it themselves)

$(READY): requirements/bootstrap.txt requirements/dev.txt servicio-ml/pyproject.toml client/pyproject.toml
	@$(NEW_ENOUGH)
	@$(PYTHON) -c 'import ensurepip, venv' || { \
	  echo "$(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.txt
	$(BIN)/uv pip sync --python $(BIN)/python --require-hashes requirements/dev.txt
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --editable servicio-ml --editable client
	@touch $@

$(AIRFLOW_READY): requirements/airflow.txt $(READY)
	$(PYTHON) -m venv --without-pip $(AIRFLOW_VENV)
	$(BIN)/uv pip sync --python $(AIRFLOW_VENV)/bin/python --require-hashes requirements/airflow.txt
	@touch $@

$(JUPYTER_READY): requirements/notebooks.txt $(READY)
	$(PYTHON) -m venv --without-pip $(JUPYTER_VENV)
	$(BIN)/uv pip sync --python $(JUPYTER_VENV)/bin/python --require-hashes requirements/notebooks.txt
	$(BIN)/python -m ipykernel install --prefix $(JUPYTER_VENV) --name python3 --display-name servicio-ml
	@touch $@

up: $(READY) ## Run the whole platform on this machine until Ctrl-C; USE_CASES=all for every use case
	@$(BIN)/python -m deploy.embedded up

programs: $(READY) ## Download what `make up` lacks: Prometheus, Alertmanager, Grafana
	@$(BIN)/python -m deploy.embedded programs

down: $(READY) ## Stop what `make up` runs
	@$(BIN)/python -m deploy.embedded down

status: $(READY) ## Show the state of each component
	@$(BIN)/python -m deploy.embedded status

logs: $(READY) ## Follow its logs; COMPONENT=api for one component's
	@$(BIN)/python -m deploy.embedded logs $(if $(COMPONENT),--component $(COMPONENT))

demo: $(READY) ## Send it live traffic that drifts after a while; MINUTES=30 sets the duration
	@$(BIN)/python -m deploy.embedded demo $(if $(MINUTES),--minutes $(MINUTES))

airflow: $(AIRFLOW_READY) ## Run Airflow on this machine until Ctrl-C; AIRFLOW_PORT=8081 for another port
	@AIRFLOW__API__PORT=$(AIRFLOW_PORT) $(AIRFLOW_VENV)/bin/python airflow/standalone.py

# relative paths of the settings are of this folder, as for `make up`; Lab asks no registry for versions and extensions
notebooks: $(JUPYTER_READY) ## Open notebooks/ in JupyterLab on the state of `make up`, until Ctrl-C; JUPYTER_PORT=8889
	@$(JUPYTER_VENV)/bin/jupyter lab --allow-root --ServerApp.ip=127.0.0.1 --ServerApp.port=$(JUPYTER_PORT) \
	  --ServerApp.root_dir=$(CURDIR) --LabApp.default_url=/lab/tree/notebooks --LabApp.news_url= \
	  --LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate --LabApp.extension_manager=readonly

test: $(READY) $(AIRFLOW_READY) ## Run every test
	$(BIN)/pytest -n $(WORKERS) --dist loadscope

test-fast: $(READY) ## Run the tests that neither train models nor start servers
	$(BIN)/pytest -n $(WORKERS) --dist loadscope -m "not slow"

check: format lint types layers test ## Everything a change must pass; the tests read and run the documents too

format: $(READY) ## Check the formatting
	$(BIN)/ruff format --check

lint: $(READY) ## Lint
	$(BIN)/ruff check

types: $(READY) $(AIRFLOW_READY) ## Check the types, strictly
	$(BIN)/mypy
	MYPYPATH=airflow/dags $(BIN)/mypy --python-executable $(AIRFLOW_VENV)/bin/python airflow/documents.py airflow/dags

layers: $(READY) ## Check which layer imports which
	$(BIN)/lint-imports

docs: $(READY) $(AIRFLOW_READY) ## Write the generated documents, rules and dashboards anew and test all documents
	$(BIN)/python docs/generate.py
	$(BIN)/python -m client.generate
	$(BIN)/python -m monitoring.generate
	$(BIN)/python -m deploy.helm.generate
	$(BIN)/python -m grafana.generate
	$(AIRFLOW_VENV)/bin/python airflow/documents.py
	$(BIN)/pytest tests/docs

fix: $(READY) ## Format, and mend what the linter can mend
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

lock: $(READY) ## Resolve the hashed requirement files anew; UPGRADE=--upgrade takes newer versions
	$(LOCK) $(UPGRADE) --group bootstrap -o requirements/bootstrap.txt
	$(LOCK) $(UPGRADE) -c requirements/bootstrap.txt servicio-ml/pyproject.toml client/pyproject.toml --all-extras --group dev -o requirements/dev.txt
	$(LOCK) $(UPGRADE) -c requirements/dev.txt servicio-ml/pyproject.toml --extra pipeline --extra fetch -o requirements/pipeline.txt
	$(LOCK) $(UPGRADE) -c requirements/dev.txt servicio-ml/pyproject.toml --extra serving -o requirements/serving.txt
	$(LOCK) $(UPGRADE) -c requirements/dev.txt --group streamlit -o requirements/streamlit.txt
	$(LOCK) $(UPGRADE) -c requirements/dev.txt --group mlflow -o requirements/mlflow.txt
	$(LOCK) $(UPGRADE) -c requirements/dev.txt --group notebooks -o requirements/notebooks.txt
	$(LOCK) $(UPGRADE) -c requirements/bootstrap.txt --group airflow -o requirements/airflow.txt

protocol: $(READY) ## Generate the gRPC classes anew from their .proto
	cd servicio-ml/src && ../../$(BIN)/python -m grpc_tools.protoc -I. --python_out=. --pyi_out=. --grpc_python_out=. \
	  servicio_ml/serving/oip/inference.proto

bench-serving: $(READY) ## Measure serving against its peers (quarter of an hour; BENCH=--quick tries it out)
	$(BIN)/python -m benchmarks.serving $(BENCH)

env: ## Write .env and secrets/ for docker compose; ROTATE=hook_token makes that one anew
	@$(NEW_ENOUGH)
	@PYTHONPATH=servicio-ml/src $(PYTHON) -m deploy.env $(if $(ROTATE),--rotate $(ROTATE))

backup: ## Back the platform up into a new folder: TO=folder; OF=compose for the production stack
	@test -n "$(TO)" || { echo "make backup: say where to: make backup TO=folder" >&2; exit 1; }
	@$(NEW_ENOUGH)
	@PYTHONPATH=servicio-ml/src $(PYTHON) -m deploy.backup backup "$(TO)" $(if $(OF),--of $(OF))

restore: ## Fill an empty platform from a backup: FROM=folder; REPLACE=yes deletes what it has
	@test -n "$(FROM)" || { echo "make restore: say from where: make restore FROM=folder" >&2; exit 1; }
	@$(NEW_ENOUGH)
	@PYTHONPATH=servicio-ml/src $(PYTHON) -m deploy.backup restore "$(FROM)" $(if $(filter yes,$(REPLACE)),--replace)

clean: ## Remove the environment and every cache; what was trained and published in var/ stays
	rm -rf $(VENV) $(AIRFLOW_VENV) $(JUPYTER_VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
