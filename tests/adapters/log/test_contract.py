"""What every prediction log does: in memory, in SQLite and in PostgreSQL."""

from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psycopg
import pytest

from chunks import NOW, chunk, ids
from servicio_ml import bootstrap
from servicio_ml.adapters.log import gathered, postgres_log
from servicio_ml.adapters.log.connections import Connections
from servicio_ml.adapters.log.gathered import SMALL_ROWS, SPARSE
from servicio_ml.adapters.log.journal import SqliteJournal
from servicio_ml.adapters.log.postgres_log import PAGE_ROWS, PostgresLog
from servicio_ml.adapters.log.shipper import Shipper
from servicio_ml.adapters.log.slot_file import SlotFile
from servicio_ml.adapters.log.sqlite_log import SqliteLog
from servicio_ml.adapters.memory_log import MemoryLog
from servicio_ml.domain.ports import Journal, PredictionLog
from servicio_ml.domain.prediction import Chunk, GroundTruth, Purpose, Rows
from servicio_ml.settings import Settings

END = NOW + 1_000


@dataclass
class World:
    """A log, the journal before it, and what brings rows from one to the other."""

    log: PredictionLog
    journal: MemoryLog | SqliteJournal
    arrive: Callable[[], None] = lambda: None

    def write(self, *chunks: Chunk) -> None:
        self.journal.write(chunks)
        self.arrive()


def in_memory(_folder: Path, _request: pytest.FixtureRequest) -> World:
    both = MemoryLog()
    return World(both, both)


def in_sqlite(folder: Path, request: pytest.FixtureRequest) -> World:
    journal = SqliteJournal.alone(folder)
    request.addfinalizer(journal.close)
    return World(SqliteLog(folder), journal)


def in_postgres(folder: Path, request: pytest.FixtureRequest) -> World:
    connections = Connections(request.getfixturevalue("database"))
    request.addfinalizer(connections.close)
    journal = SqliteJournal.alone(folder)
    request.addfinalizer(journal.close)
    file = SlotFile(journal.path)
    request.addfinalizer(file.close)
    shipper = Shipper(connections)
    return World(PostgresLog(connections, folder), journal, lambda: shipper.ship(file, lambda: True))


@pytest.fixture(
    params=[
        pytest.param(in_memory, id="memory"),
        pytest.param(in_sqlite, id="sqlite"),
        pytest.param(in_postgres, id="postgres", marks=pytest.mark.slow),
    ]
)
def world(request: pytest.FixtureRequest, folder: Path) -> World:
    made: World = request.param(folder, request)
    return made


@pytest.fixture(params=["memory", "sqlite", "shared"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Journal, PredictionLog]:
    if request.param == "memory":
        return (both := MemoryLog()), both
    settings = Settings(state_dir=tmp_path, log_retention_days=1e9)
    journal = bootstrap.journal(settings, shared="stream" if request.param == "shared" else "")
    return journal, bootstrap.prediction_log(settings)


def numbers(parts: Iterable[Chunk | Rows]) -> list[bytes]:
    """Features, outcome and probabilities of each row, in an order of their own."""
    found = []
    for part in parts:
        features = np.frombuffer(part.features, "V4").reshape(part.rows, -1)
        outcomes = np.frombuffer(part.outcomes, "V8").reshape(part.rows, 1)
        probabilities = np.frombuffer(part.probabilities, "V8").reshape(part.rows, -1)
        each = zip(features, outcomes, probabilities, strict=True)
        found += [b"".join(row.tobytes() for row in rows) for rows in each]
    return sorted(found)


class TestJournal:
    """The contract of the port."""

    def test_what_is_written_is_read_at_once_and_after_closing(
        self, opened: tuple[Journal, PredictionLog]
    ) -> None:
        journal, log = opened
        made = [chunk(NOW), chunk(NOW + 1, 3), chunk(NOW + 2, model="heart")]
        journal.write(made[:1])
        assert set(log.find(ids(made[0]))) == set(ids(made[0]))
        journal.write(made[1:])
        journal.close()
        assert list(log.chunks("rain", 0, END)) == made[:2]

    def test_a_key_that_is_there_is_left_as_it_was(self, opened: tuple[Journal, PredictionLog]) -> None:
        journal, log = opened
        first = chunk(NOW, 2, name="message")
        journal.write([first, chunk(NOW + 1, 2, name="message")])
        journal.write([chunk(NOW + 2, 2, name="message")])
        journal.close()
        assert list(log.chunks("rain", 0, END)) == [first]

    def test_nothing_is_pending_where_nothing_is_shipped(self, opened: tuple[Journal, PredictionLog]) -> None:
        journal, _ = opened
        journal.write([chunk()])
        assert journal.pending() == 0
        journal.close()

    def test_many_threads(self, opened: tuple[Journal, PredictionLog]) -> None:
        journal, log = opened
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(lambda i: journal.write([chunk(NOW + i)]), range(100)))
        journal.close()
        assert len(list(log.chunks("rain", 0, END))) == 100


