"""Fitted columns: their tables by hand, no target leaks through them, and what they are in a model."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from servicio_ml.domain.derived import Derived, Frequency, GroupMean, Lookup, TargetMean
from servicio_ml.domain.schema import FeatureSchema, Field, Kind, LearnedLevels
from servicio_ml.domain.use_case import Task
from servicio_ml.errors import UseCaseError
from servicio_ml.features.encoder import Encoder
from servicio_ml.pipeline.evaluate import compute_metric
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.calibrate import build_plain_output
from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
from servicio_ml.pipeline.training.encodings.fitted_columns import fit_schema
from servicio_ml.pipeline.training.fitting import TrainingProblem, score_out_of_fold
from small_use_case import LIGHTGBM, build_use_case

HUE = Field(name="hue", kind=Kind.CATEGORY, levels=("red", "blue", "grey"), nullable=True)
SIZE = Field(name="size", kind=Kind.NUMBER, nullable=True)
NAN = np.nan
# red, red, blue, missing
MATRIX = np.array([[0, 1], [0, NAN], [1, 5], [NAN, 6]], dtype=np.float32)
TARGET = np.array([1.0, 0.0, 1.0, 0.0])
ROWS, LEVELS = 3000, 1000


@pytest.mark.parametrize(
    ("column", "table"),
    [
        (TargetMean(name="t", source="hue", smoothing=0), {"red": 0.5, "blue": 1.0, "grey": 0.5}),
        # (1 + 2 · 0.5) / (2 + 2), (1 + 2 · 0.5) / (1 + 2)
        (TargetMean(name="t", source="hue", smoothing=2), {"red": 0.5, "blue": 2 / 3, "grey": 0.5}),
        (Frequency(name="t", source="hue"), {"red": 0.5, "blue": 0.25, "grey": 0.0}),
        # grey has no number: (1 + 5 + 6) / 3
        (GroupMean(name="t", source="size", by="hue"), {"red": 1.0, "blue": 5.0, "grey": 4.0}),
    ],
)
def test_a_table_is_computed_from_the_training_rows(column: Derived, table: dict[str, float]) -> None:
    schema = FeatureSchema(fields=(HUE, SIZE), derived=(column,))
    fitted = fit_schema(schema, MATRIX, TARGET)
    [lookup] = fitted.derived
    assert isinstance(lookup, Lookup)
    assert (lookup.name, lookup.source) == ("t", "hue")
    assert {**lookup.table} == pytest.approx(table)
    assert FeatureSchema.from_json(json.loads(json.dumps(schema.to_json()))) == schema
    with pytest.raises(UseCaseError, match="it has no value before it is fitted"):
        Encoder(schema)


def _build_problem(levels: int, *derived: Derived, effect: float) -> TrainingProblem:
    """Rows with a category of many levels, which moves the target by its effect."""
    random = np.random.default_rng(0)
    codes, size = random.integers(levels, size=ROWS), random.normal(size=ROWS)
    shift = random.normal(size=levels)[codes] * effect
    outcome = np.where(size + shift + random.normal(size=ROWS) > 0, "yes", "no")
    word = Field(
        name="word", kind=Kind.CATEGORY, levels=(*map(str, range(levels)), "other"), direct=False,
        learned_levels=LearnedLevels(),
    )  # fmt: skip
    schema = FeatureSchema(fields=(SIZE, word), derived=derived)
    frame = pl.DataFrame({"size": size, "word": codes.astype(str), "outcome": outcome})
    use_case = build_use_case(
        Task.BINARY, schema=schema, promotion=replace(build_use_case().promotion, slices=()), event_date=""
    )
    return build_problem(use_case, schema, frame, seed=0, threads=1)


def _score(problem: TrainingProblem) -> float:
    """Mean ROC AUC over the windows of cross-validation."""
    params = {"n_estimators": 60, "learning_rate": 0.1}
    output = build_plain_output(problem)
    return float(
        np.mean(
            [
                compute_metric("roc_auc", problem.truth[rows], output.transform(raw))
                for rows, raw in score_out_of_fold(problem, LIGHTGBM, params)
            ]
        )
    )


@pytest.mark.slow
def test_noise_of_a_thousand_levels_gains_nothing_and_an_effect_does() -> None:
    mean = TargetMean(name="word_mean", source="word")
    plain, noisy = (_score(_build_problem(LEVELS, *each, effect=0)) for each in ((), (mean,)))
    # fitted on the validation rows too, the mean alone would give an area above 0.9
    assert plain - 0.02 < noisy < plain + 0.005
    without, gained = (_score(_build_problem(50, *each, effect=2)) for each in ((), (mean,)))
    assert gained > without + 0.15


def test_a_training_row_does_not_see_its_own_target() -> None:
    problem = _build_problem(LEVELS, TargetMean(name="word_mean", source="word"), effect=0)
    rows = np.arange(0, ROWS, 2)
    own = problem.encode_training_rows(rows)[:, -1]
    # within a fold the mean of the others falls where the row's own target is high
    assert -0.1 < np.corrcoef(own, problem.truth[rows])[0, 1] < 0.1
    unseen = problem.encode_unseen_rows(np.arange(1, ROWS, 2), rows)[:, -1]
    assert -0.1 < np.corrcoef(unseen, problem.truth[1::2])[0, 1] < 0.1
    assert np.corrcoef(problem.matrix[:, -1], problem.truth)[0, 1] > 0.4


@pytest.mark.slow
def test_a_model_has_the_tables_of_all_training_rows(tmp_path: Path) -> None:
    columns = (
        TargetMean(name="word_mean", source="word"),
        Frequency(name="word_share", source="word"),
        GroupMean(name="word_size", source="size", by="word"),
    )
    problem = _build_problem(20, *columns, effect=1)
    schema = problem.setting.schema
    assert [type(column) for column in schema.derived] == [Lookup] * 3
    frame = pl.DataFrame(
        {
            "size": np.linspace(-2, 2, 200),
            "word": [str(row % 23) for row in range(200)],
            "outcome": ["yes", "no"] * 100,
        }
    )
    test = build_holdout(problem.use_case, schema, frame)
    built = build_candidate(problem, test, LIGHTGBM, {"n_estimators": 20}, tmp_path / "model", "made up")
    # golden rows and parity are checked in it; an unseen text is `other`
    assert built.eligible
    assert Encoder(schema).encode_record({"size": 0.0, "word": "22"})[0, 1] == 20
