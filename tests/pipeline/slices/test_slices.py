"""Slices: a planted one is found, and nothing is found where the model errs as it expects."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from drift_fixture import DriftFixture, create_drift_fixture, encode_ground_truth
from servicio_ml.domain.use_case import Task
from servicio_ml.features.bins import ColumnBins, Numbers
from servicio_ml.pipeline.slices.findings import SliceFindings, find_slices
from servicio_ml.pipeline.slices.rows import SliceRows
from servicio_ml.pipeline.slices.search import MAX_CHANCE, search_slices
from small_use_case import generate_rows

ROWS, FIELDS, BINS = 4000, 6, 5


def draw_rows(
    random: np.random.Generator, *, is_share: bool, worse: float = 1.0, cell: tuple[int, ...] = (2, 3)
) -> SliceRows:
    """Draw rows of which those with the given bins of the first fields err more than they are expected to."""
    places = random.integers(BINS, size=(ROWS, FIELDS))
    labels = tuple(f"b{i}" for i in range(BINS - 1))
    bins = tuple(
        ColumnBins(name=f"f{i}", edges=(1.0, 2.0, 3.0), labels=(*labels, "missing")) for i in range(FIELDS)
    )
    expected: Numbers = random.uniform(0.02, 0.4, ROWS)
    inside = np.all(places[:, : len(cell)] == cell, axis=1)
    means = expected * np.where(inside, worse, 1.0)
    losses = random.random(ROWS) < means if is_share else random.exponential(means)
    return SliceRows(
        bins=bins, places=places, losses=losses.astype(float),
        expected=expected * losses.sum() / expected.sum(), is_share=is_share,
    )  # fmt: skip


@pytest.mark.parametrize("is_share", [True, False], ids=["classes", "numbers"])
@pytest.mark.parametrize("cell", [(2,), (2, 3)], ids=["one field", "two fields"])
def test_a_planted_slice_is_found_first(*, is_share: bool, cell: tuple[int, ...]) -> None:
    random = np.random.default_rng(3)
    rows = draw_rows(random, is_share=is_share, worse=2.4, cell=cell)
    first, *_ = search_slices(rows, 1.0, random)
    assert (first.fields, first.cell) == (tuple(range(len(cell))), cell)
    inside = np.all(rows.places[:, : len(cell)] == cell, axis=1)
    assert 0.35 * inside.sum() < first.rows < 0.65 * inside.sum()
    assert first.loss > 1.5 * first.expected
    assert first.chance < MAX_CHANCE


@pytest.mark.parametrize("is_share", [True, False], ids=["classes", "numbers"])
def test_chance_is_found_in_few_searches(*, is_share: bool) -> None:
    """At most 5 % of the searches nominally, of 60; without a correction every one would find something."""
    random = np.random.default_rng(5)
    found = sum(bool(search_slices(draw_rows(random, is_share=is_share), 1.0, random)) for _ in range(60))
    assert found <= 7


def test_rows_that_are_alike_prove_less() -> None:
    rows = draw_rows(np.random.default_rng(3), is_share=True, worse=2.4)
    one, other = (search_slices(rows, effect, np.random.default_rng(1)) for effect in (1.0, 2.0))
    assert one[0].excess == pytest.approx(other[0].excess * 2**0.5)
    assert search_slices(rows, 40.0, np.random.default_rng(1)) == []


@pytest.mark.parametrize("count", [0, 1, 50])
def test_few_rows_have_no_slices(count: int) -> None:
    every = draw_rows(np.random.default_rng(1), is_share=True)
    few = SliceRows(
        bins=every.bins, places=every.places[:count], losses=every.losses[:count],
        expected=every.expected[:count], is_share=True,
    )  # fmt: skip
    assert search_slices(few, 1.0, np.random.default_rng(1)) == []


TASKS = {
    Task.BINARY: "artifact_folder", Task.MULTICLASS: "multiclass_folder", Task.REGRESSION: "regression_folder"
}  # fmt: skip


def find_wrong_labels(made: DriftFixture, task: Task) -> SliceFindings:
    """Log rows whose truth is another one where they are red, and search them."""
    frame = generate_rows(task, 2500, seed=9)
    truth = np.array(encode_ground_truth(task, frame), dtype=float)
    red = (frame["colour"] == "red").fill_null(value=False).to_numpy()
    changed = truth * 3 if task is Task.REGRESSION else (truth + 1) % len(made.artifact.output.labels)
    truth = np.where(red, changed, truth)
    made.report_ground_truth(made.log_predictions(frame), truth.tolist())
    return find_slices(made.window)


@pytest.mark.parametrize("task", TASKS, ids=str)
def test_logged_rows_of_a_level_with_wrong_labels(
    task: Task, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    made = create_drift_fixture(tmp_path, request.getfixturevalue(TASKS[task]), task)
    findings = find_wrong_labels(made, task)
    assert findings.name_slice(findings.slices[0]) == {"colour": "red"}
    document = findings.to_json()
    assert (document["rows"], document["version"]) == (2500, made.window.info.version)
    assert document["loss_metric"] == ("mae" if task is Task.REGRESSION else "error_rate")
    assert document["slices"][0]["values"] == {"colour": "red"}
    assert document["slices"][0]["loss"] > document["loss"]
    assert findings.build_table()[0][0] == "colour red"


def test_truth_that_is_as_likely_as_the_model_says(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_drift_fixture(tmp_path, artifact_folder)
    frame = generate_rows(Task.BINARY, 2500, seed=9)
    answers = made.artifact.predict(made.artifact.encoder.encode_frame(frame))
    truth = np.random.default_rng(2).random(len(frame)) < answers.binned_values
    made.report_ground_truth(made.log_predictions(frame), truth.astype(float).tolist())
    findings = find_slices(made.window)
    assert [findings.name_slice(each) for each in findings.slices] == []
    assert findings.rows.losses.sum() == (truth != answers.outcomes).sum()


def test_a_window_without_ground_truth(tmp_path: Path, artifact_folder: Path) -> None:
    made = create_drift_fixture(tmp_path, artifact_folder)
    made.log_predictions(generate_rows(Task.BINARY, 100).with_columns(pl.col("weight")))
    findings = find_slices(made.window)
    assert findings.slices == []
    assert findings.to_json()["loss"] is None
