from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.features.artifact import Artifact, load_artifact
from servicio_ml.features.bins import ColumnBins
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.features.explain import explain, get_background, measure_importance
from servicio_ml.features.output import CalibrationTable, OutputTransform
from servicio_ml.features.profile import ReferenceProfile
from servicio_ml.features.runtimes.scorer import Runtime
from small_use_case import SCHEMA

Formula = Callable[[Matrix], npt.NDArray[Any]]
NUMBERS = FeatureSchema(
    fields=tuple(
        Field(name=name, kind=Kind.NUMBER, column=name, description=name, example=0.0, nullable=True)
        for name in ("first", "second", "third", "fourth")
    )
)
NO_BINS = ReferenceProfile(
    features=(),
    prediction=ColumnBins(name="prediction", edges=(), labels=()),
    seasons={},
    policy=DriftPolicy(),
)


class FormulaScorer:
    """Answers by a formula, and notes how many rows it was asked for."""

    runtime = Runtime.ONNX
    row_seconds = None

    def __init__(self, formula: Formula) -> None:
        self._formula = formula
        self.calls: list[int] = []

    def score(self, matrix: Matrix) -> npt.NDArray[np.float32]:
        self.calls.append(len(matrix))
        return np.asarray(self._formula(matrix.astype(np.float64)), dtype=np.float32)


def build_artifact(
    formula: Formula, schema: FeatureSchema = NUMBERS, output: OutputTransform | None = None
) -> Artifact:
    return Artifact(
        name="formula", encoder=Encoder(schema), output=output or OutputTransform(task="regression"),
        reference=NO_BINS, golden={"records": []}, scorer=FormulaScorer(formula),
    )  # fmt: skip


def draw_matrix(rows: int, columns: int = 4, seed: int = 1) -> Matrix:
    return np.random.default_rng(seed).normal(size=(rows, columns)).astype(np.float32)


@given(
    st.lists(st.floats(-100, 100, width=32), min_size=4, max_size=4),
    st.lists(st.floats(-3, 3), min_size=4, max_size=4),
    st.integers(1, 9),
)
def test_linear_model_gets_its_exact_values(record: list[float], weights: list[float], rows: int) -> None:
    matrix, others = np.array([record], dtype=np.float32), draw_matrix(rows)
    found = explain(build_artifact(lambda given: given @ np.array(weights)), matrix, others)
    expected = np.array(weights) * (matrix[0] - others.mean(axis=0, dtype=np.float64))
    assert list(found.contributions.values()) == pytest.approx(expected, abs=1e-3)


def test_interaction_of_two_is_shared_exactly() -> None:
    others = np.zeros((3, 4), dtype=np.float32)
    found = explain(
        build_artifact(lambda given: given[:, 0] * given[:, 1]),
        np.array([[2, 2, 5, 5]], dtype=np.float32),
        others,
    )
    assert found.contributions == {"first": 2, "second": 2, "third": 0, "fourth": 0}


def test_interaction_of_three_is_shared_about_evenly() -> None:
    others = np.zeros((33, 4), dtype=np.float32)
    found = explain(
        build_artifact(lambda given: given[:, :3].prod(axis=1)),
        np.array([[3, 1, 1, 5]], dtype=np.float32),
        others,
    )
    assert list(found.contributions.values()) == pytest.approx([1, 1, 1, 0], abs=0.15)


@given(st.integers(0, 2**32 - 1), st.integers(1, 5))
def test_contributions_add_up_whatever_the_model(seed: int, rows: int) -> None:
    random = np.random.default_rng(seed)
    weights = random.normal(size=(4, 6))
    artifact = build_artifact(lambda given: np.tanh(given @ weights).sum(axis=1) + np.exp(given[:, 0] / 3))
    found = explain(artifact, draw_matrix(1, seed=seed), draw_matrix(rows, seed=seed + 1))
    assert sum(found.contributions.values()) == pytest.approx(found.score - found.base, abs=1e-6)


def test_base_is_the_mean_of_the_background() -> None:
    others = draw_matrix(5)
    found = explain(build_artifact(lambda given: given[:, 0] ** 2), draw_matrix(1, seed=2), others)
    assert found.base == pytest.approx(float((others[:, 0] ** 2).mean()), abs=1e-6)


def test_model_scores_all_rows_in_one_call() -> None:
    scorer = FormulaScorer(lambda given: given[:, 0])
    artifact = replace(build_artifact(lambda given: given), scorer=scorer)
    explain(artifact, draw_matrix(1), draw_matrix(7), pairs=2)
    assert scorer.calls == [1 + 7 + 7 * 2 * 2 * 3]


def test_same_record_gets_the_same_explanation() -> None:
    artifact = build_artifact(lambda given: given.prod(axis=1))
    assert explain(artifact, draw_matrix(1), draw_matrix(7)) == explain(
        artifact, draw_matrix(1), draw_matrix(7)
    )


