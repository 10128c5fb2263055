"""Port of the prediction log: logged predictions and their ground truth."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Protocol

from servicio_ml.domain.prediction import (
    Chunk,
    GroundTruth,
    LabelledPrediction,
    LoggedPrediction,
    Purpose,
    ScoredRows,
)


class PredictionLog(Protocol):
    """Every logged prediction and its ground truth, read by id and by window of time.

    Times are seconds since 1970; a window holds `start <= at < end`. Every method raises `LogError` when the
    store refuses and may be called from several threads::

        for chunk in log.read_chunks("rain_australia", start, end):
            ...
    """

    def find(self, ids: Sequence[str]) -> Mapping[str, LoggedPrediction]:
        """Return the logged predictions by id; unknown ids are left out."""
        ...

    def find_latest(self, model: str, identifiers: Sequence[str]) -> Mapping[str, LoggedPrediction]:
        """Return the latest answer of a model for the row of each identifier; unknown ones are left out."""
        ...

    def find_features(self, ids: Sequence[str]) -> Mapping[str, bytes]:
        """Return the features of logged predictions by id, packed as in a chunk; unknown ids are left out."""
        ...

    def read_chunks(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Iterator[Chunk]:
        """Iterate over the chunks of a window, the oldest first."""
        ...

    def list_versions(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Collection[int]:
        """List the versions that have chunks in a window, in no order."""
        ...

    def read_rows(self, model: str, version: int, start: float, end: float) -> Iterator[ScoredRows]:
        """Iterate over the rows that a version scored in a window, in no order; faster than `read_chunks`.

        Rows of every purpose are included. An item has some thousand rows, or one larger chunk.
        """
        ...

    def add_ground_truth(self, truths: Sequence[GroundTruth]) -> Sequence[LabelledPrediction | None]:
        """Add ground truth in one transaction; an unknown prediction gives None.

        A repeated value changes nothing; a different value is a new revision.
        """
        ...

    def read_ground_truth(self, model: str, start: float, end: float) -> Iterator[LabelledPrediction]:
        """Iterate over the newest ground truth of the predictions of a window, the oldest prediction first.

        `new` is True. Predictions of every purpose are included.
        """
        ...
