"""Published rows as models see them: matrix and truth."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from servicio_ml.domain.schema import FeatureSchema
from servicio_ml.domain.use_case import DateSplit, Target, UseCase
from servicio_ml.features.encoder import Encoder, Matrix
from servicio_ml.pipeline.families import Setting
from servicio_ml.pipeline.fitting import Problem, cross_validation

Floats = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holdout:
    """Rows that no model is fitted on.

    Attributes:
        frame: As published.
        matrix: `[n, features]` of the period's schema.
        truth: `[n]`: class codes, or numbers in the target's unit.
    """

    frame: pl.DataFrame
    matrix: Matrix
    truth: Floats


def problem(
    use_case: UseCase, schema: FeatureSchema, frame: pl.DataFrame, *, seed: int, threads: int
) -> Problem:
    """The training rows of a period as a problem."""
    matrix, truth = Encoder(schema).frame(frame), true_values(use_case.target, frame)
    dated = use_case.event_date in schema.field_names
    dates = matrix[:, schema.field_names.index(use_case.event_date)] if dated else None
    return Problem(
        use_case=use_case,
        setting=Setting(schema=schema, classes=len(use_case.target.labels), seed=seed, threads=threads),
        matrix=matrix,
        truth=truth,
        target=np.log(truth) if use_case.target.log else truth,
        folds=tuple(cross_validation(use_case, truth, dates, seed)),
    )


def holdout(use_case: UseCase, schema: FeatureSchema, frame: pl.DataFrame) -> Holdout:
    """The test rows of a period."""
    truth = true_values(use_case.target, frame)
    return Holdout(frame=frame, matrix=Encoder(schema).frame(frame), truth=truth)


def trained_until(use_case: UseCase, frame: pl.DataFrame) -> str:
    """The last day of training rows that are split by date, as ISO text; empty where they are not."""
    return str(frame[use_case.split.field].max()) if isinstance(use_case.split, DateSplit) else ""


def unseen(use_case: UseCase, frame: pl.DataFrame, until: Sequence[str]) -> pl.DataFrame:
    """The rows that no model has been trained on.

    Args:
        use_case: Says how rows part: a hash keeps a row on one side for ever, a split by date does not.
        frame: Test rows.
        until: Of each model, from `trained_until`.
    """
    if not isinstance(use_case.split, DateSplit):
        return frame
    last = max((date.fromisoformat(day) for day in until if day), default=date.min)
    return frame.filter(pl.col(use_case.split.field) > last)


def true_values(target: Target, frame: pl.DataFrame) -> Floats:
    """The target column `[n]`: class codes, or numbers."""
    column = frame[target.name]
    if not target.labels:
        return column.cast(pl.Float64).to_numpy()
    codes = {label: float(code) for code, label in enumerate(target.labels)}
    return column.replace_strict(codes, return_dtype=pl.Float64).to_numpy()