def test_derived_columns_belong_to_their_fields() -> None:
    # the last columns are size - weight and whether size is missing; the fields themselves are not read
    artifact = build_artifact(lambda given: np.nan_to_num(given[:, 4]) + 10 * given[:, 5], SCHEMA)
    others = artifact.encoder.encode_records(
        [{"day": "2020-01-31", "size": 1.0, "weight": 1.0, "colour": "red"}]
    )
    record = artifact.encoder.encode_record(
        {"day": "2020-03-31", "size": 4.0, "weight": -2.0, "colour": "blue"}
    )
    found = explain(artifact, record, others)
    assert found.contributions == {"day": 0, "size": 3, "weight": 3, "colour": 0}
    record[:, 4:] = np.nan
    assert explain(artifact, record, others) == found, "derived columns were not filled here"
    gap = artifact.encoder.encode_record({"day": "2020-01-31", "size": None, "weight": 1.0, "colour": "red"})
    assert explain(artifact, gap, others).contributions == {"day": 0, "size": 10, "weight": 0, "colour": 0}


def test_calibrated_probability_of_the_positive_class_is_explained() -> None:
    table = CalibrationTable(scores=(0.0, 1.0), probabilities=(0.2, 0.4))
    output = OutputTransform(task="binary", labels=("no", "yes"), tables=(table,))
    artifact = build_artifact(lambda given: np.column_stack([1 - given[:, 0], given[:, 0]]), output=output)
    found = explain(artifact, np.ones((1, 4), np.float32), np.zeros((2, 4), np.float32))
    assert found.label == "yes"
    assert [found.base, found.score] == pytest.approx([0.2, 0.4])
    assert found.contributions == pytest.approx({"first": 0.2, "second": 0, "third": 0, "fourth": 0})


@pytest.mark.parametrize("predicted", [0, 1, 2])
def test_probability_of_the_answered_class_is_explained(predicted: int) -> None:
    output = OutputTransform(task="multiclass", labels=("low", "middle", "high"))
    artifact = build_artifact(lambda given: given[:, :3], output=output)
    record = np.full((1, 4), 0.1, dtype=np.float32)
    record[0, predicted] = 0.8
    found = explain(artifact, record, np.full((2, 4), 0.3, dtype=np.float32))
    assert found.label == output.labels[predicted]
    assert found.score == pytest.approx(0.8)
    assert list(found.contributions.values())[predicted] == pytest.approx(0.5)


def test_single_field() -> None:
    artifact = build_artifact(lambda given: given[:, 0], FeatureSchema(fields=NUMBERS.fields[:1]))
    found = explain(artifact, np.array([[4]], np.float32), np.array([[1], [2]], np.float32))
    assert found.contributions == {"first": 2.5}


def test_real_artifact_ignores_the_hidden_date(artifact_folder: Path) -> None:
    artifact = load_artifact(artifact_folder)
    record = {"day": "2021-06-01", "size": 2.0, "weight": 2.5, "colour": "green"}
    matrix, others = artifact.encoder.encode_record(record), get_background(artifact)
    found = explain(artifact, matrix, others)
    assert len(others) == len(artifact.golden["records"])
    assert found.contributions["day"] == 0
    assert found.contributions["size"] > 0.05
    predicted = artifact.predict(matrix).probabilities
    assert predicted is not None
    assert found.score == pytest.approx(float(predicted[0, 1]), abs=1e-6)
    converged = explain(artifact, matrix, others, pairs=100, seed=7).contributions
    assert found.contributions == pytest.approx(converged, abs=0.03)


def test_more_pairs_come_nearer_to_the_exact_value() -> None:
    # four factors share their product evenly, seen from nothing
    artifact, record = build_artifact(lambda given: given.prod(axis=1)), np.ones((1, 4), dtype=np.float32)
    others = np.zeros((5, 4), dtype=np.float32)

    def measure_error(pairs: int) -> float:
        runs = [explain(artifact, record, others, pairs=pairs, seed=seed) for seed in range(5)]
        return sum(abs(each - 0.25) for run in runs for each in run.contributions.values())

    assert measure_error(32) < measure_error(1) / 2


def test_a_date_time_changes_with_its_seconds() -> None:
    schema = FeatureSchema(
        fields=(
            Field(name="size", kind=Kind.NUMBER, nullable=True),
            Field(name="moment", kind=Kind.DATETIME),
        )
    )
    artifact = build_artifact(lambda given: given @ np.array([2.0, 1.0, 0.5]), schema)
    matrix = artifact.encoder.encode_records([{"size": 1, "moment": "1970-01-03T00:01:00"}])
    others = artifact.encoder.encode_records([{"size": 0, "moment": "1970-01-01"}])
    assert explain(artifact, matrix, others).contributions == pytest.approx({"size": 2.0, "moment": 32.0})


def test_importance_is_the_mean_change_of_the_score() -> None:
    weights = np.array([0.0, 1.0, -2.0, 4.0])
    found = measure_importance(build_artifact(lambda given: given @ weights), draw_matrix(2_000))
    assert found[0] == 0
    # two independent normal values differ by 2/√π on average
    assert found == pytest.approx(np.abs(weights) * 2 / np.sqrt(np.pi), rel=0.25)
    assert found[2] == pytest.approx(2 * found[1], rel=0.25)


def test_importance_of_a_class_is_the_probability_that_moves(artifact_folder: Path) -> None:
    artifact = load_artifact(artifact_folder)
    found = dict(zip(artifact.encoder.schema.field_names, artifact.reference.importance, strict=True))
    # size and weight determine the outcome, and the day does not (see small_use_case)
    assert set(sorted(found, key=found.__getitem__)[-2:]) == {"size", "weight"}
    assert all(0 <= each < 1 for each in found.values())
