"""The SQLite file of ground truth, which all processes of the machine write."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from servicio_ml.adapters.prediction_log.reader import MAX_PARAMETERS
from servicio_ml.adapters.prediction_log.revisions import build_revisions
from servicio_ml.adapters.prediction_log.schema import StoreKind
from servicio_ml.adapters.prediction_log.sqlite_files import get_labels_path, open_store
from servicio_ml.domain.prediction import GroundTruth, LabelledPrediction, LoggedPrediction

COLUMNS = "prediction_id, revision, actual, at, model, version, purpose, predicted_at, outcome, probabilities"
INSERT = f"INSERT INTO label ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  constants
IS_NEWEST = (
    "revision = (SELECT max(revision) FROM label AS every WHERE every.prediction_id = label.prediction_id)"
)
READ_PAGE = f"""
SELECT {COLUMNS} FROM label
WHERE model = ? AND (predicted_at, prediction_id) > (?, ?) AND predicted_at < ? AND {IS_NEWEST}
ORDER BY predicted_at, prediction_id LIMIT 1000
"""  # noqa: S608  constants
CHECKPOINT_PAGES = 1000
LIST_MODELS = """
WITH RECURSIVE known(model) AS (
    SELECT min(model) FROM {table}
    UNION ALL SELECT (SELECT min(model) FROM {table} WHERE model > known.model) FROM known
    WHERE known.model IS NOT NULL
) SELECT model FROM known WHERE model IS NOT NULL
"""
"""Lists the models of a table by its index: one look-up for each model instead of one for each row."""


class GroundTruthFile:
    """Revisions of ground truth in SQLite. Every method raises `sqlite3.Error` when SQLite refuses.

    Args:
        folder: Folder of the prediction log.

    Raises:
        sqlite3.Error: The file cannot be opened.
        OSError: The folder cannot be written.
        NewerSchemaError: A newer program has written the file.
    """

    def __init__(self, folder: Path) -> None:
        self.path = get_labels_path(folder)
        open_store(self.path, StoreKind.LABELS).close()

    def add(
        self, truths: Sequence[GroundTruth], predictions: Mapping[str, LoggedPrediction]
    ) -> list[LabelledPrediction | None]:
        """Add ground truth of known predictions in one transaction."""
        with closing(self._open()) as connection:
            # the write lock first: two processes must not read the same newest revision
            connection.execute("BEGIN IMMEDIATE")
            taken = build_revisions(truths, predictions, self._read_newest(connection, list(predictions)))
            connection.executemany(
                INSERT, [_build_row(each) for each in taken if each is not None and each.new]
            )
            connection.execute("COMMIT")
        return taken

    def read_window(self, model: str, start: float, end: float) -> Iterator[LabelledPrediction]:
        """Read the newest revisions of predictions in `start <= at < end`, oldest prediction first."""
        after = (start, "")
        with closing(self._open()) as connection:
            while rows := connection.execute(READ_PAGE, (model, *after, end)).fetchall():
                for row in rows:
                    yield _build_labelled(row)
                after = (rows[-1][7], rows[-1][0])

    def delete_before(self, time: float) -> int:
        """Delete the revisions of predictions older than a time, and return their number."""
        with closing(self._open()) as connection:
            models = connection.execute(LIST_MODELS.format(table="label")).fetchall()
            return sum(
                connection.execute(
                    "DELETE FROM label WHERE model = ? AND predicted_at < ?", (model, time)
                ).rowcount
                for (model,) in models
            )

    # a connection for each call: ground truth is rare, and a generator may be read by any thread
    def _open(self) -> sqlite3.Connection:
        connection = open_store(self.path, StoreKind.LABELS)
        # `open_store` turns automatic checkpoints off, which only journals have a maintainer for
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        return connection

    @staticmethod
    def _read_newest(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, LabelledPrediction]:
        newest = dict[str, LabelledPrediction]()
        for i in range(0, len(ids), MAX_PARAMETERS):
            batch = ids[i : i + MAX_PARAMETERS]
            asked = ", ".join("?" * len(batch))
            query = f"SELECT {COLUMNS} FROM label WHERE prediction_id IN ({asked}) AND {IS_NEWEST}"  # noqa: S608  constants
            newest.update((row[0], _build_labelled(row)) for row in connection.execute(query, batch))
        return newest


def _build_row(each: LabelledPrediction) -> tuple[object, ...]:
    of = each.prediction
    return (
        of.id, each.revision, each.actual, each.at, of.model, of.version, of.purpose, of.at, of.outcome,
        np.asarray(of.probabilities, dtype="<f8").tobytes(),
    )  # fmt: skip


def _build_labelled(
    row: tuple[str, int, float, float, str, int, str, float, float, bytes],
) -> LabelledPrediction:
    prediction_id, revision, actual, at, model, version, purpose, predicted_at, outcome, probabilities = row
    prediction = LoggedPrediction(
        id=prediction_id, at=predicted_at, model=model, version=version, purpose=purpose, outcome=outcome,
        probabilities=tuple(np.frombuffer(probabilities, dtype="<f8").tolist()),
    )  # fmt: skip
    return LabelledPrediction(prediction=prediction, actual=actual, at=at, revision=revision, new=True)
