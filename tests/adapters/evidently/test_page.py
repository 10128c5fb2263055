"""The page that Evidently makes; importing it takes seconds."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from drift_fixture import DriftFixture, create_drift_fixture, encode_ground_truth
from servicio_ml import bootstrap
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.use_case import Task
from servicio_ml.features.comparison import ReportPage, WindowComparison
from servicio_ml.features.window_drift import DriftColumn
from servicio_ml.pipeline.drift.report import ReportPorts, create_report
from small_use_case import build_use_case, generate_rows

pytestmark = pytest.mark.slow
FOLDERS = {
    Task.BINARY: "artifact_folder", Task.MULTICLASS: "multiclass_folder", Task.REGRESSION: "regression_folder"
}  # fmt: skip
FEATURES, PREDICTION = "Drift of the features", "Drift of the prediction"
QUALITY, SUMMARY = "Quality where ground truth is known", "Summary of the rows"
TEXTS = re.compile(r"<script[^>]*>.*?</script>", re.DOTALL)
LOADED = re.compile(r"""(?:src|href|action|data)\s*=\s*["']?https?:|url\(\s*["']?https?:|@import""")


def render_comparison(made: DriftFixture, task: Task) -> tuple[WindowComparison, ReportPage]:
    """What is shown, and the page."""
    seen: list[tuple[WindowComparison, ReportPage]] = []
    explain = bootstrap.load_explainer()

    def note_page(comparison: WindowComparison, head: str) -> ReportPage:
        seen.append((comparison, explain(comparison, head)))
        return seen[0][1]

    place = made.place
    desk = ReportPorts(
        store=place.store, tracker=place.tracker, stats=NoStats(), progress=place.progress,
        clock=place.clock, explain=note_page,
    )  # fmt: skip
    create_report(build_use_case(task), made.window, desk)
    return seen[0]


def get_values(page: ReportPage, section: str) -> dict[str, Any]:
    """The values of a section's metrics by name."""
    return {each["metric_name"]: each["value"] for each in page.document[section]["metrics"]}


def get_drift_values(page: ReportPage, section: str) -> dict[str, tuple[float, float, str]]:
    """Value, threshold and method of each column."""
    found = [each for each in page.document[section]["metrics"] if "ValueDrift" in each["config"]["type"]]
    return {
        each["config"]["column"]: (each["value"], each["config"]["threshold"], each["config"]["method"])
        for each in found
    }


def assert_drift_is_ours(page: ReportPage, section: str, columns: Sequence[DriftColumn]) -> None:
    """Assert that a section and the tables show the PSI and the threshold that were computed here."""
    expected: dict[str, Any] = {
        each.name: (pytest.approx(each.shift.psi), pytest.approx(each.shift.threshold), "servicio_ml_psi")
        for each in columns
        if each.shift and each.name != "day"
    }
    assert get_drift_values(page, section) == expected
    for each in columns:
        assert each.shift is not None
        assert f"<td>{each.shift.threshold:.4f}</td>" in page.html


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> DriftFixture:
    return create_drift_fixture(tmp_path, artifact_folder)


@pytest.mark.parametrize("labelled", [True, False], ids=["with truth", "without truth"])
@pytest.mark.parametrize("task", FOLDERS, ids=str)
def test_every_section(
    task: Task, labelled: bool, tmp_path: Path, request: pytest.FixtureRequest  # noqa: FBT001  a parameter
) -> None:  # fmt: skip
    made = create_drift_fixture(tmp_path, request.getfixturevalue(FOLDERS[task]), task)
    frame = generate_rows(task, 400, seed=9).with_columns(pl.col("weight") + 2)
    ids = made.log_predictions(frame)
    if labelled:
        made.report_ground_truth(ids, encode_ground_truth(task, frame))
    shown, page = render_comparison(made, task)
    assert list(page.document) == [FEATURES, PREDICTION, *([QUALITY] if labelled else []), SUMMARY]
    assert_drift_is_ours(page, FEATURES, shown.drift.features)
    assert_drift_is_ours(page, PREDICTION, (shown.drift.prediction,))
    drifted = sum(each.drifted for each in shown.drift.features)
    [count] = [
        value for name, value in get_values(page, FEATURES).items() if name.startswith("DriftedColumns")
    ]
    assert count["count"] == drifted > 0
    assert get_values(page, SUMMARY)["RowCount()"] == 400


def test_the_page_needs_nothing_else(made: DriftFixture) -> None:
    made.log_predictions(generate_rows(Task.BINARY, 200, seed=9))
    _, page = render_comparison(made, Task.BINARY)
    outside = TEXTS.sub("", page.html)
    assert not LOADED.findall(outside)
    assert "<script src" not in page.html
    assert outside.startswith("<!DOCTYPE html>")
    assert "default-src 'none'" in outside
    assert outside.index("Content-Security-Policy") < outside.index("<style>")
    assert outside.count('<div id="servicio-ml">') == 1


def test_quality_is_that_of_the_answers_that_were_given(made: DriftFixture) -> None:
    frame = generate_rows(Task.BINARY, 400, seed=9)
    real = encode_ground_truth(Task.BINARY, frame)
    made.report_ground_truth(made.log_predictions(frame), real)
    _, page = render_comparison(made, Task.BINARY)
    answers = made.artifact.predict(made.artifact.encoder.encode_frame(frame)).outcomes
    [accuracy] = [value for name, value in get_values(page, QUALITY).items() if name.startswith("Accuracy(")]
    assert accuracy == pytest.approx(np.mean(answers == np.array(real)))


@pytest.mark.parametrize(
    ("change", "left_out"),
    [
        pytest.param({"size": pl.lit(None, dtype=pl.Float64)}, {"size"}, id="all missing"),
        pytest.param({"colour": pl.lit(None, dtype=pl.String)}, {"colour"}, id="category all missing"),
        pytest.param({"weight": pl.lit(1.0)}, set(), id="constant"),
        pytest.param({"colour": pl.lit("red")}, set(), id="one level"),
    ],
)
def test_columns_without_information(
    change: dict[str, pl.Expr], left_out: set[str], made: DriftFixture
) -> None:
    made.log_predictions(generate_rows(Task.BINARY, 200, seed=9).with_columns(**change))
    shown, page = render_comparison(made, Task.BINARY)
    assert set(get_drift_values(page, FEATURES)) == {"size", "weight", "colour"} - left_out
    # our own table has them all
    assert all(f"<td>{each.name}</td>" in page.html for each in shown.drift.features)


@pytest.mark.parametrize("task", FOLDERS, ids=str)
def test_one_row(task: Task, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    made = create_drift_fixture(tmp_path, request.getfixturevalue(FOLDERS[task]), task)
    frame = generate_rows(task, 1, seed=9)
    made.report_ground_truth(made.log_predictions(frame), encode_ground_truth(task, frame))
    _, page = render_comparison(made, task)
    # a class that has not happened cannot be judged
    assert (QUALITY in page.document) is (task is Task.REGRESSION)
    assert get_values(page, SUMMARY)["RowCount()"] == 1
