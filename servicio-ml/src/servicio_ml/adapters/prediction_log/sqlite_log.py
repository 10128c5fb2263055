"""The default prediction log: the journals themselves and a file of ground truth."""

import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from servicio_ml.adapters.prediction_log import bulk_read, reader
from servicio_ml.adapters.prediction_log.ground_truth import GroundTruthFile
from servicio_ml.adapters.prediction_log.schema import NewerSchemaError
from servicio_ml.adapters.prediction_log.sqlite_files import describe_error
from servicio_ml.domain.prediction import (
    Chunk,
    GroundTruth,
    LabelledPrediction,
    LoggedPrediction,
    Purpose,
    ScoredRows,
)
from servicio_ml.errors import LogError


class SqlitePredictionLog:
    """The prediction log of this machine.

    Args:
        folder: Folder of the journals.

    Raises:
        LogError: The log cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._translate_errors():
            self._labels = GroundTruthFile(folder)

    def find(self, ids: Sequence[str]) -> Mapping[str, LoggedPrediction]:
        with self._translate_errors():
            return reader.find_predictions(self._folder, ids)

    def find_features(self, ids: Sequence[str]) -> Mapping[str, bytes]:
        with self._translate_errors():
            return reader.find_features(self._folder, ids)

    def find_latest(self, model: str, identifiers: Sequence[str]) -> Mapping[str, LoggedPrediction]:
        with self._translate_errors():
            return reader.find_latest(self._folder, model, identifiers)

    def read_chunks(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Iterator[Chunk]:
        with self._translate_errors():
            yield from reader.read_window(self._folder, model, start, end, [str(each) for each in purposes])

    def list_versions(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Collection[int]:
        with self._translate_errors():
            return reader.list_versions(self._folder, model, start, end, [str(each) for each in purposes])

    def read_rows(self, model: str, version: int, start: float, end: float) -> Iterator[ScoredRows]:
        with self._translate_errors():
            yield from bulk_read.read_rows(self._folder, model, version, start, end)

    def add_ground_truth(self, truths: Sequence[GroundTruth]) -> Sequence[LabelledPrediction | None]:
        with self._translate_errors():
            known = reader.find_predictions(self._folder, [truth.prediction_id for truth in truths])
            return self._labels.add(truths, known)

    def read_ground_truth(self, model: str, start: float, end: float) -> Iterator[LabelledPrediction]:
        with self._translate_errors():
            yield from self._labels.read_window(model, start, end)

    @contextmanager
    def _translate_errors(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, NewerSchemaError) as error:
            raise LogError(str(self._folder), describe_error(error)) from error
