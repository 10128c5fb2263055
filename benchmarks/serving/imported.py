"""One scikit-learn pipeline, logged with MLflow: served by MLflow, and by ours after `servicio-ml import`."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import polars as pl
from benchmarks.environments import LOCKS
from benchmarks.serving.model import Models
from benchmarks.serving.servers import MLFLOW, Place, Server, ServerKind, build_our_server
from benchmarks.serving.train import RAIN

from servicio_ml import bootstrap, settings
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.lifecycle.published import read_manifest
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.training.dataset import read_true_values

NAME, TARGET, DATE = "rain_pipeline", "outcome", "date"
ONNX, ISOLATED = "onnx", "isolated"
OPTIONS: Mapping[str, Sequence[str]] = {
    ONNX: (),
    # the libraries that MLflow's scorer has: those of the server know no scikit-learn
    ISOLATED: ("--isolated", "--requirements", str(LOCKS / "mlflow.txt")),
}
"""Options of the import, by the way in which the model is to run."""
TITLES = {ONNX: "servicio-ml, converted to ONNX", ISOLATED: "servicio-ml, isolated process"}
DONE = "done"


def list_servers(models: Models) -> list[Server]:
    """Import the pipeline in both ways, once, and list the servers, MLflow's first."""
    for way in OPTIONS:
        folder = _get_folder(models.folder, way)
        if not (folder / DONE).exists():
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
            _import(models, folder, way)
            (folder / DONE).touch()
    return [MLFLOW, *(_build_server(way) for way in OPTIONS)]


def _get_folder(models: Path, way: str) -> Path:
    return models / "imports" / way


def get_environments(models: Path) -> Path:
    """Return the folder of the environments of isolated models, which outlive a change of the models."""
    return models.parent / "environments"


def _import(models: Models, folder: Path, way: str) -> None:
    _write_rows(models, folder / "rows.csv")
    arguments = ("import", NAME, "--model", str(models.folder / "mlflow"), "--data", str(folder / "rows.csv"))
    variables = {
        "SERVICIO_ML_STATE_DIR": str(folder), "SERVICIO_ML_USE_CASES_DIR": str(folder / "use_cases"),
        "SERVICIO_ML_ENVIRONMENTS_DIR": str(get_environments(models.folder)),
    }  # fmt: skip
    command = [sys.executable, "-c", "from servicio_ml.cli import main; main()", *arguments, *OPTIONS[way]]
    subprocess.run(
        [*command, "--target", TARGET, "--trust-pickle", "--no-promote"],
        check=True, env={**os.environ, **variables},
    )  # fmt: skip
    _, registry = bootstrap.connect_mlflow(settings.load_settings(state_dir=folder))
    registry.set_alias(NAME, CHAMPION, 1)


def _write_rows(models: Models, path: Path) -> None:
    """Write the published test rows, of which the requests are some, with the classes of the model."""
    store = bootstrap.open_lake(settings.load_settings(state_dir=models.folder / "state"))
    test = read_split(store, read_manifest(store, RAIN.name), "test")
    # the pipeline does not read the date
    names = [each.name for each in RAIN.schema.fields if each.name != DATE]
    truth = pl.Series(TARGET, read_true_values(RAIN.target, test)).cast(pl.Int8)
    test.select(names).with_columns(truth).write_csv(path)


def _build_server(way: str) -> Server:
    """Ours, as `build_our_server` starts it, with the imported model."""

    def build_settings(place: Place) -> Mapping[str, str]:
        models = place.models.resolve()
        return {
            "SERVICIO_ML_STATE_DIR": str(place.scratch),
            "SERVICIO_ML_MLFLOW_URL": f"sqlite:///{_get_folder(models, way)}/mlflow.db",
            "SERVICIO_ML_ENVIRONMENTS_DIR": str(get_environments(models)),
            "SERVICIO_ML_MODELS": NAME,
        }

    return replace(
        build_our_server(1), name=f"imported-{way}", title=TITLES[way], kind=ServerKind.IMPORTED,
        settings=build_settings, path=f"/models/{NAME}/predict", body=_build_body,
    )  # fmt: skip


def _build_body(models: Models, rows: slice) -> bytes:
    given = models.records[rows][0]
    return json.dumps({name: value for name, value in given.items() if name != DATE}).encode()
