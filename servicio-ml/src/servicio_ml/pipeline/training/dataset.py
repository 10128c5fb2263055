"""Published rows as models see them: matrix and truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from servicio_ml.domain.dataset import Manifest
from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import Target, UseCase
from servicio_ml.errors import TrainingError
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.pipeline.row_checks.required_rows import describe_few_test_rows, describe_shortage
from servicio_ml.pipeline.training.encodings.fitted_columns import fit_schema, list_fitted_columns
from servicio_ml.pipeline.training.estimators import EstimatorSettings
from servicio_ml.pipeline.training.fitting import SEED, TrainingProblem, build_cross_validation

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """Rows that no model is fitted on.

    Attributes:
        frame: As published.
        matrix: `[n, features]` of the period's schema.
        truth: `[n]`: class codes, or numbers in the target's unit.
        weights: `[n]`; None where all rows count the same.
    """

    frame: pl.DataFrame
    matrix: Matrix
    truth: Floats
    weights: Floats | None = None


def check_training_rows(
    use_case: UseCase, manifest: Manifest, train: pl.DataFrame, tests: pl.DataFrame
) -> None:
    """Check that a period has enough rows to train on and to compare models with, in every fold.

    Raises:
        TrainingError: Rows are missing; the message says which, and how many are needed. Or the period was
            published by a definition with other weights.
    """
    _check_weights(use_case, manifest, train, tests)
    problem = (
        describe_shortage(use_case, *(_count_labels(use_case.target, frame) for frame in (train, tests)))
        or describe_few_test_rows(use_case, len(tests))
        or _find_fold_problem(use_case, train)
    )
    if problem:
        raise TrainingError(use_case.name, f"the period {manifest.period} has too few rows: {problem}")
    _check_numbers(use_case, train)


def _check_weights(use_case: UseCase, manifest: Manifest, *frames: pl.DataFrame) -> None:
    """Check that all rows have a weight, which is no feature of the period.

    Raises:
        TrainingError: An earlier definition published them.
    """
    if use_case.sample_weight in manifest.schema.field_names:
        raise _build_weight_error(use_case)
    for frame in frames:
        read_weights(use_case, frame)


def _check_numbers(use_case: UseCase, train: pl.DataFrame) -> None:
    """Check that a logarithmic link reaches the numbers, also those published by an earlier definition.

    Raises:
        TrainingError: One is below 0, or all are 0.
    """
    if use_case.objective is None or use_case.quantile is not None:
        return
    truth, name = read_true_values(use_case.target, train), type(use_case.objective).__name__
    if truth.min() < 0 or truth.max() <= 0:
        found = f"training rows have {truth.min():g} to {truth.max():g}"
        raise TrainingError(
            use_case.name, f"objective={name}(…) needs numbers of at least 0, some above it; {found}"
        )


def _count_labels(target: Target, frame: pl.DataFrame) -> dict[str, int]:
    """Count the rows of each label; in a regression, all of them under an empty text."""
    return dict(frame[target.name].value_counts().iter_rows()) if target.labels else {"": len(frame)}


def _find_fold_problem(use_case: UseCase, frame: pl.DataFrame) -> str:
    """Find a window of dates or groups that lacks a class, or its rows; other folds have every class."""
    keys = _read_split_keys(use_case, frame)
    if keys is None:
        return ""
    truth = read_true_values(use_case.target, frame)
    windows = build_cross_validation(use_case, truth, keys, seed=SEED)
    if len(windows) < use_case.split.folds:
        what = ("dates", "days") if use_case.split_date else ("groups", "groups")
        return (
            f"its {what[0]} give {len(windows)} of {use_case.split.folds} windows; add {what[1]} or set fewer"
            " `folds`"
        )
    for number, rows in enumerate(windows, 1):
        for label in _find_missing_labels(use_case.target, [truth[side] for side in rows]):
            return (
                f"window {number} of {use_case.split.folds} has no row of class {label!r} on one side;"
                f" add {'days' if use_case.split_date else 'groups'} with it or set fewer `folds`"
            )
    return ""


def _read_split_keys(use_case: UseCase, frame: pl.DataFrame) -> Floats | None:
    """Read the days of a split by date, or the codes of the groups of a split by group; else None."""
    if use_case.split_date:
        return frame[use_case.split_date].cast(pl.Date).to_physical().to_numpy().astype(float)
    if use_case.split_group:
        # by text, since a category, a number and an identifier differ in their types
        return frame[use_case.split_group].cast(pl.String).rank("dense").to_numpy().astype(float)
    return None


def _find_missing_labels(target: Target, sides: Sequence[Floats]) -> list[str]:
    return [
        label for code, label in enumerate(target.labels) if not all((side == code).any() for side in sides)
    ]


def build_problem(
    use_case: UseCase, schema: FeatureSchema, frame: pl.DataFrame, *, seed: int, threads: int
) -> TrainingProblem:
    """The training rows of a period as a problem, whose schema has the tables of its fitted columns."""
    truth = read_true_values(use_case.target, frame)
    target = np.log(truth) if use_case.target.log else truth
    weights = read_weights(use_case, frame)
    fields = Encoder(FeatureSchema(fields=schema.fields)).encode_frame(frame)
    fitted_schema = fit_schema(schema, fields, target, weights)
    keys = _read_split_keys(use_case, frame)
    return TrainingProblem(
        use_case=use_case,
        setting=EstimatorSettings(
            schema=fitted_schema,
            classes=len(use_case.target.labels),
            seed=seed,
            threads=threads,
            objective=use_case.objective,
        ),
        matrix=Encoder(fitted_schema).encode_frame(frame),
        truth=truth,
        target=target,
        folds=tuple(build_cross_validation(use_case, truth, keys, seed)),
        fitted=list_fitted_columns(schema),
        weights=weights,
    )


def build_holdout(use_case: UseCase, schema: FeatureSchema, frame: pl.DataFrame) -> Holdout:
    """The test rows of a period."""
    return Holdout(
        frame=frame, matrix=Encoder(schema).encode_frame(frame),
        truth=read_true_values(use_case.target, frame), weights=read_weights(use_case, frame),
    )  # fmt: skip


def find_last_training_day(use_case: UseCase, frame: pl.DataFrame) -> str:
    """The last day of training rows that are split by date, as ISO text; empty where they are not."""
    return str(frame[use_case.split_date].cast(pl.Date).max()) if use_case.split_date else ""


def filter_unseen_rows(use_case: UseCase, frame: pl.DataFrame, until: Sequence[str]) -> pl.DataFrame:
    """The rows that no model has been trained on.

    Args:
        use_case: Says how rows part: a hash keeps a row on one side for ever, a split by date does not.
        frame: Test rows.
        until: Last training date of each model, from `trained_until`.
    """
    # a hash of the row keeps it on the same side in every period
    if not use_case.split_date:
        return frame
    # the latest end of all models: the rows must be new to each of them
    last = max((date.fromisoformat(day) for day in until if day), default=date.min)
    return frame.filter(pl.col(use_case.split_date).cast(pl.Date) > last)


def read_weights(use_case: UseCase, frame: pl.DataFrame) -> Floats | None:
    """The weights of rows `[n]`, divided by their mean; None where all rows count the same.

    Raises:
        TrainingError: A row has none.
    """
    name = use_case.sample_weight
    if not name:
        return None
    if name not in frame.columns or not (frame[name].fill_null(0) > 0).all():
        raise _build_weight_error(use_case)
    weights = frame[name].cast(pl.Float64).to_numpy()
    # without a unit: penalties and smoothing are set against numbers of rows
    return np.asarray(weights / weights.mean())


def _build_weight_error(use_case: UseCase) -> TrainingError:
    return TrainingError(
        use_case.name,
        f"the period was published before {use_case.sample_weight!r} weighed its rows; run `servicio-ml etl"
        f" {use_case.name}` for it again",
    )


def read_true_values(target: Target, frame: pl.DataFrame) -> Floats:
    """The target column `[n]`: class codes, or numbers."""
    column = frame[target.name]
    if not target.labels:
        return column.cast(pl.Float64).to_numpy()
    codes = {label: float(code) for code, label in enumerate(target.labels)}
    return column.replace_strict(codes, return_dtype=pl.Float64).to_numpy()
