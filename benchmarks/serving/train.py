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
from servicio_ml.adapters.raw_files import write_csv
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.published import read_manifest
from servicio_ml.domain.schema import Kind
from servicio_ml.errors import ArtifactError
from servicio_ml.features.artifact import MODEL, load_artifact
from servicio_ml.features.sampler import draw
from servicio_ml.pipeline.finish import finish
from servicio_ml.pipeline.fitting import fit
from servicio_ml.pipeline.publish import read_part
from servicio_ml.pipeline.rows import Holdout, holdout, problem, true_values
from servicio_ml.use_cases.catalogue import find

RAIN = find("rain_australia")
LIGHTGBM = RAIN.candidate("lightgbm")
PERIOD = "2017-06"
LOOKALIKE_ROWS = 145_460
SEED, THREADS = 1234, 2
ORIGINAL = "weatherAUS.csv"
DONE = "done"
MISSING_CODE = -1


def prepare(cache: Path, trees: int) -> Models:
    """Train and save everything, once.

    Args:
        cache: Folder that keeps it.
        trees: Of the model.
    """
    original = raw_file()
    folder = cache / f"{'original' if original else 'lookalike'}-{trees}"
    if not _usable(folder):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        _train(folder, original or _lookalike(folder), trees)
        (folder / DONE).touch()
    records = json.loads((folder / "records.json").read_text())
    return Models(folder=folder, records=records, source=original.name if original else "look-alike rows")


def _usable(folder: Path) -> bool:
    """Whether it was finished, and its artifact is of the present format."""
    try:
        load_artifact(folder / "artifact")
    except ArtifactError:
        return False
    return (folder / DONE).exists()


def raw_file() -> Path | None:
    """The original where there is one."""
    beside = Path(__file__).parents[3] / "shared" / "data"
    file = Path(os.environ.get("SERVICIO_ML_DATA_DIR", beside), ORIGINAL)
    return file if file.is_file() else None


def _lookalike(folder: Path) -> Path:
    table = draw(RAIN, LOOKALIKE_ROWS, np.random.default_rng(SEED))
    write_csv(folder / "sample.csv", table.columns, header=table.named)
    return folder / "sample.csv"


def _train(folder: Path, source: Path, trees: int) -> None:
    state = folder / "state"
    command = ["-c", "from servicio_ml.cli import main; main()", "etl", RAIN.name]
    subprocess.run(
        [sys.executable, *command, "--source", str(source), "--period", PERIOD],
        check=True, env={**os.environ, "SERVICIO_ML_STATE_DIR": str(state)},
    )  # fmt: skip
    world = settings.load(state_dir=state)
    store = bootstrap.lake(world)
    manifest = read_manifest(store, RAIN.name)
    train, tests = (read_part(store, manifest, part) for part in ("train", "test"))
    params = {**LIGHTGBM.start, "n_estimators": trees}
    test = holdout(RAIN, manifest.schema, tests)
    made = problem(RAIN, manifest.schema, train, seed=SEED, threads=THREADS)
    finished = finish(made, test, LIGHTGBM, params, folder / "artifact", source.name)
    if not finished.eligible:
        raise SystemExit(f"the model cannot be served: {finished.exported.reason}")
    _register(world, folder / "artifact")
    shutil.copy(folder / "artifact" / MODEL, folder / MODEL)
    (folder / "booster").mkdir()
    booster = fit(made, LIGHTGBM, params, np.arange(len(made.matrix))).booster_
    booster.save_model(folder / "booster" / "model.bst")
    _save_records(folder, test)
    _save_pipeline(folder, train, params)


def _register(world: settings.Settings, artifact: Path) -> None:
    tracker, registry = bootstrap.runs_and_models(world)
    with tracker.run(RAIN.name, "benchmark", tags={"step": "benchmark"}) as run:
        version = registry.register(RAIN.name, artifact, run_id=run.id, tags={"candidate": LIGHTGBM.name})
    registry.point(RAIN.name, CHAMPION, version.version)


def _save_records(folder: Path, test: Holdout) -> None:
    encoder = load_artifact(folder / "artifact").encoder
    chosen = np.random.default_rng(SEED).choice(len(test.matrix), BATCH_ROWS)
    records = [encoder.decode(test.matrix[row]) for row in chosen]
    (folder / "records.json").write_text(json.dumps(records, default=str))


def _save_pipeline(folder: Path, train: pl.DataFrame, params: Mapping[str, Any]) -> None:
    """The same model as one would write it in scikit-learn: imputed numbers, codes of levels, no date.

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
    frame = pd.DataFrame({name: train[name].to_list() for name in kinds})
    pipeline.fit(frame, true_values(RAIN.target, train))
    classifier.set_params(n_jobs=1)
    (folder / "pipeline").mkdir()
    joblib.dump(pipeline, folder / "pipeline" / "model.joblib")
    mlflow.sklearn.save_model(
        pipeline, folder / "mlflow", pyfunc_predict_fn="predict_proba", pip_requirements=["scikit-learn"],
        serialization_format="cloudpickle",
    )  # fmt: skip
    fields = {name: "number" if name in numbers else "text" for name in kinds}
    (folder / "fields.json").write_text(json.dumps(fields))
