"""The view of a model in PostgreSQL: the rows of `servicio-ml predictions`, by SQL."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg.rows import dict_row

from logged_rows import BINARY, MISSING, MODEL, NOW, RECORD, build_chunk, build_version, list_ids
from servicio_ml import bootstrap
from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.adapters.prediction_log.journal_file import JournalFile
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase
from servicio_ml.adapters.prediction_log.postgres.log import PostgresPredictionLog
from servicio_ml.adapters.prediction_log.postgres.shipper import Shipper
from servicio_ml.adapters.prediction_log.postgres.view import build_view, create_view
from servicio_ml.domain.prediction import Chunk, GroundTruth, Purpose
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.errors import LogError, SettingsError
from servicio_ml.features.logged_rows.columns import LoggedVersion, name_class_column
from servicio_ml.features.logged_rows.read import PredictionQuery, open_predictions
from servicio_ml.settings import Settings

VIEW = "SELECT * FROM predictions_rain ORDER BY time, prediction_id"
SIZE = Field(name="size", kind=Kind.NUMBER, nullable=True)
WIDE = Field(name="day", kind=Kind.DATETIME)
VERSIONS = (
    BINARY,
    # the same fields, other levels
    LoggedVersion(version=4, schema=BINARY.schema, output=BINARY.output),
    build_version(5, SIZE, Field(name="town", kind=Kind.CATEGORY, levels=("Perth", "Sydney")), WIDE),
    build_version(6, Field(name="size", kind=Kind.BOOLEAN), task="multiclass", labels=("a b", 'c"d', "é")),
    build_version(7, Field(name="count", kind=Kind.DATE, nullable=True), task="regression", labels=()),
)
RECORDS: Sequence[Sequence[dict[str, Any]]] = (
    [dict(RECORD), dict(MISSING)],
    [{**RECORD, "size": 0.001, "count": -5, "note": "diesel's", "day": "1969-12-31"}],
    [{"size": 16_777_216, "town": "Sydney", "day": "2020-01-31T12:00:00"}],
    [{"size": True}],
    [{"count": "2020-02-29"}, {"count": None}],
)


class ShippedLog:
    """A log in PostgreSQL with what fills it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url, self.database = url, LogDatabase(url)
        self.log = PostgresPredictionLog(self.database, folder)
        self._journal = SqliteJournal.open_exclusive(folder)
        self._file = JournalFile(self._journal.path)

    def write(self, *chunks: Chunk) -> None:
        self._journal.write(chunks)
        Shipper(self.database).ship(self._file, lambda: True)

    def query(self, statement: str) -> list[dict[str, Any]]:
        with psycopg.connect(self.url, row_factory=dict_row) as connection:
            return connection.execute(statement.encode()).fetchall()

    def execute(self, statement: str) -> None:
        with psycopg.connect(self.url) as connection:
            connection.execute(statement.encode())

    def close(self) -> None:
        self._file.close()
        self._journal.close()
        self.database.close()


@pytest.fixture
def shipped(database: str, tmp_path: Path) -> Iterator[ShippedLog]:
    made = ShippedLog(database, tmp_path)
    yield made
    made.close()


def read_decoded(shipped: ShippedLog, versions: Sequence[LoggedVersion]) -> list[dict[str, Any]]:
    """The rows as `servicio-ml predictions` writes them into CSV, but typed."""
    query = PredictionQuery(model=MODEL, start=0, end=NOW + 1000)
    known = {each.version: each for each in versions}
    opened = open_predictions(shipped.log, query, 3, known.__getitem__)
    rows = [row for table in opened.tables for row in table.to_pylist()]
    for row in rows:
        for label, share in (row.pop("probabilities", None) or {}).items():
            row[name_class_column(label)] = share
    return rows


