"""Typed rows become answers, as every interface gives them, and rejections with their reasons."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from servicio_ml.domain.dataset import SOURCE_LINE
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.features.artifact import Artifact
from servicio_ml.features.check import SchemaChecker
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.outliers.answer_details import NO_DETAILS, AnswerDetails
from servicio_ml.features.outliers.outlier_model import OUTLIER_LIMIT, OUTLIER_SCORE
from servicio_ml.features.output import POSITIVE, Predictions, build_empty_predictions
from servicio_ml.features.uncertainty.documents import list_label_sets
from servicio_ml.features.uncertainty.levels import INTERVAL
from servicio_ml.features.uncertainty.uncertainty import (
    LABEL_SET,
    LOWER,
    PROBABILITY_LOWER,
    PROBABILITY_UPPER,
    UPPER,
)
from servicio_ml.pipeline.reading.columns import rename_clashing_columns
from servicio_ml.pipeline.reading.expressions import describe_allowed_values
from servicio_ml.pipeline.reading.text import LINE
from servicio_ml.pipeline.reading.transform import REASON

OWN = (
    SOURCE_LINE, "prediction", "label", "probability", "probabilities", LOWER, UPPER, LABEL_SET,
    PROBABILITY_LOWER, PROBABILITY_UPPER, "model", "version", INTERVAL, OUTLIER_SCORE, OUTLIER_LIMIT,
    "reason",
)  # fmt: skip
"""Columns of the output; a kept column that is called so becomes `raw <name>`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoredRowsResult:
    """What became of some rows; every row is in one of the two.

    Attributes:
        answers: `line`, kept columns, `prediction`, `label` and `probability` or `probabilities` of a
            classifier, `model`, `version`; with details, their columns, `interval` and `outlier_limit`.
        rejected: `line`, kept columns, `reason`.
    """

    answers: pl.DataFrame
    rejected: pl.DataFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedRows:
    """Rows on their way: those for the model with their matrix, and those that are rejected."""

    usable: pl.DataFrame
    matrix: Matrix
    rejected: pl.DataFrame


class RowScorer:
    """Answers rows by one model version.

    Args:
        info: The version.
        artifact: Its model.
        kept: Working name to the column that is passed on.
        details: What answers have beside the prediction.
    """

    def __init__(
        self, info: ModelVersion, artifact: Artifact, kept: Mapping[str, str],
        details: AnswerDetails = NO_DETAILS,
    ) -> None:  # fmt: skip
        self._info, self._artifact, self._details = info, artifact, details
        self._checker = SchemaChecker(artifact.encoder.schema)
        # so that nothing is overwritten
        renamed = rename_clashing_columns([*kept.values()], OWN)
        self._passed = [
            pl.col(LINE).cast(pl.Int64).alias(SOURCE_LINE),
            *(pl.col(name).alias(new) for name, new in zip(kept, renamed, strict=True)),
        ]

    def prepare(self, rows: pl.DataFrame) -> PreparedRows:
        """Encode and check rows of `LINE`, `REASON`, the fields that there are, and what is kept."""
        usable = rows.filter(pl.col(REASON).is_null())
        values = self._artifact.encoder.read_frame(usable)
        # before they are rounded to float32, which could move a value to its limit or to a whole number
        bad = self._checker.mark_invalid(values)
        faulty: npt.NDArray[np.bool_] = np.asarray(bad.any(axis=1))
        rejected = rows.filter(pl.col(REASON).is_not_null())
        if faulty.any():
            refused = usable.filter(faulty).with_columns(self._build_reasons(usable, bad).alias(REASON))
            rejected = pl.concat([rejected, refused]).sort(LINE)
            # the matrix is filtered with the rows, since both are joined by position later
            usable, values = usable.filter(~faulty), values[~faulty]
        matrix = self._artifact.encoder.encode_values(values)
        return PreparedRows(usable=usable, matrix=matrix, rejected=rejected)

    def score(self, ready: PreparedRows) -> ScoredRowsResult:
        """Answer rows that are ready."""
        return ScoredRowsResult(
            answers=ready.usable.select(*self._passed, *self._build_answers(ready.matrix)),
            rejected=ready.rejected.select(*self._passed, pl.col(REASON).alias("reason")),
        )

    def _build_answers(self, matrix: Matrix) -> list[pl.Series | pl.Expr]:
        predictions = self._predict(matrix)
        details = self._artifact.compute_details(matrix, predictions, self._details)
        head = self._artifact.build_details_head(self._details)
        return [
            *self._build_columns(predictions),
            *(_build_detail_column(*each, self._artifact.output.labels) for each in details.items()),
            *(pl.lit(value).alias(name) for name, value in head.items()),
        ]

    def _predict(self, matrix: Matrix) -> Predictions:
        labels = self._artifact.output.labels
        return self._artifact.predict(matrix) if len(matrix) else build_empty_predictions(labels)

    def _build_columns(self, predictions: Predictions) -> list[pl.Series | pl.Expr]:
        output, probabilities = self._artifact.output, predictions.probabilities
        named: list[pl.Series | pl.Expr] = [
            pl.lit(self._info.model).alias("model"),
            pl.lit(self._info.version).cast(pl.Int64).alias("version"),
        ]
        if probabilities is None:
            return [pl.Series("prediction", predictions.outcomes, pl.Float64), *named]
        codes = pl.Series("prediction", predictions.outcomes.astype(np.int64))
        # one gather over the codes instead of a Python lookup per row
        label = pl.Series("label", output.labels, pl.String).gather(codes)
        return [codes, label, _build_probability_columns(output.task, output.labels, probabilities), *named]

    def _build_reasons(self, rows: pl.DataFrame, bad: npt.NDArray[np.bool_]) -> pl.Series:
        """One text for each row that has something bad."""
        found: dict[int, list[str]] = {}
        for row, column in zip(*(axis.tolist() for axis in np.nonzero(bad)), strict=True):
            field = self._artifact.encoder.schema.fields[column]
            value = rows[field.name][row]
            missing = value is None or value != value  # noqa: PLR0124  NaN
            words = "it is missing" if missing else f"'{value}' is not {describe_allowed_values(field)}"
            found.setdefault(row, []).append(f"{field.name}: {words}")
        return pl.Series(["; ".join(words) for words in found.values()], dtype=pl.String)


def _build_detail_column(name: str, values: npt.NDArray[Any], labels: tuple[str, ...]) -> pl.Series:
    if name != LABEL_SET:
        return pl.Series(name, values, pl.Float64)
    return pl.Series(name, list_label_sets({LABEL_SET: values}, labels), pl.List(pl.String))


def _build_probability_columns(
    task: str, labels: tuple[str, ...], probabilities: npt.NDArray[Any]
) -> pl.Series:
    """Build the positive class's probability of a binary task, else a struct column by label."""
    if task == "binary":
        return pl.Series("probability", probabilities[:, POSITIVE].astype(np.float64))
    each = {label: probabilities[:, i].astype(np.float64) for i, label in enumerate(labels)}
    return pl.DataFrame(each).to_struct("probabilities")
