"""A journal and prediction log in memory, for a backtest: gone with the process."""

from collections.abc import Collection, Iterator, Mapping, Sequence

from servicio_ml.adapters.prediction_log.revisions import build_revisions
from servicio_ml.adapters.prediction_log.rows import (
    group_places_by_key,
    keep_latest,
    list_identifiers,
    select_features,
    select_predictions,
)
from servicio_ml.domain.prediction import (
    Chunk,
    GroundTruth,
    LabelledPrediction,
    LoggedPrediction,
    Purpose,
    ScoredRows,
)


class ScratchLog:
    """Both ports at once, over chunks that live as long as the object."""

    def __init__(self) -> None:
        self.written_chunks: dict[bytes, Chunk] = {}
        self.newest_labels: dict[str, LabelledPrediction] = {}

    def write(self, chunks: Sequence[Chunk]) -> None:
        for chunk in chunks:
            self.written_chunks.setdefault(chunk.key, chunk)

    def count_pending(self) -> int:
        return 0

    def close(self) -> None:
        return None

    def find(self, ids: Sequence[str]) -> Mapping[str, LoggedPrediction]:
        return {
            each.id: each
            for key, places in group_places_by_key(ids).items()
            if key in self.written_chunks
            for each in select_predictions(self.written_chunks[key], places)
        }

    def find_features(self, ids: Sequence[str]) -> Mapping[str, bytes]:
        return {
            each: features
            for key, places in group_places_by_key(ids).items()
            if key in self.written_chunks
            for each, features in select_features(self.written_chunks[key], places)
        }

    def find_latest(self, model: str, identifiers: Sequence[str]) -> Mapping[str, LoggedPrediction]:
        latest = dict[str, LoggedPrediction]()
        for chunk in self.written_chunks.values():
            texts = dict(list_identifiers(chunk)) if chunk.model == model else {}
            wanted = [place for place, text in texts.items() if text in identifiers]
            for place, each in zip(wanted, select_predictions(chunk, wanted), strict=True):
                latest = keep_latest(latest, {texts[place]: each})
        return latest

    def read_chunks(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Iterator[Chunk]:
        for chunk in sorted(self.written_chunks.values(), key=lambda chunk: chunk.at):
            if chunk.model == model and start <= chunk.at < end and chunk.purpose in purposes:
                yield chunk

    def list_versions(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Collection[int]:
        return {chunk.version for chunk in self.read_chunks(model, start, end, purposes)}

    def read_rows(self, model: str, version: int, start: float, end: float) -> Iterator[ScoredRows]:
        for chunk in self.read_chunks(model, start, end, tuple(Purpose)):
            if chunk.version == version:
                yield ScoredRows(
                    rows=chunk.rows, features=chunk.features, outcomes=chunk.outcomes,
                    probabilities=chunk.probabilities,
                )  # fmt: skip

    def add_ground_truth(self, truths: Sequence[GroundTruth]) -> Sequence[LabelledPrediction | None]:
        known = self.find([truth.prediction_id for truth in truths])
        return build_revisions(truths, known, self.newest_labels)

    def read_ground_truth(self, model: str, start: float, end: float) -> Iterator[LabelledPrediction]:
        for each in sorted(self.newest_labels.values(), key=lambda each: each.prediction.at):
            if each.prediction.model == model and start <= each.prediction.at < end:
                yield each
