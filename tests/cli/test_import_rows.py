"""`servicio-ml import` of rows without ground truth, and of models that read derived columns."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skops.io import dump
from typer.testing import CliRunner, Result

from imported_models import CONVERTIBLE, make_rows, make_targets
from servicio_ml import bootstrap
from servicio_ml.cli.app import app
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.features.artifact import Artifact, load_version
from servicio_ml.settings import Settings

pytestmark = pytest.mark.slow
ROWS = make_rows(700)
TRUTH = make_targets(ROWS)["binary"]
RATIO = '''"""Plums: which are eaten?"""

from servicio_ml.domain.defaults.candidates import build_standard_candidates
from servicio_ml.domain.derived import Ratio
from servicio_ml.domain.policy import PromotionPolicy
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, Parse
from servicio_ml.domain.use_case import Origin, Target, Task, UseCase

FIELDS = (
    Field(
        name="size", kind=Kind.NUMBER, column="Floor", parse=Parse(pattern=r"([-\\d.]+)", units={"m2": 1.0})
    ),
    Field(name="rooms", kind=Kind.INTEGER, minimum=1, maximum=9),
)
USE_CASE = UseCase(
    name="plums",
    task=Task.BINARY,
    schema=FeatureSchema(
        fields=FIELDS, derived=(Ratio(name="per_room", numerator="size", denominator="rooms"),)
    ),
    target=Target(name="target", labels=("no", "yes")),
    candidates=build_standard_candidates(Task.BINARY, rows=700),
    metric="roc_auc",
    promotion=PromotionPolicy(metric="roc_auc", floor=0.5, max_calibration_error=0.5),
    origin=Origin(file="rows.csv"),
)
'''


@pytest.fixture(name="folder", autouse=True)
def make_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(tmp_path / "use_cases"))
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "var"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _run(*words: str) -> Result:
    return CliRunner().invoke(app, [*words])


def _import(rows: str, *words: str) -> dict[str, Any]:
    result = _run("import", "plums", "--model", "model.skops", "--data", rows, "--json", *words)
    assert result.exit_code == 0, result.stderr
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def _load(number: int) -> tuple[ModelVersion, Artifact]:
    registry = bootstrap.connect_mlflow(Settings())[1]
    version = registry.get_version("plums", number)
    return version, load_version(registry, version)


def test_without_ground_truth_the_first_is_promoted_and_the_next_waits(folder: Path) -> None:
    dump(CONVERTIBLE["logistic regression"].fit(ROWS), "model.skops")
    ROWS.to_csv("rows.csv", index=False)
    refused = _run("import", "plums", "--model", "model.skops", "--data", "rows.csv", "--calibrate")
    assert "--calibrate: rows.csv has no ground truth to calibrate on" in refused.stderr
    first = _import("rows.csv")
    assert (first["runs_in"], first["metrics"], first["promotion"]["decision"]) == ("onnx", {}, "promoted")
    assert first["promotion"]["reason"].endswith("its quality was not measured")
    assert 'labels=("no", "yes")' in (folder / "use_cases" / "plums.py").read_text()
    artifact = _load(1)[1]
    assert not artifact.reference.seasons["all"].performance
    card = bootstrap.connect_mlflow(Settings())[1].read("plums", 1, "card.md").decode()
    assert "Not measured: the rows that it was imported with have no ground truth." in card
    # nothing to compare it on
    second = _import("rows.csv")
    assert second["promotion"] is None
    assert "version 2 stays challenger: without ground truth" in second["undecided"]
    assert "champion" in _load(1)[0].aliases
    by_hand = _run("promote", "plums", "--by-hand", "as tried elsewhere", "--json")
    assert json.loads(by_hand.stdout)["reason"] == "as tried elsewhere"
    assert "champion" in _load(2)[0].aliases
    # later rows have it
    ROWS.assign(outcome=TRUTH).to_csv("labelled.csv", index=False)
    assert _run("etl", "plums", "--source", "labelled.csv").exit_code == 0
    third = _import("rows.csv")
    assert third["promotion"]["champion"] == 2
    assert third["promotion"]["evidence"]["comparison"]["rows"] > 100


def _make_flats() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Make rows as in a raw file, and as the model's own code prepares them."""
    raw = pd.DataFrame(
        {"Floor": ROWS["size"].map("{:.1f} m2".format), "rooms": ROWS["rooms"], "target": TRUTH}
    )
    return raw, pd.DataFrame({"size": ROWS["size"], "per_room": ROWS["size"] / ROWS["rooms"]})


