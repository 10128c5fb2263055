"""Training: one LightGBM rain model, saved in every form that a server takes."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import joblib
import mlflow.sklearn
import numpy as np
import pandas as pd
import polars as pl
from benchmarks.serving.model import BATCH_ROWS, Models
from lightgbm import LGBMClassifier
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OrdinalEncoder

from servicio_ml import bootstrap, settings
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.schema import Kind
from servicio_ml.errors import ArtifactError
from servicio_ml.features.artifact import MODEL, load_artifact
from servicio_ml.features.decoder import decode_records
from servicio_ml.features.synthetic.sampler import draw_rows
from servicio_ml.lifecycle.published import read_manifest
from servicio_ml.pipeline.etl.publish import read_split
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.dataset import Holdout, build_holdout, build_problem, read_true_values
from servicio_ml.pipeline.training.fitting import fit
from servicio_ml.use_cases.catalogue import find

RAIN = find("rain_australia")
LIGHTGBM = RAIN.get_candidate("lightgbm")
PERIOD = "2017-06"
SYNTHETIC_ROWS = 145_460
SEED, THREADS = 1234, 2
ORIGINAL = "weatherAUS.csv"
DONE = "done"
MISSING_CODE = -1


def prepare(cache: Path, trees: int) -> Models:
    """Train and save everything, once.

    Args:
        cache: Folder of the saved models.
        trees: Number of trees of the model.
    """
    original = find_raw_file()
    folder = cache / f"{'original' if original else 'synthetic'}-{trees}"
    if not _filter_usable(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _train(folder, original or _generate_rows(folder), trees)
        (folder / DONE).touch()
    records = json.loads((folder / "records.json").read_text())
    return Models(folder=folder, records=records, source=original.name if original else "synthetic rows")


def _filter_usable(folder: Path) -> bool:
    """Whether it was finished, and its artifact is of the present format."""
    try:
        load_artifact(folder / "artifact")
    except ArtifactError:
        return False
    return (folder / DONE).exists()


def find_raw_file() -> Path | None:
    """The original where there is one."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    file = Path(os.environ.get("SERVICIO_ML_DATA_DIR", beside), ORIGINAL)
    return file if file.is_file() else None


def _generate_rows(folder: Path) -> Path:
    table = draw_rows(RAIN, SYNTHETIC_ROWS, np.random.default_rng(SEED))
    bootstrap.write_csv(folder / "sample.csv", table.columns, header=table.named)
    return folder / "sample.csv"


def _train(folder: Path, source: Path, trees: int) -> None:
    state = folder / "state"
    command = ["-c", "from servicio_ml.cli import main; main()", "etl", RAIN.name]
    subprocess.run(
        [sys.executable, *command, "--source", str(source), "--period", PERIOD],
        check=True, env={**os.environ, "SERVICIO_ML_STATE_DIR": str(state)},
    )  # fmt: skip
    ports = settings.load_settings(state_dir=state)
    store = bootstrap.open_lake(ports)
    manifest = read_manifest(store, RAIN.name)
    train, tests = (read_split(store, manifest, part) for part in ("train", "test"))
    params = {**LIGHTGBM.start, "n_estimators": trees}
    test = build_holdout(RAIN, manifest.schema, tests)
    made = build_problem(RAIN, manifest.schema, train, seed=SEED, threads=THREADS)
    finished = build_candidate(made, test, LIGHTGBM, params, folder / "artifact", source.name)
    if not finished.eligible:
        raise SystemExit(f"the model cannot be served: {finished.exported.reason}")
    _register(ports, folder / "artifact")
    shutil.copy(folder / "artifact" / MODEL, folder / MODEL)
    (folder / "booster").mkdir()
    booster = fit(made, LIGHTGBM, params, np.arange(len(made.matrix))).booster_
    booster.save_model(folder / "booster" / "model.bst")
    _save_records(folder, test)
    _save_pipeline(folder, train, params)


def _register(ports: settings.Settings, artifact: Path) -> None:
    tracker, registry = bootstrap.connect_mlflow(ports)
    with tracker.open_run(RAIN.name, "benchmark", tags={"step": "benchmark"}) as run:
        version = registry.register(RAIN.name, artifact, run_id=run.id, tags={"candidate": LIGHTGBM.name})
    registry.set_alias(RAIN.name, CHAMPION, version.version)


def _save_records(folder: Path, test: Holdout) -> None:
    schema = load_artifact(folder / "artifact").encoder.schema
    chosen = np.random.default_rng(SEED).choice(len(test.matrix), BATCH_ROWS)
    records = decode_records(schema, test.matrix[chosen])
    (folder / "records.json").write_text(json.dumps(records, default=str))


def _save_pipeline(folder: Path, train: pl.DataFrame, params: Mapping[str, Any]) -> None:
    """Save a comparable scikit-learn pipeline: imputed numbers, codes of levels, no date.

    It has no derived columns, and codes in place of one-hot levels: that is cheap, to the peers' favour.
    """
    kinds = {each.name: each.kind for each in RAIN.schema.fields}
    texts = [name for name, kind in kinds.items() if kind is Kind.CATEGORY]
    numbers = [name for name, kind in kinds.items() if kind is Kind.NUMBER]
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value", unknown_value=MISSING_CODE, encoded_missing_value=MISSING_CODE
    )
    columns = ColumnTransformer(
        [("numbers", SimpleImputer(strategy="median"), numbers), ("texts", codes, texts)]
    )
    classifier = LGBMClassifier(**params, random_state=SEED, n_jobs=THREADS, verbose=-1)
    pipeline: Pipeline = make_pipeline(columns, classifier)
    frame = pd.DataFrame({name: train[name].to_list() for name in kinds if name in {*numbers, *texts}})
    pipeline.fit(frame, read_true_values(RAIN.target, train))
    classifier.set_params(n_jobs=1)
    (folder / "pipeline").mkdir()
    joblib.dump(pipeline, folder / "pipeline" / "model.joblib")
    mlflow.sklearn.save_model(
        pipeline, folder / "mlflow", pyfunc_predict_fn="predict_proba", pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )  # fmt: skip
    fields = {name: "number" if name in numbers else "text" for name in kinds}
    (folder / "fields.json").write_text(json.dumps(fields))
