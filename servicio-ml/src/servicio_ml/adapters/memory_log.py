"""The journal and the prediction log in memory, for tests and replays."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from servicio_ml.domain.prediction import (
    Chunk,
    GroundTruth,
    Labelled,
    Prediction,
    Purpose,
    Rows,
    parsed_id,
    prediction_ids,
)
from servicio_ml.errors import UnknownPredictionError


class MemoryLog:
    """Both ports at once; lives as long as the object."""

    def __init__(self) -> None:
        self.written: dict[bytes, Chunk] = {}
        self.truths: dict[str, list[Labelled]] = {}

    def write(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self.written.setdefault(chunk.key, chunk)

    def pending(self) -> int:
        return 0

    def close(self) -> None:
        return None

    def find(self, ids: Sequence[str]) -> Mapping[str, Prediction]:
        found = {each: self._found(each) for each in ids}
        return {each: prediction for each, prediction in found.items() if prediction is not None}

    def _found(self, prediction_id: str) -> Prediction | None:
        try:
            key, place = parsed_id(prediction_id)
        except UnknownPredictionError:
            return None
        chunk = self.written.get(key)
        if chunk is None:
            return None
        at = np.searchsorted(np.frombuffer(chunk.places, dtype="<u4"), place)
        row = next(rows_of(chunk, int(at)), None)
        return row if row is not None and row.id == prediction_ids(key, place, 1)[0] else None

    def chunks(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Iterator[Chunk]:
        for chunk in sorted(self.written.values(), key=lambda chunk: chunk.at):
            if chunk.model == model and start <= chunk.at < end and chunk.purpose in purposes:
                yield chunk

    def rows(self, model: str, version: int, start: float, end: float) -> Iterator[Rows]:
        for chunk in self.chunks(model, start, end, tuple(Purpose)):
            if chunk.version == version:
                yield Rows(
                    rows=chunk.rows, features=chunk.features, outcomes=chunk.outcomes,
                    probabilities=chunk.probabilities,
                )  # fmt: skip

    def label(self, truths: Sequence[GroundTruth]) -> Sequence[Labelled | None]:
        return [self._labelled(truth) for truth in truths]

    def _labelled(self, truth: GroundTruth) -> Labelled | None:
        prediction = self._found(truth.prediction_id)
        if prediction is None:
            return None
        revisions = self.truths.setdefault(truth.prediction_id, [])
        known = bool(revisions) and revisions[-1].actual == truth.actual
        if not known:
            revisions.append(
                Labelled(
                    prediction=prediction, actual=truth.actual, at=truth.at,
                    revision=len(revisions) + 1, new=True,
                )
            )  # fmt: skip
            return revisions[-1]
        last = revisions[-1]
        return Labelled(
            prediction=prediction, actual=last.actual, at=last.at, revision=last.revision, new=False
        )

    def labelled(self, model: str, start: float, end: float) -> Iterator[Labelled]:
        for revisions in self.truths.values():
            prediction = revisions[-1].prediction
            if prediction.model == model and start <= prediction.at < end:
                yield revisions[-1]


def rows_of(chunk: Chunk, start: int = 0) -> Iterator[Prediction]:
    """The rows of a chunk one by one, from the so-manieth on."""
    places = np.frombuffer(chunk.places, dtype="<u4")
    outcomes = np.frombuffer(chunk.outcomes, dtype="<f8")
    probabilities = np.frombuffer(chunk.probabilities, dtype="<f8").reshape(chunk.rows, -1)
    for i in range(start, chunk.rows):
        yield Prediction(
            id=prediction_ids(chunk.key, int(places[i]), 1)[0], at=chunk.at, model=chunk.model,
            version=chunk.version, purpose=chunk.purpose, outcome=float(outcomes[i]),
            probabilities=tuple(probabilities[i].tolist()),
        )  # fmt: skip
