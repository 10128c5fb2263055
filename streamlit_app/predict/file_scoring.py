"""Batchwise scoring of a table: refused rows are noted, all other rows are scored exactly once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from streamlit_app.client.predict import InputRecord, ModelPrediction, PredictionBatch
from streamlit_app.client.transport import FieldError, RefusedError, UnreachableError
from streamlit_app.predict.csv_table import CsvTable

BATCH_ROWS = 500
TOO_LONG = "too_long"
"""Reason of a refusal by the pages themselves."""
PredictBatch = Callable[[Sequence[InputRecord]], PredictionBatch]


@dataclass(slots=True, kw_only=True)
class FileScoring:
    """Scoring of a file that can be interrupted and continued.

    Attributes:
        name: Name of the file.
        table: Rows of the file.
        results: Predictions by the index of the row.
        refused: Errors of each refused row, by the index of the row.
        error: Error that stopped the scoring; None where it ran to the end.
    """

    name: str
    table: CsvTable
    results: dict[int, ModelPrediction] = field(default_factory=dict)
    refused: dict[int, list[FieldError]] = field(default_factory=dict)
    error: Exception | None = None

    @property
    def versions(self) -> list[int]:
        """Versions of the predictions: several where the champion changed during the scoring."""
        return sorted({result.version for result in self.results.values()})

    @property
    def pending(self) -> list[int]:
        """Indices of the rows that are neither scored nor refused."""
        return [
            index
            for index in range(len(self.table.records))
            if index not in self.results and index not in self.refused
        ]

    def score_pending(
        self, predict: PredictBatch, progress: Callable[[float], object] = lambda _: None
    ) -> None:
        """Score the pending rows; a failure is kept in `error`, and a further call continues.

        Args:
            predict: Predicts records, or raises.
            progress: Called with the share of the pending rows that is done (0 to 1).
        """
        self.error = None
        for index in self.table.long_rows:
            self.refused[index] = [FieldError(row=index, reason=TOO_LONG)]
        pending = self.pending
        for start in range(0, len(pending), BATCH_ROWS):
            try:
                self._score_batch(predict, pending[start : start + BATCH_ROWS])
            except (RefusedError, UnreachableError) as error:
                self.error = error
                return
            progress(min(1.0, (start + BATCH_ROWS) / len(pending)))

    def _score_batch(self, predict: PredictBatch, indices: Sequence[int]) -> None:
        batch = predict([self.table.records[index] for index in indices])
        source = {"model": batch.model, "version": batch.version}
        for place, (index, row) in enumerate(zip(indices, batch.predictions, strict=True)):
            if row.error is None:
                scored = row.model_dump(exclude_none=True)
                self.results[index] = ModelPrediction.model_validate({**scored, **source})
            else:
                # the server lists a limited number of errors by field, and the text of each row
                errors = [each for each in batch.errors if each.row == place]
                self.refused[index] = errors or [FieldError(row=place, allowed=row.error)]