def truth(prediction_id: str, actual: float, at: float = NOW + 5) -> GroundTruth:
    return GroundTruth(prediction_id=prediction_id, actual=actual, at=at)


class TestPredictionLog:
    """The contract of the port."""

    def test_chunks_come_back_as_they_were_written(self, world: World) -> None:
        written = [
            chunk(NOW, 3),
            chunk(NOW + 1, 4, classes=3),
            chunk(NOW + 2, 2, classes=0, version=4),
            chunk(NOW + 3, places=[1, 4, 70_000], width=5),
            chunk(NOW + 4, name="a message"),
        ]
        world.write(*written)
        assert list(world.log.chunks("rain", NOW, END)) == written

    def test_a_window_holds_its_start_and_not_its_end(self, world: World) -> None:
        world.write(*(chunk(NOW + i) for i in range(4)))
        found = list(world.log.chunks("rain", NOW + 1, NOW + 3))
        assert [each.at for each in found] == [NOW + 1, NOW + 2]

    def test_the_oldest_comes_first(self, world: World) -> None:
        world.write(chunk(NOW + 3), chunk(NOW + 1), chunk(NOW + 2))
        assert [each.at - NOW for each in world.log.chunks("rain", 0, 1e12)] == [1, 2, 3]

    def test_a_window_is_of_one_model_and_of_answers(self, world: World) -> None:
        world.write(chunk(), chunk(model="heart"), chunk(purpose=Purpose.SHADOW))
        assert [each.purpose for each in world.log.chunks("rain", 0, END)] == [Purpose.ANSWER]

    def test_other_purposes_by_asking(self, world: World) -> None:
        world.write(chunk(), chunk(NOW + 1, purpose=Purpose.SHADOW), chunk(NOW + 2, purpose=Purpose.CANARY))
        found = world.log.chunks("rain", 0, END, [Purpose.SHADOW, Purpose.CANARY])
        assert [each.purpose for each in found] == [Purpose.SHADOW, Purpose.CANARY]

    def test_chunks_longer_than_a_page(self, world: World) -> None:
        written = [chunk(NOW, PAGE_ROWS - 1), chunk(NOW, PAGE_ROWS + 2), chunk(NOW + 1, 2)]
        world.write(*written)
        found = list(world.log.chunks("rain", 0, END))
        assert sorted(found, key=lambda each: each.key) == sorted(written, key=lambda each: each.key)

    def test_all_rows_of_a_version_whatever_for(self, world: World) -> None:
        sizes = (1, 2, SMALL_ROWS, SMALL_ROWS + 1, 300, 1)
        wanted = [
            chunk(NOW + i, rows, purpose=purpose)
            for i, (rows, purpose) in enumerate(zip(sizes, [*Purpose, *Purpose], strict=True))
        ]
        others = (chunk(NOW + 1, 3, model="heart"), chunk(NOW + 1, 5, version=4), chunk(NOW - 1), chunk(END))
        world.write(*wanted, *others)
        assert numbers(world.log.rows("rain", 3, NOW, END)) == numbers(wanted)

    @pytest.mark.parametrize("classes", [0, 2, 3])
    @pytest.mark.parametrize("width", [1, 20])
    def test_rows_of_any_shape(self, world: World, classes: int, width: int) -> None:
        wanted = [chunk(NOW + i, 1 + i % 5, classes=classes, width=width) for i in range(20)]
        world.write(*wanted)
        assert numbers(world.log.rows("rain", 3, 0, END)) == numbers(wanted)

    def test_more_rows_than_are_gathered_at_once(self, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gathered, "STEP_CHUNKS", 7)
        monkeypatch.setattr(postgres_log, "BLOCK_ROWS", 7)
        wanted = [chunk(NOW + i // 9, 1 + (i % 11 == 5) * SMALL_ROWS * 2) for i in range(60)]
        world.write(*wanted)
        assert numbers(world.log.rows("rain", 3, 0, END)) == numbers(wanted)

    def test_few_rows_among_many_of_another_model(self, world: World) -> None:
        wanted = [chunk(NOW + i, 1 + i) for i in range(2)]
        others = [chunk(NOW + i / 100, model="heart") for i in range(3 * SPARSE)]
        world.write(wanted[0], *others, wanted[1])
        assert numbers(world.log.rows("rain", 3, 0, END)) == numbers(wanted)

    def test_a_key_is_written_once(self, world: World) -> None:
        first = chunk(NOW, 2, name="message 7")
        world.write(first)
        world.write(chunk(NOW + 9, 2, name="message 7"), chunk(NOW + 9, name="message 8"))
        found = list(world.log.chunks("rain", 0, END))
        assert [each.at for each in found] == [NOW, NOW + 9]
        assert found[0] == first

    def test_predictions_are_found_by_id(self, world: World) -> None:
        made = chunk(NOW, places=[2, 9])
        world.write(chunk(NOW - 1), made)
        second = ids(made)[1]
        (found,) = world.log.find([second]).values()
        assert (found.id, found.at, found.model, found.version) == (second, NOW, "rain", 3)
        assert (found.purpose, found.outcome) == (Purpose.ANSWER, 0.125)
        assert found.probabilities == (0.125, 0.1875)

    def test_a_regression_has_no_probabilities(self, world: World) -> None:
        made = chunk(classes=0)
        world.write(made)
        assert world.log.find(ids(made))[ids(made)[0]].probabilities == ()

    @pytest.mark.parametrize(
        "unknown",
        [
            pytest.param(ids(chunk(places=[3]))[0], id="another-chunk"),
            pytest.param("7", id="no-id"),
            pytest.param("", id="empty"),
        ],
    )
    def test_unknown_ids_are_left_out(self, world: World, unknown: str) -> None:
        made = chunk(places=[2, 9])
        world.write(made)
        known = ids(made)
        unlogged = known[0][:-6] + "000003"
        assert set(world.log.find([*known, unknown, unlogged])) == set(known)
        assert world.log.label([truth(unknown, 1), truth(unlogged, 1)]) == [None, None]

    def test_many_ids_at_once(self, world: World) -> None:
        every = [chunk(NOW + i, 2) for i in range(1_100)]
        world.write(*every)
        asked = [each for made in every for each in ids(made)]
        assert set(world.log.find(asked)) == set(asked)
        taken = world.log.label([truth(each, 1) for each in asked])
        assert all(each is not None and each.new for each in taken)
        assert len(list(world.log.labelled("rain", 0, 1e12))) == len(asked)

    def test_the_same_truth_again_changes_nothing(self, world: World) -> None:
        made = chunk()
        world.write(made)
        (first,) = world.log.label([truth(ids(made)[0], 1)])
        (again,) = world.log.label([truth(ids(made)[0], 1, NOW + 77)])
        assert first is not None
        assert again is not None
        assert (first.revision, first.new, first.at) == (1, True, NOW + 5)
        assert (again.revision, again.new, again.at) == (1, False, NOW + 5)
        assert again.prediction == first.prediction

    def test_another_truth_is_a_new_revision(self, world: World) -> None:
        made = chunk()
        world.write(made)
        taken = [world.log.label([truth(ids(made)[0], actual)])[0] for actual in (1, 0, 1)]
        assert [(each.revision, each.new) for each in taken if each] == [(1, True), (2, True), (3, True)]
        (newest,) = world.log.labelled("rain", 0, END)
        assert (newest.revision, newest.actual, newest.new) == (3, 1, True)

    def test_one_prediction_twice_in_a_batch(self, world: World) -> None:
        made = chunk(NOW, 2)
        world.write(made)
        one, two = ids(made)
        taken = world.log.label([truth(one, 1), truth(two, 1), truth(one, 1), truth("x", 1), truth(one, 0)])
        seen = [(each.revision, each.new) if each else None for each in taken]
        assert seen == [(1, True), (1, True), (1, False), None, (2, True)]

    def test_ground_truth_by_the_time_of_its_prediction(self, world: World) -> None:
        made = [chunk(NOW + i) for i in range(3)] + [chunk(NOW + 1, model="heart")]
        world.write(*made)
        world.log.label([truth(ids(each)[0], 0.5) for each in made])
        (found,) = world.log.labelled("rain", NOW + 1, NOW + 2)
        assert found.prediction == world.log.find(ids(made[1]))[ids(made[1])[0]]
        assert (found.actual, found.at) == (0.5, NOW + 5)

    def test_nothing_asked_nothing_found(self, world: World) -> None:
        assert not world.log.find([])
        assert list(world.log.label([])) == []
        assert list(world.log.chunks("rain", 0, END)) == []
        assert list(world.log.rows("rain", 3, 0, END)) == []
        assert list(world.log.labelled("rain", 0, END)) == []


@pytest.mark.slow
def test_rows_that_were_shipped_before_their_numbers_were_packed(
    database: str, folder: Path, request: pytest.FixtureRequest
) -> None:
    world = in_postgres(folder, request)
    wanted = [chunk(NOW + i, 3) for i in range(4)]
    world.write(*wanted)
    with psycopg.connect(database, autocommit=True) as connection:
        old = connection.execute("UPDATE prediction SET packed = NULL WHERE outcome > 0.1")
    assert old.rowcount == 8
    assert numbers(world.log.rows("rain", 3, 0, END)) == numbers(wanted)
