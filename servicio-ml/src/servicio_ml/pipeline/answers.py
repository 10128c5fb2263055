"""Typed rows become answers, as every interface gives them, and rejections with their reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from servicio_ml.domain.dataset import SOURCE_LINE
from servicio_ml.domain.ports import ModelVersion
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.check import Checker
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.output import POSITIVE, Predictions
from servicio_ml.pipeline.ingest import LINE
from servicio_ml.pipeline.transform import REASON, allowed_words

OWN = (SOURCE_LINE, "prediction", "label", "probability", "probabilities", "model", "version", "reason")
"""Columns of the output; a kept column that is called so becomes `raw <name>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """What became of some rows; every row is in one of the two.

    Attributes:
        answers: `line`, kept columns, `prediction`, `label` and `probability` or `probabilities` of a
            classifier, `model`, `version`.
        rejected: `line`, kept columns, `reason`.
    """

    answers: pl.DataFrame
    rejected: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class Ready:
    """Rows on their way: those for the model with their matrix, and those that are rejected."""

    usable: pl.DataFrame
    matrix: Matrix
    rejected: pl.DataFrame


class Answering:
    """Answers rows by one model version.

    Args:
        info: The version.
        artifact: Its model.
        kept: Working name to the column that is passed on.
    """

    def __init__(self, info: ModelVersion, artifact: Artifact, kept: Mapping[str, str]) -> None:
        self._info, self._artifact = info, artifact
        self._checker = Checker(artifact.encoder.schema)
        self._passed = [
            pl.col(LINE).cast(pl.Int64).alias(SOURCE_LINE),
            *(pl.col(name).alias(f"raw {raw}" if raw in OWN else raw) for name, raw in kept.items()),
        ]

    def ready(self, rows: pl.DataFrame) -> Ready:
        """Encode and check rows of `LINE`, `REASON`, the fields that there are, and what is kept."""
        usable = rows.filter(pl.col(REASON).is_null())
        with np.errstate(over="ignore"):  # what float32 cannot hold is out of range
            matrix = self._artifact.encoder.frame(usable)
        bad = self._checker.bad(matrix)
        faulty: npt.NDArray[np.bool_] = np.asarray(bad.any(axis=1))
        rejected = rows.filter(pl.col(REASON).is_not_null())
        if faulty.any():
            refused = usable.filter(faulty).with_columns(self._reasons(usable, bad).alias(REASON))
            rejected = pl.concat([rejected, refused]).sort(LINE)
            usable, matrix = usable.filter(~faulty), matrix[~faulty]
        return Ready(usable=usable, matrix=matrix, rejected=rejected)

    def answer(self, ready: Ready) -> Scored:
        """Answer rows that are ready."""
        return Scored(
            answers=ready.usable.select(*self._passed, *self._columns(self._predict(ready.matrix))),
            rejected=ready.rejected.select(*self._passed, pl.col(REASON).alias("reason")),
        )

    def _predict(self, matrix: Matrix) -> Predictions:
        if len(matrix):  # exported neighbours and vector machines refuse no rows at all
            return self._artifact.predict(matrix)
        classes = len(self._artifact.output.labels)
        return Predictions(outcomes=np.empty(0), probabilities=np.empty((0, classes)) if classes else None)

    def _columns(self, predictions: Predictions) -> list[pl.Series | pl.Expr]:
        output, probabilities = self._artifact.output, predictions.probabilities
        named: list[pl.Series | pl.Expr] = [
            pl.lit(self._info.model).alias("model"),
            pl.lit(self._info.version).cast(pl.Int64).alias("version"),
        ]
        if probabilities is None:
            return [pl.Series("prediction", predictions.outcomes, pl.Float64), *named]
        codes = pl.Series("prediction", predictions.outcomes.astype(np.int64))
        label = pl.Series("label", output.labels, pl.String).gather(codes)
        return [codes, label, _probability(output.task, output.labels, probabilities), *named]

    def _reasons(self, rows: pl.DataFrame, bad: npt.NDArray[np.bool_]) -> pl.Series:
        """One text for each row that has something bad."""
        found: dict[int, list[str]] = {}
        for row, column in zip(*(axis.tolist() for axis in np.nonzero(bad)), strict=True):
            field = self._artifact.encoder.schema.fields[column]
            value = rows[field.name][row]
            missing = value is None or value != value  # noqa: PLR0124  NaN
            words = "it is missing" if missing else f"'{value}' is not {allowed_words(field)}"
            found.setdefault(row, []).append(f"{field.name}: {words}")
        return pl.Series(["; ".join(words) for words in found.values()], dtype=pl.String)


def _probability(task: str, labels: tuple[str, ...], probabilities: npt.NDArray[Any]) -> pl.Series:
    """Of the positive class of two, else a structure by label."""
    if task == "binary":
        return pl.Series("probability", probabilities[:, POSITIVE].astype(np.float64))
    each = {label: probabilities[:, i].astype(np.float64) for i, label in enumerate(labels)}
    return pl.DataFrame(each).to_struct("probabilities")
