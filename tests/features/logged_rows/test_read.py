"""The rows of a window, decoded, with their answers and ground truth."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest

from logged_rows import (
    BINARY,
    MISSING,
    MODEL,
    NOW,
    RECORD,
    SCHEMA,
    build_chunk,
    build_version,
    list_ids,
)
from servicio_ml.adapters.prediction_log.scratch_log import ScratchLog
from servicio_ml.domain.prediction import Chunk, GroundTruth, Purpose
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.errors import LoggedRowsError, NoSuchModelError
from servicio_ml.features.logged_rows import read
from servicio_ml.features.logged_rows.columns import LoggedVersion
from servicio_ml.features.logged_rows.read import PredictionQuery, PredictionTables, open_predictions

END = NOW + 1000
SIZE = Field(name="size", kind=Kind.NUMBER, nullable=True)
TOWN = Field(name="town", kind=Kind.CATEGORY, levels=("Sydney", "Perth"))


def open_window(log: ScratchLog, *versions: LoggedVersion, newest: int = 3, **query: Any) -> PredictionTables:
    known = {each.version: each for each in versions or (BINARY,)}

    def load(version: int) -> LoggedVersion:
        if version not in known:
            raise NoSuchModelError(MODEL, f"version {version}", "see them")
        return known[version]

    asked = PredictionQuery(**{"model": MODEL, "start": NOW - 10, "end": END, **query})
    return open_predictions(log, asked, newest, load)


def write_log(*chunks: Chunk) -> ScratchLog:
    log = ScratchLog()
    log.write(chunks)
    return log


def read_rows(opened: PredictionTables) -> list[dict[str, Any]]:
    return [row for table in opened.tables for row in table.to_pylist()]


def test_a_row_has_its_fields_its_answer_and_its_ground_truth() -> None:
    chunk = build_chunk(
        BINARY, [RECORD, MISSING], outcomes=[1, 0], probabilities=[(0.25, 0.75), (0.875, 0.125)],
        identifiers=("k-1", None),
    )  # fmt: skip
    log = write_log(chunk)
    log.add_ground_truth([GroundTruth(prediction_id=list_ids(chunk)[0], actual=0.0, at=END)])
    opened = open_window(log)
    first, second = read_rows(opened)
    assert first == {
        "prediction_id": list_ids(chunk)[0],
        "time": datetime(2023, 11, 14, 22, 13, 20, 250_000, UTC),
        "version": 3,
        "identifier": "k-1",
        "day": date(2016, 6, 15),
        "seen": datetime(2016, 6, 15, 23, 59, 58),  # noqa: DTZ001  as written
        "size": 12.1,
        "count": 7,
        "town": 'the "Top"',
        "wet": True,
        # of a text the words that the model knows
        "note": "sold 2015",
        "raw label": 0.5,
        "prediction": 1,
        "label": "Yes",
        "probability": 0.75,
        "actual": "No",
    }
    assert second == {
        **dict.fromkeys(first), "prediction_id": list_ids(chunk)[1], "time": first["time"], "version": 3,
        "prediction": 0, "label": "No", "probability": 0.125,
    }  # fmt: skip
    assert opened.columns.metadata == {b"model": b"rain"}


def test_a_text_outside_of_the_learned_levels_is_read_as_the_model_has_read_it() -> None:
    log = write_log(build_chunk(BINARY, [{**RECORD, "town": "Perth", "note": "unheard of"}]))
    [row] = read_rows(open_window(log))
    assert (row["town"], row["note"]) == ("other", "")


def test_several_classes_have_a_probability_each_and_a_number_none() -> None:
    several = build_version(1, SIZE, task="multiclass", labels=("low", "middle", "high"))
    log = write_log(build_chunk(several, [{"size": 1}], outcomes=[2], probabilities=[(0.125, 0.25, 0.625)]))
    [row] = read_rows(open_window(log, several))
    assert (row["prediction"], row["label"]) == (2, "high")
    assert row["probabilities"] == {"low": 0.125, "middle": 0.25, "high": 0.625}
    number = build_version(1, SIZE, task="regression", labels=())
    chunk = build_chunk(number, [{"size": 1}], outcomes=[132_000.5])
    log = write_log(chunk)
    log.add_ground_truth([GroundTruth(prediction_id=list_ids(chunk)[0], actual=130_000.0, at=END)])
    [row] = read_rows(open_window(log, number))
    assert list(row) == ["prediction_id", "time", "version", "identifier", "size", "prediction", "actual"]
    assert (row["prediction"], row["actual"]) == (132_000.5, 130_000.0)


def test_versions_with_other_fields_have_the_fields_of_both() -> None:
    count = Field(name="count", kind=Kind.INTEGER)
    old = build_version(1, SIZE, count)
    new = build_version(2, TOWN, SIZE)
    log = write_log(
        build_chunk(old, [{"size": 1.5, "count": 4}], at=NOW),
        build_chunk(new, [{"size": 2.5, "town": "Perth"}, {"size": None, "town": "Sydney"}], at=NOW + 1),
        build_chunk(old, [{"size": 3.5, "count": 5}], at=NOW + 2),
    )
    opened = open_window(log, old, new)
    assert opened.columns.names[4:7] == ["town", "size", "count"]
    rows = [(row["version"], row["town"], row["size"], row["count"]) for row in read_rows(opened)]
    assert rows == [
        (1, None, 1.5, 4), (2, "Perth", 2.5, None), (2, "Sydney", None, None), (1, None, 3.5, 5),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "kind", "values"),
    [
        (
            (Kind.INTEGER, 4), (Kind.NUMBER, 1.5), pa.float64(), [4.0, 1.5],
        ),
        (
            (Kind.DATE, "2020-01-31"), (Kind.DATETIME, "2020-01-31T12:00:00"), pa.timestamp("s"),
            [datetime(2020, 1, 31), datetime(2020, 1, 31, 12)],  # noqa: DTZ001
        ),
        ((Kind.BOOLEAN, True), (Kind.NUMBER, 12.1), pa.string(), ["true", "12.1"]),
        (
            (Kind.DATETIME, "2020-01-31T12:00:00"), (Kind.INTEGER, 3), pa.string(),
            ["2020-01-31T12:00:00", "3"],
        ),
    ],
    ids=["numbers", "dates", "boolean and number", "date-time and integer"],
)  # fmt: skip
def test_a_field_of_another_type_has_the_one_that_holds_both(
    old: tuple[Kind, Any], new: tuple[Kind, Any], kind: Any, values: list[Any]
) -> None:
    versions = [build_version(i, Field(name="a", kind=each)) for i, (each, _) in enumerate((old, new), 1)]
    chunks = [
        build_chunk(version, [{"a": value}], at=NOW + version.version)
        for version, (_, value) in zip(versions, (old, new), strict=True)
    ]
    opened = open_window(write_log(*chunks), *versions)
    assert opened.columns.field("a").type == kind
    assert [row["a"] for row in read_rows(opened)] == values


def test_versions_of_several_tasks_have_the_columns_of_each() -> None:
    several = build_version(1, SIZE, task="multiclass", labels=("low", "high", "top"))
    others = build_version(2, SIZE, task="multiclass", labels=("high", "top", "peak"))
    number = build_version(4, SIZE, task="regression", labels=())
    versions = (several, others, build_version(3, SIZE), number)
    log = write_log(*(build_chunk(each, [{"size": 1}], at=NOW + each.version) for each in versions))
    rows = read_rows(open_window(log, *versions))
    assert [row["label"] for row in rows] == ["low", "high", "No", None]
    assert [row["probability"] for row in rows] == [None, None, 0.5, None]
    third = 1 / 3
    assert [row["probabilities"] for row in rows] == [
        {"low": third, "high": third, "top": third, "peak": None},
        {"low": None, "high": third, "top": third, "peak": third},
        None,
        None,
    ]


def test_only_what_clients_have_received_is_read() -> None:
    purposes = (Purpose.ANSWER, Purpose.SHADOW, Purpose.CANARY)
    log = write_log(
        *(build_chunk(BINARY, [{**RECORD, "count": i}], purpose=each) for i, each in enumerate(purposes)),
        build_chunk(BINARY, [RECORD], model="heart"),
    )
    assert [row["count"] for row in read_rows(open_window(log))] == [0, 2]


def test_a_window_a_version_and_a_limit_select_rows() -> None:
    other = build_version(4, *SCHEMA.fields)
    log = write_log(
        *(build_chunk(BINARY, [{**RECORD, "count": i}] * 2, at=NOW + i) for i in range(4)),
        build_chunk(other, [{**RECORD, "count": 9}], at=NOW + 1.5),
    )

    def list_counts(**query: Any) -> list[int]:
        return [row["count"] for row in read_rows(open_window(log, BINARY, other, **query))]

    assert list_counts() == [0, 0, 1, 1, 9, 2, 2, 3, 3]
    assert list_counts(start=NOW + 1, end=NOW + 3) == [1, 1, 9, 2, 2]
    assert list_counts(version=4) == [9]
    assert list_counts(version=3, limit=3) == [0, 0, 1]
    assert list_counts(limit=100) == [0, 0, 1, 1, 9, 2, 2, 3, 3]


def test_a_sample_of_a_request_keeps_the_ids_of_its_rows() -> None:
    chunk = build_chunk(BINARY, [RECORD, MISSING], places=(3, 700))
    assert [row["prediction_id"] for row in read_rows(open_window(write_log(chunk)))] == list_ids(chunk)
    assert [each[-6:] for each in list_ids(chunk)] == ["000003", "0002bc"]


def test_a_window_without_rows_has_the_columns_of_the_newest_version() -> None:
    opened = open_window(ScratchLog())
    assert opened.columns.names[4:6] == ["day", "seen"]
    assert read_rows(opened) == []


def test_a_version_that_is_gone_is_named() -> None:
    log = write_log(build_chunk(build_version(1, SIZE), [{"size": 1}]))
    with pytest.raises(
        LoggedRowsError, match="'rain' version 1 cannot be read: it is not registered any more"
    ):
        open_window(log)
    with pytest.raises(NoSuchModelError, match="has no version 2"):
        open_window(log, version=2)


def test_a_version_of_another_registry_is_refused() -> None:
    log = write_log(build_chunk(build_version(3, SIZE), [{"size": 1}]))
    with pytest.raises(LoggedRowsError, match="they have 1 values each, and its schema 12"):
        read_rows(open_window(log))


def test_a_version_that_answers_after_the_start_is_named() -> None:
    other = build_version(4, SIZE)
    log = write_log(build_chunk(BINARY, [RECORD]))
    opened = open_window(log, BINARY, other)
    log.write([build_chunk(other, [{"size": 1}], at=NOW + 1)])
    with pytest.raises(LoggedRowsError, match="version 4 cannot be read: it is new since"):
        read_rows(opened)


class CountingLog(ScratchLog):
    """Counts what has been read of it."""

    chunks_read = truths_read = 0

    def read_chunks(
        self, model: str, start: float, end: float, purposes: Sequence[Purpose] = (Purpose.ANSWER,)
    ) -> Iterator[Chunk]:
        for chunk in super().read_chunks(model, start, end, purposes):
            self.chunks_read += 1
            yield chunk

    def read_ground_truth(self, model: str, start: float, end: float) -> Iterator[Any]:
        for each in super().read_ground_truth(model, start, end):
            self.truths_read += 1
            yield each


def test_a_block_is_read_when_it_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "BLOCK_ROWS", 4)
    log, count = CountingLog(), 20
    chunks = [build_chunk(BINARY, [RECORD] * 2, at=NOW + i) for i in range(count)]
    log.write(chunks)
    ids = [each for chunk in chunks for each in list_ids(chunk)]
    log.add_ground_truth([GroundTruth(prediction_id=each, actual=1.0, at=END) for each in ids])
    opened = open_window(log)
    log.chunks_read = 0
    first = next(opened.tables)
    assert first["prediction_id"].to_pylist() == ids[:4]
    assert first["actual"].to_pylist() == ["Yes"] * 4
    # ground truth is read up to the first one of a later prediction
    assert (log.chunks_read, log.truths_read) == (2, 5)
    second = next(opened.tables)
    assert second["actual"].to_pylist() == ["Yes"] * 4
    assert (log.chunks_read, log.truths_read) == (4, 9)
    assert [len(table) for table in opened.tables] == [4] * 8


def test_ground_truth_of_one_moment_is_joined_across_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(read, "BLOCK_ROWS", 1)
    chunks = [build_chunk(BINARY, [RECORD]) for _ in range(3)]
    log = write_log(*chunks, build_chunk(BINARY, [RECORD], purpose=Purpose.SHADOW))
    ids = [list_ids(each)[0] for each in log.written_chunks.values()]
    log.add_ground_truth([GroundTruth(prediction_id=each, actual=1.0, at=END) for each in ids])
    assert [row["actual"] for row in read_rows(open_window(log))] == ["Yes"] * 3
