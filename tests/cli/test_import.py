"""`servicio-ml import`: a model of another tool becomes a version, or is refused with the reason."""

import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from sklearn.cluster import KMeans
from sklearn.ensemble import RandomForestClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.svm import LinearSVC
from skops.io import dump
from typer.testing import CliRunner, Result

from imported_models import (
    CODES,
    CONVERTIBLE,
    INCONVERTIBLE,
    NUMBERS,
    TREES,
    ModelCase,
    make_rows,
    make_targets,
)
from servicio_ml import bootstrap
from servicio_ml.cli.app import app
from servicio_ml.features.artifact import download_artifact, load_version
from servicio_ml.features.isolated.worker_document import read_worker_document
from servicio_ml.settings import Settings

pytestmark = pytest.mark.slow
ROWS = make_rows(700)
TARGETS = make_targets(ROWS)


@pytest.fixture(name="folder")
def make_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder, with a file of rows for each target."""
    monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(tmp_path / "use_cases"))
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "var"))
    monkeypatch.chdir(tmp_path)
    for name, values in TARGETS.items():
        ROWS.assign(target=values).to_csv(f"{name}.csv", index=False)
    return tmp_path


def _save(case: ModelCase, path: Path) -> None:
    dump(case.fit(ROWS), path)


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, ["import", "plums", "--target", "target", *words])


def _import(model: str, rows: str, *words: str) -> dict[str, Any]:
    result = _run("--model", model, "--data", rows, "--json", *words)
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def test_a_pipeline_with_texts_is_drafted_proven_and_promoted(folder: Path) -> None:
    _save(CONVERTIBLE["logistic regression"], folder / "model.skops")
    first = _import("model.skops", "binary.csv")
    assert (first["challenger"], first["runs_in"], first["reason"]) == (1, "onnx", "")
    assert first["promotion"]["decision"] == "promoted"
    assert first["metrics"]["roc_auc"] > 0.85
    text = (folder / "use_cases" / "plums.py").read_text()
    assert 'levels=("blue", "green", "red", "very dark"), nullable=True' in text
    # the second is the challenger of the first, on the same rows
    _save(CONVERTIBLE["gradient boosting"], folder / "other.skops")
    second = _import("other.skops", "binary.csv", "--isolated")
    assert (second["runs_in"], second["reason"]) == ("isolated_process", "--isolated was given")
    assert second["promotion"]["champion"] == 1
    assert {each["name"] for each in second["promotion"]["evidence"]["gates"]} >= {"floor", "latency"}
    tracker, registry = bootstrap.connect_mlflow(Settings())
    version = registry.get_version("plums", 2)
    assert version.tags["family"] == "skops"
    assert {Path(each).stem for each in tracker.list_artifacts(version.run_id, "figures")} == {
        "calibration", "confusion_matrix", "feature_correlation", "feature_importance",
        "precision_recall", "roc",
    }  # fmt: skip


def test_codes_of_a_booster_are_named_in_its_order(folder: Path) -> None:
    case = CONVERTIBLE["LightGBM with categories"]
    case.fit(ROWS).booster_.save_model("model.txt")
    refused = _run("--model", "model.txt", "--data", "binary.csv")
    assert refused.exit_code == 1
    assert "its classes are no, yes" in refused.stderr
    document = _import("model.txt", "binary.csv", "--classes", "no,yes")
    assert document["runs_in"] == "onnx"
    assert document["metrics"]["roc_auc"] > 0.9
    assert folder.exists()


def test_more_names_than_classes_are_refused(folder: Path) -> None:
    _save(CONVERTIBLE["logistic regression"], folder / "model.skops")
    refused = _run("--model", "model.skops", "--data", "binary.csv", "--classes", "no,yes,perhaps")
    assert "--classes names 3 classes, and the model has 2: no, yes; nothing was registered" in refused.stderr


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        ("number.csv", "it is a model of the task binary"),
        ("short.csv", "it lacks the columns town; the model reads size, age, rate, colour, town, rooms"),
        ("dates.csv", "dates are not read by imported models"),
        ("none.csv", "no such file"),
    ],
)
def test_rows_that_do_not_fit_are_refused(folder: Path, rows: str, problem: str) -> None:
    _save(CONVERTIBLE["logistic regression"], folder / "model.skops")
    ROWS.drop(columns="town").assign(target=TARGETS["binary"]).to_csv("short.csv", index=False)
    dated = ROWS.assign(target=TARGETS["binary"], size="2020-01-01").astype({"size": "datetime64[us]"})
    dated.to_parquet("dates.csv")
    refused = _run("--model", "model.skops", "--data", rows)
    assert refused.exit_code == 1
    assert problem in refused.stderr or "the target 'target'" in refused.stderr
    assert not (folder / "use_cases" / "plums.py").exists()


def test_a_model_that_no_converter_knows_runs_in_a_process_of_its_own(folder: Path) -> None:
    case = INCONVERTIBLE["nearest rows fill gaps"]
    model = case.fit(ROWS)
    dump(model, folder / "model.skops")
    document = _import("model.skops", "binary.csv")
    assert document["runs_in"] == "isolated_process"
    assert document["reason"].startswith("KNNImputer: ")
    assert document["promotion"]["decision"] == "promoted"
    registry = bootstrap.connect_mlflow(Settings())[1]
    with download_artifact(registry, "plums", 1) as downloaded:
        assert read_worker_document(downloaded).direct
    artifact = load_version(registry, registry.get_version("plums", 1))
    chosen = make_rows(50, seed=3)
    matrix = artifact.encoder.encode_frame(pl.from_pandas(chosen))
    answers = artifact.predict(matrix).probabilities
    assert answers is not None
    np.testing.assert_allclose(answers, model.predict_proba(case.select(chosen)), atol=1e-9)


class RunsCode:
    """A pickle that would leave a file behind."""

    def __reduce__(self) -> Any:
        return (Path.touch, (Path("harm").absolute(),))


def test_a_pickle_is_read_with_trust_only_and_in_a_limited_process(folder: Path) -> None:
    (folder / "model.pkl").write_bytes(pickle.dumps(RunsCode()))
    refused = _run("--model", "model.pkl", "--data", "binary.csv")
    assert "give --trust-pickle" in refused.stderr
    trusted = _run("--model", "model.pkl", "--data", "binary.csv", "--trust-pickle")
    assert trusted.exit_code == 1
    assert "nothing was registered" in trusted.stderr
    assert not (folder / "harm").exists()


@pytest.mark.parametrize(
    ("model", "problem"),
    [
        ("several", "it predicts several targets; import one model for each"),
        ("ranks", "has no `predict_proba`; wrap it in CalibratedClassifierCV"),
        ("clusters", "is neither a classifier nor a regressor"),
        ("scaler", "a StandardScaler has no `predict`"),
    ],
)
def test_what_cannot_be_served_is_refused(folder: Path, model: str, problem: str) -> None:
    rows, truth = ROWS[NUMBERS].fillna(0), TARGETS["binary"]
    models = {
        "several": lambda: RandomForestClassifier(TREES).fit(
            rows, list(zip(truth, TARGETS[CODES], strict=True))
        ),
        "ranks": lambda: LinearSVC().fit(StandardScaler().fit_transform(rows), truth),
        "clusters": lambda: KMeans(2).fit(rows),
        "scaler": lambda: StandardScaler().fit(rows),
    }
    dump(models[model](), folder / "model.skops")
    refused = _run("--model", "model.skops", "--data", "binary.csv")
    assert refused.exit_code == 1
    assert problem in refused.stderr