@pytest.mark.slow
class TestRows:
    def test_literally(self, shipped: ShippedLog) -> None:
        chunk = build_chunk(
            BINARY, [RECORD, MISSING], outcomes=[1, 0], probabilities=[(0.25, 0.75), (0.5, 0.5)],
            identifiers=("k-1", None),
        )  # fmt: skip
        shipped.write(chunk, build_chunk(BINARY, [RECORD], purpose=Purpose.SHADOW))
        ids = list_ids(chunk)
        truths = [GroundTruth(prediction_id=ids[0], actual=actual, at=NOW) for actual in (1.0, 0.0)]
        for each in truths:
            shipped.log.add_ground_truth([each])
        assert create_view(shipped.database, MODEL, [BINARY]) == "predictions_rain"
        first, second = shipped.query(VIEW)
        assert {**first, "prediction_id": str(first["prediction_id"])} == {
            "prediction_id": ids[0], "time": datetime(2023, 11, 14, 22, 13, 20, 250_000, UTC), "version": 3,
            "identifier": "k-1", "day": date(2016, 6, 15),
            "seen": datetime(2016, 6, 15, 23, 59, 58),  # noqa: DTZ001  as written
            "size": 12.1, "count": 7, "town": 'the "Top"', "wet": True, "note": "sold 2015",
            "raw label": 0.5, "prediction": 1, "label": "Yes", "probability": 0.75, "actual": "No",
        }  # fmt: skip
        filled = {name for name, value in second.items() if value is not None}
        assert filled == {"prediction_id", "time", "version", "prediction", "label", "probability"}

    def test_versions_are_decoded_as_by_the_command(self, shipped: ShippedLog) -> None:
        chunks = [
            build_chunk(version, records, at=NOW + i)
            for i, (version, records) in enumerate(zip(VERSIONS, RECORDS, strict=True))
        ]
        shipped.write(*chunks)
        ids = [list_ids(chunk)[0] for chunk in chunks]
        shipped.log.add_ground_truth([GroundTruth(prediction_id=each, actual=1.0, at=NOW) for each in ids])
        create_view(shipped.database, MODEL, VERSIONS)
        found = [{**row, "prediction_id": str(row["prediction_id"])} for row in shipped.query(VIEW)]
        expected = read_decoded(shipped, VERSIONS)
        assert len(expected) == sum(map(len, RECORDS))
        classes = [name_class_column(label) for label in ("a b", 'c"d', "é")]
        assert found == [{**dict.fromkeys(classes), **row} for row in expected]


@pytest.mark.slow
class TestRefresh:
    def test_rows_of_a_version_that_it_does_not_know_have_no_values(self, shipped: ShippedLog) -> None:
        other = build_version(8, SIZE)
        create_view(shipped.database, MODEL, [BINARY])
        shipped.write(build_chunk(other, [{"size": 2.5}]))
        [row] = shipped.query(VIEW)
        assert (row["version"], row["size"], row["label"]) == (8, None, None)
        create_view(shipped.database, MODEL, [BINARY, other])
        [row] = shipped.query(VIEW)
        assert (row["version"], row["size"], row["label"]) == (8, 2.5, "No")

    def test_rows_of_another_registry_have_no_values(self, shipped: ShippedLog) -> None:
        shipped.write(build_chunk(build_version(3, SIZE), [{"size": 2.5}]))
        create_view(shipped.database, MODEL, [BINARY])
        [row] = shipped.query(VIEW)
        assert (row["version"], row["size"], row["label"]) == (3, None, None)

    def test_who_may_read_it_still_may(self, shipped: ShippedLog) -> None:
        create_view(shipped.database, MODEL, [BINARY])
        shipped.execute("DROP ROLE IF EXISTS analyst")
        shipped.execute("CREATE ROLE analyst")
        shipped.execute("GRANT SELECT ON predictions_rain TO analyst")
        create_view(shipped.database, MODEL, [build_version(3, SIZE)])
        shipped.execute("SET ROLE analyst; SELECT * FROM predictions_rain")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            shipped.execute("SET ROLE analyst; SELECT * FROM prediction")
        shipped.execute("DROP OWNED BY analyst; DROP ROLE analyst")

    def test_a_view_that_others_depend_on_is_left_as_it_is(self, shipped: ShippedLog) -> None:
        create_view(shipped.database, MODEL, [BINARY])
        shipped.execute("CREATE VIEW mine AS SELECT size FROM predictions_rain")
        with pytest.raises(LogError, match="other objects depend on it"):
            create_view(shipped.database, MODEL, [build_version(3, SIZE)])
        assert shipped.query("SELECT * FROM mine") == []


def test_a_name_that_postgresql_would_cut_off_is_refused() -> None:
    field = Field(name="a" * 64, kind=Kind.NUMBER)
    with pytest.raises(LogError, match="longer than the 63 bytes"):
        build_view("predictions_rain", MODEL, [build_version(1, field)])


def test_without_postgresql_the_setting_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="SERVICIO_ML_LOG_URL"):
        bootstrap.create_prediction_view(Settings(state_dir=tmp_path), MODEL, [BINARY])
