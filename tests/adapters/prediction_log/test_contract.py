"""What every prediction log does: in memory, in SQLite and in PostgreSQL."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
import pytest

import logged_rows
from prediction_chunks import NOW, build_chunk, list_prediction_ids, list_predictions
from servicio_ml import bootstrap
from servicio_ml.adapters.prediction_log import bulk_read
from servicio_ml.adapters.prediction_log.bulk_read import MAX_SMALL_ROWS, MAX_SPARSITY
from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.adapters.prediction_log.journal_file import JournalFile
from servicio_ml.adapters.prediction_log.postgres import log as postgres_log
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase
from servicio_ml.adapters.prediction_log.postgres.log import PAGE_ROWS, PostgresPredictionLog
from servicio_ml.adapters.prediction_log.postgres.shipper import Shipper
from servicio_ml.adapters.prediction_log.scratch_log import ScratchLog
from servicio_ml.adapters.prediction_log.sqlite_log import SqlitePredictionLog
from servicio_ml.domain.ports.journal import Journal
from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.domain.prediction import Chunk, GroundTruth, Purpose, ScoredRows
from servicio_ml.features.logged_rows.read import PredictionQuery, open_predictions
from servicio_ml.settings import Settings

END = NOW + 1_000


@dataclass
class PredictionLogFixture:
    """A log, the journal before it, and what brings rows from one to the other."""

    log: PredictionLog
    journal: ScratchLog | SqliteJournal
    ship: Callable[[], None] = lambda: None

    def write(self, *chunks: Chunk) -> None:
        self.journal.write(chunks)
        self.ship()


def open_in_memory(_folder: Path, _request: pytest.FixtureRequest) -> PredictionLogFixture:
    both = ScratchLog()
    return PredictionLogFixture(both, both)


def open_in_sqlite(folder: Path, request: pytest.FixtureRequest) -> PredictionLogFixture:
    journal = SqliteJournal.open_exclusive(folder)
    request.addfinalizer(journal.close)
    return PredictionLogFixture(SqlitePredictionLog(folder), journal)


def open_in_postgres(folder: Path, request: pytest.FixtureRequest) -> PredictionLogFixture:
    log_database = LogDatabase(request.getfixturevalue("database"))
    request.addfinalizer(log_database.close)
    journal = SqliteJournal.open_exclusive(folder)
    request.addfinalizer(journal.close)
    file = JournalFile(journal.path)
    request.addfinalizer(file.close)
    shipper = Shipper(log_database)
    return PredictionLogFixture(
        PostgresPredictionLog(log_database, folder), journal, lambda: shipper.ship(file, lambda: True)
    )


@pytest.fixture(
    params=[
        pytest.param(open_in_memory, id="memory"),
        pytest.param(open_in_sqlite, id="sqlite"),
        pytest.param(open_in_postgres, id="postgres", marks=pytest.mark.slow),
    ]
)
def logs(request: pytest.FixtureRequest, folder: Path) -> PredictionLogFixture:
    made: PredictionLogFixture = request.param(folder, request)
    return made


@pytest.fixture(params=["memory", "sqlite", "shared"])
def journal_and_log(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Journal, PredictionLog]:
    if request.param == "memory":
        return (both := ScratchLog()), both
    settings = Settings(state_dir=tmp_path, log_retention_days=1e9)
    journal = bootstrap.open_journal(settings, shared="stream" if request.param == "shared" else "")
    return journal, bootstrap.open_prediction_log(settings)


def collect_numbers(blocks: Iterable[Chunk | ScoredRows]) -> list[bytes]:
    """Features, outcome and probabilities of each row, in an order of their own."""
    found = []
    for block in blocks:
        features = np.frombuffer(block.features, "V4").reshape(block.rows, -1)
        outcomes = np.frombuffer(block.outcomes, "V8").reshape(block.rows, 1)
        probabilities = np.frombuffer(block.probabilities, "V8").reshape(block.rows, -1)
        each = zip(features, outcomes, probabilities, strict=True)
        found += [b"".join(row.tobytes() for row in rows) for rows in each]
    return sorted(found)


class TestJournal:
    """The contract of the port."""

    def test_what_is_written_is_read_at_once_and_after_closing(
        self, journal_and_log: tuple[Journal, PredictionLog]
    ) -> None:
        journal, log = journal_and_log
        made = [build_chunk(NOW), build_chunk(NOW + 1, 3), build_chunk(NOW + 2, model="heart")]
        journal.write(made[:1])
        assert set(log.find(list_prediction_ids(made[0]))) == set(list_prediction_ids(made[0]))
        journal.write(made[1:])
        journal.close()
        assert list(log.read_chunks("rain", 0, END)) == made[:2]

    def test_a_key_that_exists_is_left_unchanged(
        self, journal_and_log: tuple[Journal, PredictionLog]
    ) -> None:
        journal, log = journal_and_log
        first = build_chunk(NOW, 2, name="message")
        journal.write([first, build_chunk(NOW + 1, 2, name="message")])
        journal.write([build_chunk(NOW + 2, 2, name="message")])
        journal.close()
        assert list(log.read_chunks("rain", 0, END)) == [first]

    def test_nothing_is_pending_without_shipping(
        self, journal_and_log: tuple[Journal, PredictionLog]
    ) -> None:
        journal, _ = journal_and_log
        journal.write([build_chunk()])
        assert journal.count_pending() == 0
        journal.close()

    def test_many_threads(self, journal_and_log: tuple[Journal, PredictionLog]) -> None:
        journal, log = journal_and_log
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda i: journal.write([build_chunk(NOW + i)]), range(100)))
        journal.close()
        assert len(list(log.read_chunks("rain", 0, END))) == 100


def build_truth(prediction_id: str, actual: float, at: float = NOW + 5) -> GroundTruth:
    return GroundTruth(prediction_id=prediction_id, actual=actual, at=at)


class TestPredictionLog:
    """The contract of the port."""

    def test_chunks_come_back_as_they_were_written(self, logs: PredictionLogFixture) -> None:
        expected = [
            build_chunk(NOW, 3),
            build_chunk(NOW + 1, 4, classes=3),
            build_chunk(NOW + 2, 2, classes=0, version=4),
            build_chunk(NOW + 3, places=[1, 4, 70_000], width=5),
            build_chunk(NOW + 4, name="a message"),
            build_chunk(NOW + 5, places=[1, 4, 70_000], identifiers=("892", None, "año 7")),
            build_chunk(NOW + 6, 2, identifiers=("892", "892")),
        ]
        logs.write(*expected)
        assert list(logs.log.read_chunks("rain", NOW, END)) == expected

    def test_a_window_holds_its_start_and_not_its_end(self, logs: PredictionLogFixture) -> None:
        logs.write(*(build_chunk(NOW + i) for i in range(4)))
        found = list(logs.log.read_chunks("rain", NOW + 1, NOW + 3))
        assert [each.at for each in found] == [NOW + 1, NOW + 2]

    def test_the_oldest_comes_first(self, logs: PredictionLogFixture) -> None:
        logs.write(build_chunk(NOW + 3), build_chunk(NOW + 1), build_chunk(NOW + 2))
        assert [each.at - NOW for each in logs.log.read_chunks("rain", 0, 1e12)] == [1, 2, 3]

    def test_a_window_is_of_one_model_and_of_answers(self, logs: PredictionLogFixture) -> None:
        logs.write(build_chunk(), build_chunk(model="heart"), build_chunk(purpose=Purpose.SHADOW))
        assert [each.purpose for each in logs.log.read_chunks("rain", 0, END)] == [Purpose.ANSWER]

    def test_other_purposes_by_asking(self, logs: PredictionLogFixture) -> None:
        logs.write(
            build_chunk(),
            build_chunk(NOW + 1, purpose=Purpose.SHADOW),
            build_chunk(NOW + 2, purpose=Purpose.CANARY),
        )
        found = logs.log.read_chunks("rain", 0, END, [Purpose.SHADOW, Purpose.CANARY])
        assert [each.purpose for each in found] == [Purpose.SHADOW, Purpose.CANARY]

    def test_chunks_longer_than_a_page(self, logs: PredictionLogFixture) -> None:
        expected = [build_chunk(NOW, PAGE_ROWS - 1), build_chunk(NOW, PAGE_ROWS + 2), build_chunk(NOW + 1, 2)]
        logs.write(*expected)
        found = list(logs.log.read_chunks("rain", 0, END))
        assert sorted(found, key=lambda each: each.key) == sorted(expected, key=lambda each: each.key)

    def test_all_rows_of_a_version_whatever_for(self, logs: PredictionLogFixture) -> None:
        sizes = (1, 2, MAX_SMALL_ROWS, MAX_SMALL_ROWS + 1, 300, 1)
        wanted = [
            build_chunk(NOW + i, rows, purpose=purpose)
            for i, (rows, purpose) in enumerate(zip(sizes, [*Purpose, *Purpose], strict=True))
        ]
        others = (
            build_chunk(NOW + 1, 3, model="heart"),
            build_chunk(NOW + 1, 5, version=4),
            build_chunk(NOW - 1),
            build_chunk(END),
        )
        logs.write(*wanted, *others)
        assert collect_numbers(logs.log.read_rows("rain", 3, NOW, END)) == collect_numbers(wanted)

    @pytest.mark.parametrize("classes", [0, 2, 3])
    @pytest.mark.parametrize("width", [1, 20])
    def test_rows_of_any_shape(self, logs: PredictionLogFixture, classes: int, width: int) -> None:
        wanted = [build_chunk(NOW + i, 1 + i % 5, classes=classes, width=width) for i in range(20)]
        logs.write(*wanted)
        assert collect_numbers(logs.log.read_rows("rain", 3, 0, END)) == collect_numbers(wanted)

    def test_more_rows_than_one_bulk_read_takes(
        self, logs: PredictionLogFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(bulk_read, "STEP_CHUNKS", 7)
        monkeypatch.setattr(postgres_log, "BLOCK_ROWS", 7)
        wanted = [build_chunk(NOW + i // 9, 1 + (i % 11 == 5) * MAX_SMALL_ROWS * 2) for i in range(60)]
        logs.write(*wanted)
        assert collect_numbers(logs.log.read_rows("rain", 3, 0, END)) == collect_numbers(wanted)

    def test_few_rows_among_many_of_another_model(self, logs: PredictionLogFixture) -> None:
        wanted = [build_chunk(NOW + i, 1 + i) for i in range(2)]
        others = [build_chunk(NOW + i / 100, model="heart") for i in range(3 * MAX_SPARSITY)]
        logs.write(wanted[0], *others, wanted[1])
        assert collect_numbers(logs.log.read_rows("rain", 3, 0, END)) == collect_numbers(wanted)

    def test_a_key_is_written_once(self, logs: PredictionLogFixture) -> None:
        first = build_chunk(NOW, 2, name="message 7")
        logs.write(first)
        logs.write(build_chunk(NOW + 9, 2, name="message 7"), build_chunk(NOW + 9, name="message 8"))
        found = list(logs.log.read_chunks("rain", 0, END))
        assert [each.at for each in found] == [NOW, NOW + 9]
        assert found[0] == first

    def test_predictions_are_found_by_id(self, logs: PredictionLogFixture) -> None:
        made = build_chunk(NOW, places=[2, 9])
        logs.write(build_chunk(NOW - 1), made)
        second = list_prediction_ids(made)[1]
        (found,) = logs.log.find([second]).values()
        assert (found.id, found.at, found.model, found.version) == (second, NOW, "rain", 3)
        assert (found.purpose, found.outcome) == (Purpose.ANSWER, 0.125)
        assert found.probabilities == (0.125, 0.1875)

    def test_features_are_found_by_id(self, logs: PredictionLogFixture) -> None:
        first, second = build_chunk(places=(0, 4, 9), width=2), build_chunk(NOW + 1, rows=2, width=3)
        logs.write(first, second)
        ids = [*list_prediction_ids(first)[1:], *list_prediction_ids(second)]
        rows = [
            *np.frombuffer(first.features, "<f4").reshape(3, -1)[1:],
            *np.frombuffer(second.features, "<f4").reshape(2, -1),
        ]
        found = logs.log.find_features([*ids, f"{ids[0][:-6]}000005", "no id"])
        assert found == {each: row.tobytes() for each, row in zip(ids, rows, strict=True)}
        assert logs.log.find_features([]) == {}

    def test_a_regression_has_no_probabilities(self, logs: PredictionLogFixture) -> None:
        made = build_chunk(classes=0)
        logs.write(made)
        assert logs.log.find(list_prediction_ids(made))[list_prediction_ids(made)[0]].probabilities == ()

    @pytest.mark.parametrize(
        "unknown",
        [
            pytest.param(list_prediction_ids(build_chunk(places=[3]))[0], id="another-chunk"),
            pytest.param("7", id="no-id"),
            pytest.param("", id="empty"),
        ],
    )
    def test_unknown_ids_are_left_out(self, logs: PredictionLogFixture, unknown: str) -> None:
        made = build_chunk(places=[2, 9])
        logs.write(made)
        known = list_prediction_ids(made)
        unlogged = known[0][:-6] + "000003"
        assert set(logs.log.find([*known, unknown, unlogged])) == set(known)
        assert logs.log.add_ground_truth([build_truth(unknown, 1), build_truth(unlogged, 1)]) == [None, None]

    def test_the_latest_answer_is_found_by_identifier(self, logs: PredictionLogFixture) -> None:
        made = [
            build_chunk(NOW + 2, places=[3, 70_000, 70_001], identifiers=("a", "b", "b")),
            build_chunk(NOW + 1, 2, identifiers=("a", "c")),
            build_chunk(NOW + 9, identifiers=("a",), model="heart"),
            build_chunk(NOW + 9, identifiers=("A",)),
        ]
        logs.write(made[0], build_chunk(NOW + 9))
        logs.write(*made[1:])
        found = logs.log.find_latest("rain", ["a", "b", "c", "d", "a", ""])
        latest = list_predictions(made[0])
        assert found == {"a": latest[0], "b": latest[2], "c": list_predictions(made[1])[1]}
        assert logs.log.find_latest("heart", ["a"]) == {"a": list_predictions(made[2])[0]}
        assert not logs.log.find_latest("other", ["a"])

    def test_the_latest_answer_may_not_be_shipped_yet(self, logs: PredictionLogFixture) -> None:
        shipped, kept = build_chunk(NOW, identifiers=("a",)), build_chunk(NOW + 1, identifiers=("a",))
        logs.write(shipped)
        logs.journal.write([kept])
        assert logs.log.find_latest("rain", ["a"]) == {"a": list_predictions(kept)[0]}

    def test_a_repeated_key_keeps_its_first_identifiers(self, logs: PredictionLogFixture) -> None:
        first = build_chunk(NOW, 2, name="message 7", identifiers=("a", None))
        logs.write(first)
        logs.write(build_chunk(NOW + 9, 2, name="message 7", identifiers=("b", "b")))
        assert [*logs.log.read_chunks("rain", 0, END)] == [first]
        assert set(logs.log.find_latest("rain", ["a", "b"])) == {"a"}

    def test_many_identifiers_at_once(self, logs: PredictionLogFixture) -> None:
        texts = [f"row {i}" for i in range(1_201)]
        logs.write(*(build_chunk(NOW + i, identifiers=(text,)) for i, text in enumerate(texts)))
        found = logs.log.find_latest("rain", texts)
        assert [found[text].at for text in texts] == [NOW + i for i in range(len(texts))]

    def test_many_ids_at_once(self, logs: PredictionLogFixture) -> None:
        every = [build_chunk(NOW + i, 2) for i in range(1_100)]
        logs.write(*every)
        asked = [each for made in every for each in list_prediction_ids(made)]
        assert set(logs.log.find(asked)) == set(asked)
        taken = logs.log.add_ground_truth([build_truth(each, 1) for each in asked])
        assert all(each is not None and each.new for each in taken)
        assert len(list(logs.log.read_ground_truth("rain", 0, 1e12))) == len(asked)

    def test_the_same_truth_again_changes_nothing(self, logs: PredictionLogFixture) -> None:
        made = build_chunk()
        logs.write(made)
        (first,) = logs.log.add_ground_truth([build_truth(list_prediction_ids(made)[0], 1)])
        (again,) = logs.log.add_ground_truth([build_truth(list_prediction_ids(made)[0], 1, NOW + 77)])
        assert first is not None
        assert again is not None
        assert (first.revision, first.new, first.at) == (1, True, NOW + 5)
        assert (again.revision, again.new, again.at) == (1, False, NOW + 5)
        assert again.prediction == first.prediction

    def test_another_truth_is_a_new_revision(self, logs: PredictionLogFixture) -> None:
        made = build_chunk()
        logs.write(made)
        taken = [
            logs.log.add_ground_truth([build_truth(list_prediction_ids(made)[0], actual)])[0]
            for actual in (1, 0, 1)
        ]
        assert [(each.revision, each.new) for each in taken if each] == [(1, True), (2, True), (3, True)]
        (newest,) = logs.log.read_ground_truth("rain", 0, END)
        assert (newest.revision, newest.actual, newest.new) == (3, 1, True)

    def test_one_prediction_twice_in_a_batch(self, logs: PredictionLogFixture) -> None:
        made = build_chunk(NOW, 2)
        logs.write(made)
        one, two = list_prediction_ids(made)
        taken = logs.log.add_ground_truth(
            [
                build_truth(one, 1),
                build_truth(two, 1),
                build_truth(one, 1),
                build_truth("x", 1),
                build_truth(one, 0),
            ]
        )
        seen = [(each.revision, each.new) if each else None for each in taken]
        assert seen == [(1, True), (1, True), (1, False), None, (2, True)]

    def test_ground_truth_by_the_time_of_its_prediction(self, logs: PredictionLogFixture) -> None:
        made = [build_chunk(NOW + i) for i in range(3)] + [build_chunk(NOW + 1, model="heart")]
        logs.write(*made)
        logs.log.add_ground_truth([build_truth(list_prediction_ids(each)[0], 0.5) for each in made])
        (found,) = logs.log.read_ground_truth("rain", NOW + 1, NOW + 2)
        assert (
            found.prediction == logs.log.find(list_prediction_ids(made[1]))[list_prediction_ids(made[1])[0]]
        )
        assert (found.actual, found.at) == (0.5, NOW + 5)

    def test_ground_truth_of_the_oldest_prediction_comes_first(self, logs: PredictionLogFixture) -> None:
        made = [build_chunk(NOW + i, 2) for i in (2, 0, 1)]
        logs.write(*made)
        for each in made:
            logs.log.add_ground_truth([build_truth(row, 1) for row in list_prediction_ids(each)])
        found = list(logs.log.read_ground_truth("rain", 0, END))
        assert [each.prediction.at - NOW for each in found] == [0, 0, 1, 1, 2, 2]

    def test_the_versions_of_a_window(self, logs: PredictionLogFixture) -> None:
        logs.write(
            *(build_chunk(NOW + i, version=version) for i, version in enumerate((3, 7, 3, 12, 5))),
            build_chunk(NOW + 2, version=9, model="heart"),
            build_chunk(NOW + 2, version=8, purpose=Purpose.SHADOW),
        )
        assert sorted(logs.log.list_versions("rain", NOW + 1, NOW + 4)) == [3, 7, 12]
        assert sorted(logs.log.list_versions("rain", NOW, NOW + 3, tuple(Purpose))) == [3, 7, 8]

    def test_rows_are_decoded_with_their_ground_truth(self, logs: PredictionLogFixture) -> None:
        other = logged_rows.build_version(4, *logged_rows.SCHEMA.fields[2:4])
        chunks = [
            logged_rows.build_chunk(logged_rows.BINARY, [logged_rows.RECORD], at=NOW, identifiers=("k-1",)),
            logged_rows.build_chunk(other, [{"size": 0.1, "count": 5}] * 2, at=NOW + 1),
        ]
        logs.write(*chunks)
        ids = [each for chunk in chunks for each in logged_rows.list_ids(chunk)]
        logs.log.add_ground_truth([build_truth(ids[0], 1), build_truth(ids[2], 0), build_truth(ids[2], 1)])
        query = PredictionQuery(model="rain", start=0, end=END)
        versions = {3: logged_rows.BINARY, 4: other}
        opened = open_predictions(logs.log, query, 4, versions.__getitem__)
        rows = [row for table in opened.tables for row in table.to_pylist()]
        assert [row["prediction_id"] for row in rows] == ids
        assert [(row["version"], row["identifier"], row["actual"]) for row in rows] == [
            (3, "k-1", "Yes"), (4, None, None), (4, None, "Yes"),
        ]  # fmt: skip
        assert [(row["size"], row["count"], row["town"]) for row in rows] == [
            (12.1, 7, 'the "Top"'), (0.1, 5, None), (0.1, 5, None),
        ]  # fmt: skip

    def test_nothing_asked_nothing_found(self, logs: PredictionLogFixture) -> None:
        assert not logs.log.find([])
        assert not logs.log.find_latest("rain", [])
        assert list(logs.log.add_ground_truth([])) == []
        assert list(logs.log.read_chunks("rain", 0, END)) == []
        assert list(logs.log.read_rows("rain", 3, 0, END)) == []
        assert list(logs.log.read_ground_truth("rain", 0, END)) == []


@pytest.mark.slow
def test_rows_that_were_shipped_before_their_numbers_were_packed(
    database: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    logs = open_in_postgres(folder, request)
    wanted = [build_chunk(NOW + i, 3) for i in range(4)]
    logs.write(*wanted)
    with psycopg.connect(database, autocommit=True) as connection:
        old = connection.execute("UPDATE prediction SET packed = NULL WHERE outcome > 0.1")
    assert old.rowcount == 8
    assert collect_numbers(logs.log.read_rows("rain", 3, 0, END)) == collect_numbers(wanted)
