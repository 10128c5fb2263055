"""The file of ground truth, which every process of the machine writes."""

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from servicio_ml.adapters.log.files import labels_path, open_store
from servicio_ml.adapters.log.reader import MAX_PARAMETERS
from servicio_ml.adapters.log.revisions import revised
from servicio_ml.adapters.log.schema import Store
from servicio_ml.domain.prediction import GroundTruth, Labelled, Prediction

COLUMNS = "prediction_id, revision, actual, at, model, version, purpose, predicted_at, outcome, probabilities"
INSERT = f"INSERT INTO label ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"  # noqa: S608  constants
NEWEST = (
    "revision = (SELECT max(revision) FROM label AS every WHERE every.prediction_id = label.prediction_id)"
)
PAGE = f"""
SELECT {COLUMNS} FROM label
WHERE model = ? AND (predicted_at, prediction_id) > (?, ?) AND predicted_at < ? AND {NEWEST}
ORDER BY predicted_at, prediction_id LIMIT 1000
"""  # noqa: S608  constants
CHECKPOINT_PAGES = 1000
MODELS = """
WITH RECURSIVE known(model) AS (
    SELECT min(model) FROM {table}
    UNION ALL SELECT (SELECT min(model) FROM {table} WHERE model > known.model) FROM known
    WHERE known.model IS NOT NULL
) SELECT model FROM known WHERE model IS NOT NULL
"""
"""The models of a table, by its index: one look for each instead of one for each row."""


class LabelFile:
    """Revisions of ground truth in SQLite.

    Args:
        folder: Of the log.

    Raises:
        sqlite3.Error: SQLite refuses; so for every method.
        OSError: The folder cannot be written.
        NewerSchemaError: The file was made by a newer program.
    """

    def __init__(self, folder: Path) -> None:
        self.path = labels_path(folder)
        open_store(self.path, Store.LABELS).close()

    def add(
        self, truths: Sequence[GroundTruth], predictions: Mapping[str, Prediction]
    ) -> list[Labelled | None]:
        """Take in ground truth of known predictions in one transaction."""
        with closing(self._open()) as connection:
            connection.execute("BEGIN IMMEDIATE")
            taken = revised(truths, predictions, self._newest(connection, list(predictions)))
            connection.executemany(INSERT, [_row(each) for each in taken if each is not None and each.new])
            connection.execute("COMMIT")
        return taken

    def window(self, model: str, start: float, end: float) -> Iterator[Labelled]:
        """The newest revisions of the predictions of a window, the oldest prediction first."""
        after = (start, "")
        with closing(self._open()) as connection:
            while rows := connection.execute(PAGE, (model, *after, end)).fetchall():
                for row in rows:
                    yield _labelled(row)
                after = (rows[-1][7], rows[-1][0])

    def forget(self, before: float) -> int:
        """Delete what belongs to predictions of before a time; gives how many revisions."""
        with closing(self._open()) as connection:
            models = connection.execute(MODELS.format(table="label")).fetchall()
            return sum(
                connection.execute(
                    "DELETE FROM label WHERE model = ? AND predicted_at < ?", (model, before)
                ).rowcount
                for (model,) in models
            )

    def _open(self) -> sqlite3.Connection:
        connection = open_store(self.path, Store.LABELS)
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        return connection

    @staticmethod
    def _newest(connection: sqlite3.Connection, ids: Sequence[str]) -> dict[str, Labelled]:
        newest = dict[str, Labelled]()
        for i in range(0, len(ids), MAX_PARAMETERS):
            part = ids[i : i + MAX_PARAMETERS]
            asked = ", ".join("?" * len(part))
            query = f"SELECT {COLUMNS} FROM label WHERE prediction_id IN ({asked}) AND {NEWEST}"  # noqa: S608  constants
            newest.update((row[0], _labelled(row)) for row in connection.execute(query, part))
        return newest


def _row(each: Labelled) -> tuple[object, ...]:
    of = each.prediction
    return (
        of.id, each.revision, each.actual, each.at, of.model, of.version, of.purpose, of.at, of.outcome,
        np.asarray(of.probabilities, dtype="<f8").tobytes(),
    )  # fmt: skip


def _labelled(row: tuple[str, int, float, float, str, int, str, float, float, bytes]) -> Labelled:
    prediction_id, revision, actual, at, model, version, purpose, predicted_at, outcome, probabilities = row
    prediction = Prediction(
        id=prediction_id, at=predicted_at, model=model, version=version, purpose=purpose, outcome=outcome,
        probabilities=tuple(np.frombuffer(probabilities, dtype="<f8").tolist()),
    )  # fmt: skip
    return Labelled(prediction=prediction, actual=actual, at=at, revision=revision, new=True)