@pytest.mark.parametrize("way", [(), ("--isolated",)], ids=["onnx", "isolated"])
def test_derived_columns_of_a_use_case_are_inputs(way: tuple[str, ...]) -> None:
    raw, prepared = _make_flats()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(prepared, TRUTH)
    dump(model, "model.skops")
    raw.to_csv("rows.csv", index=False)
    Path("plums.py").write_text(RATIO)
    found = _import("rows.csv", "--use-case", "plums.py", *way)
    assert found["runs_in"] == ("isolated_process" if way else "onnx")
    assert found["promotion"]["decision"] == "promoted"
    artifact = _load(1)[1]
    fields = pl.from_pandas(ROWS[["size", "rooms"]])
    answers = artifact.predict(artifact.encoder.encode_frame(fields)).probabilities
    np.testing.assert_allclose(np.asarray(answers), model.predict_proba(prepared), atol=1e-6)


def test_a_derived_column_that_the_file_contradicts_is_refused() -> None:
    raw, prepared = _make_flats()
    dump(LogisticRegression().fit(prepared, TRUTH), "model.skops")
    raw.assign(per_room=prepared["per_room"] + 1).to_csv("rows.csv", index=False)
    Path("plums.py").write_text(RATIO)
    words = ["import", "plums", "--model", "model.skops", "--data", "rows.csv", "--use-case"]
    refused = _run(*words, "plums.py")
    assert "the derived column 'per_room' of the use case is" in refused.stderr
    assert "700 of 700 rows differ: mend its definition; nothing was registered" in refused.stderr
    assert "'pears' is no file, and a model has the name of its use case" in _run(*words, "pears").stderr


DATED = RATIO.replace("import Ratio", "import DatePart, Frequency").replace(
    'Field(name="rooms", kind=Kind.INTEGER, minimum=1, maximum=9)',
    'Field(name="sold", kind=Kind.DATE, column="Sold", direct=False),\n'
    '    Field(name="town", kind=Kind.CATEGORY, levels=("a", "b"))',
).replace(
    'Ratio(name="per_room", numerator="size", denominator="rooms"),',
    'DatePart(name="month", source="sold", part="month"), Frequency(name="share", source="town"),',
)  # fmt: skip


def _make_sales() -> tuple[pd.DataFrame, pd.DataFrame]:
    days = pd.Timestamp("2024-01-05") + pd.to_timedelta(np.arange(len(ROWS)), unit="D")
    raw = pd.DataFrame(
        {
            "Floor": ROWS["size"].map("{:.1f} m2".format),
            "Sold": days.strftime("%Y-%m-%d"),
            "town": ["a", "b"] * (len(ROWS) // 2),
            "target": TRUTH,
        }
    )
    return raw, pd.DataFrame({"size": ROWS["size"], "month": days.month.astype(float)})


def test_the_month_of_a_date_of_a_use_case_is_an_input() -> None:
    raw, prepared = _make_sales()
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(prepared, TRUTH)
    dump(model, "model.skops")
    raw.to_csv("rows.csv", index=False)
    Path("plums.py").write_text(DATED)
    assert _import("rows.csv", "--use-case", "plums.py")["runs_in"] == "onnx"
    artifact = _load(1)[1]
    records = [
        {"size": row.size, "sold": sold, "town": "a"}
        for row, sold in zip(prepared.itertuples(index=False), raw["Sold"], strict=True)
    ]
    answers = artifact.predict(artifact.encoder.encode_records(records)).probabilities
    np.testing.assert_allclose(np.asarray(answers), model.predict_proba(prepared), atol=1e-6)


@pytest.mark.parametrize(
    ("column", "problem"),
    [
        (
            "share",
            "the derived column 'share' is fitted on the rows of a training here; write it as a Lookup",
        ),
        ("sold", "the column 'sold' is a date, which no imported model reads; derive numbers"),
        ("height", "the use case has no field or derived column for height that the model reads"),
    ],
)
def test_a_column_that_the_use_case_cannot_give_is_refused(column: str, problem: str) -> None:
    raw, prepared = _make_sales()
    dump(LogisticRegression().fit(prepared.rename(columns={"month": column}), TRUTH), "model.skops")
    raw.assign(height=1.5).to_csv("rows.csv", index=False)
    Path("plums.py").write_text(DATED)
    refused = _run(
        "import", "plums", "--model", "model.skops", "--data", "rows.csv", "--use-case", "plums.py"
    )
    assert refused.exit_code == 1
    assert problem in refused.stderr
