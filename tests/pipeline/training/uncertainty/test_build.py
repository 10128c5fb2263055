"""Uncertainty of trained models: coverage on rows that neither the model nor its intervals have seen."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from servicio_ml.domain.use_case import Target, Task
from servicio_ml.errors import ArtifactError, RequestError
from servicio_ml.features.artifact import GOLDEN, Artifact, load_artifact
from servicio_ml.features.uncertainty.uncertainty import ERROR_MODEL, UNCERTAINTY, mark_covered
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.dataset import Holdout, build_holdout, build_problem
from servicio_ml.pipeline.training.uncertainty.groups import MIN_GROUP_ROWS
from small_use_case import LIGHTGBM, SCHEMA, build_use_case, generate_rows

LEVEL = 0.9
NOISE = {"red": 0.1, "green": 0.4, "blue": 1.6}


def _generate_numbers(count: int, seed: int) -> pl.DataFrame:
    """Rows whose target is as noisy as its colour says."""
    rows = generate_rows(Task.REGRESSION, count, seed).with_columns(pl.col("colour").fill_null("red"))
    noise = rows["colour"].replace_strict(NOISE).to_numpy()
    random = np.random.default_rng(seed + 100)
    return rows.with_columns(outcome=5 + rows["weight"] + noise * random.normal(size=count))


def _train(
    folder: Path, task: Task = Task.REGRESSION, count: int = 2000, **changes: Any
) -> tuple[Artifact, Holdout]:
    generate = generate_rows if task is not Task.REGRESSION else lambda _, *size: _generate_numbers(*size)
    if task is Task.REGRESSION:
        changes["target"] = Target(name="outcome", column="Outcome", description="Outcome")
    use_case = build_use_case(task, LIGHTGBM, **changes)
    made = build_problem(use_case, SCHEMA, generate(task, count, 0), seed=0, threads=1)
    test = build_holdout(use_case, made.setting.schema, generate(task, 4000, 1))
    params = {"n_estimators": 30, "learning_rate": 0.15}
    build_candidate(made, test, LIGHTGBM, params, folder / "artifact", "made up")
    return load_artifact(folder / "artifact"), test


def _measure(artifact: Artifact, test: Holdout, level: float = LEVEL) -> Any:
    assert artifact.uncertainty is not None
    columns = artifact.uncertainty.compute_columns(test.matrix, artifact.predict(test.matrix), level)
    return columns, mark_covered(columns, test.truth)


@pytest.fixture(scope="module")
def numbers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Artifact, Holdout]:
    return _train(tmp_path_factory.mktemp("numbers"))


def test_intervals_cover_as_often_as_they_say_and_are_narrow_where_the_model_is_sure(numbers: Any) -> None:
    artifact, test = numbers
    columns, covered = _measure(artifact, test)
    widths = columns["upper"] - columns["lower"]
    assert covered.mean() == pytest.approx(LEVEL, abs=0.03)
    means = {}
    for code, colour in enumerate(("red", "green", "blue")):
        rows = test.matrix[:, SCHEMA.names.index("colour")] == code
        assert covered[rows].mean() == pytest.approx(LEVEL, abs=0.08), colour
        means[colour] = widths[rows].mean()
    assert 2 * means["red"] < means["blue"]
    answers = artifact.predict(test.matrix).outcomes
    constant = 2 * np.quantile(np.abs(test.truth - answers), LEVEL)
    assert widths.mean() < 0.9 * constant


def test_wider_levels_cover_more(numbers: Any) -> None:
    artifact, test = numbers
    shares = [_measure(artifact, test, level)[1].mean() for level in (0.5, 0.8, 0.95, 0.99)]
    assert shares == pytest.approx([0.5, 0.8, 0.95, 0.99], abs=0.04)


def test_expected_errors_are_right_on_average_and_for_each_colour(numbers: Any) -> None:
    artifact, test = numbers
    predictions = artifact.predict(test.matrix)
    estimated = artifact.uncertainty.estimate_errors(test.matrix, predictions)
    realised = np.abs(test.truth - predictions.outcomes)
    assert estimated.mean() == pytest.approx(realised.mean(), rel=0.08)
    assert artifact.uncertainty.error_model is not None
    sums = artifact.uncertainty.error_model.sum_errors(test.matrix, predictions.outcomes)
    assert sums.mae == pytest.approx(float(estimated.mean()))
    assert sums.rmse == pytest.approx(float(np.sqrt((realised**2).mean())), rel=0.1)
    for code in range(3):
        rows = test.matrix[:, SCHEMA.names.index("colour")] == code
        assert estimated[rows].mean() == pytest.approx(realised[rows].mean(), rel=0.25)


def test_a_logarithmic_target_has_intervals_in_its_own_unit(tmp_path: Path) -> None:
    use_case = build_use_case(Task.REGRESSION, LIGHTGBM)
    made = build_problem(use_case, SCHEMA, generate_rows(Task.REGRESSION, 1500), seed=0, threads=1)
    test = build_holdout(use_case, made.setting.schema, generate_rows(Task.REGRESSION, 2000, 1))
    build_candidate(made, test, LIGHTGBM, {"n_estimators": 30}, tmp_path / "artifact", "made up")
    columns, covered = _measure(load_artifact(tmp_path / "artifact"), test)
    assert covered.mean() == pytest.approx(LEVEL, abs=0.03)
    assert columns["lower"].min() > 0


@pytest.mark.parametrize("task", [Task.BINARY, Task.MULTICLASS])
def test_sets_cover_as_often_as_they_say_in_each_third_of_the_doubt(task: Task, tmp_path: Path) -> None:
    artifact, test = _train(tmp_path, task)
    columns, covered = _measure(artifact, test)
    members, predictions = columns["label_set"], artifact.predict(test.matrix)
    assert predictions.probabilities is not None
    doubt = 1 - predictions.probabilities.max(axis=1)
    answered = members[np.arange(len(members)), predictions.outcomes.astype(int)]
    # what is more than the answer is less likely
    assert not members[~answered].any()
    # some more, because the calibrated models of the folds have seen a third of the rows less
    assert covered.mean() == pytest.approx(LEVEL, abs=0.04)
    for part in np.array_split(np.argsort(doubt), 3):
        assert covered[part].mean() == pytest.approx(LEVEL, abs=0.06)
    assert members.sum(axis=1).mean() < len(artifact.output.labels)
    if task is Task.BINARY:
        lower, upper = columns["probability_lower"], columns["probability_upper"]
        probability = predictions.probabilities[:, 1]
        assert ((lower <= probability) & (probability <= upper)).all()
        assert lower.mean() < test.truth.mean() < upper.mean()


def test_each_level_of_a_group_is_covered_as_often(tmp_path: Path) -> None:
    """Without groups of its own, the noisiest colour is covered less."""
    artifact, test = _train(tmp_path, interval_group="colour", count=3000)
    assert artifact.uncertainty is not None
    assert artifact.uncertainty.groups.codes == (0, 1, 2)
    _, covered = _measure(artifact, test)
    for code in range(3):
        rows = test.matrix[:, SCHEMA.names.index("colour")] == code
        assert covered[rows].mean() == pytest.approx(LEVEL, abs=0.03)


def test_a_small_group_gets_the_quantiles_of_all_rows(tmp_path: Path) -> None:
    artifact, _ = _train(tmp_path, interval_group="colour", count=MIN_GROUP_ROWS)
    assert artifact.uncertainty is not None
    assert artifact.uncertainty.groups.codes == ()
    assert artifact.uncertainty.table.rows == MIN_GROUP_ROWS
    assert len(artifact.uncertainty.table.quantiles) == 1


def test_few_rows_refuse_high_levels_and_the_card_says_so(tmp_path: Path) -> None:
    artifact, test = _train(tmp_path, Task.BINARY, count=60)
    assert _measure(artifact, test, 0.95)[1].mean() > 0.9
    with pytest.raises(RequestError, match=r"needs 99 calibration rows, and the model has 60"):
        _measure(artifact, test, 0.99)
    card = (tmp_path / "artifact" / "card.md").read_text()
    assert "Calibrated on 60 rows" in card
    assert "Levels above 0.98 are refused" in card


def test_the_card_says_what_the_holdout_shows(tmp_path: Path) -> None:
    artifact, test = _train(tmp_path)
    columns, covered = _measure(artifact, test)
    card = (tmp_path / "artifact" / "card.md").read_text()
    width = (columns["upper"] - columns["lower"]).mean()
    assert f"At a level of 90%, {covered.mean():.1%} of the holdout's truths are covered" in card
    assert f"mean width {width:.4g}" in card


def test_another_error_model_does_not_pass_the_golden_rows(tmp_path: Path) -> None:
    folder = tmp_path / "artifact"
    _train(tmp_path)
    golden = json.loads((folder / GOLDEN).read_text())
    golden["answers"][3]["expected_error"] *= 1.01
    (folder / GOLDEN).write_text(json.dumps(golden))
    with pytest.raises(ArtifactError, match="golden row 3 gives"):
        load_artifact(folder).check_golden_rows()


def test_a_model_without_the_document_has_no_uncertainty(numbers: Any, tmp_path: Path) -> None:
    _train(tmp_path)
    for name in (UNCERTAINTY, ERROR_MODEL):
        (tmp_path / "artifact" / name).unlink()
    golden = json.loads((tmp_path / "artifact" / GOLDEN).read_text())
    answers = [{"value": each["value"]} for each in golden["answers"]]
    (tmp_path / "artifact" / GOLDEN).write_text(json.dumps({**golden, "answers": answers}))
    artifact = load_artifact(tmp_path / "artifact")
    artifact.check_golden_rows()
    assert artifact.uncertainty is None
    assert replace(numbers[0], uncertainty=None).uncertainty is None
