"""The prediction log when nothing is set: the journals themselves, and a file of ground truth."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from servicio_ml.adapters.log import gathered, reader
from servicio_ml.adapters.log.files import reason
from servicio_ml.adapters.log.labels import LabelFile
from servicio_ml.adapters.log.schema import NewerSchemaError
from servicio_ml.domain.prediction import Chunk, GroundTruth, Labelled, Prediction, Purpose, Rows
from servicio_ml.errors import LogError


class SqliteLog:
    """The log of this machine.

    Args:
        folder: Of the log.

    Raises:
        LogError: It cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        with self._told():
            self._labels = LabelFile(folder)

    def find(self, ids: Sequence[str]) -> Mapping[str, Prediction]:
        with self._told():
            return reader.find(self._folder, ids)

    def chunks(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Iterator[Chunk]:
        with self._told():
            yield from reader.window(self._folder, model, start, end, [str(each) for each in purposes])

    def rows(self, model: str, version: int, start: float, end: float) -> Iterator[Rows]:
        with self._told():
            yield from gathered.rows(self._folder, model, version, start, end)

    def label(self, truths: Sequence[GroundTruth]) -> Sequence[Labelled | None]:
        with self._told():
            known = reader.find(self._folder, [truth.prediction_id for truth in truths])
            return self._labels.add(truths, known)

    def labelled(self, model: str, start: float, end: float) -> Iterator[Labelled]:
        with self._told():
            yield from self._labels.window(model, start, end)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError, NewerSchemaError) as error:
            raise LogError(str(self._folder), reason(error)) from error
