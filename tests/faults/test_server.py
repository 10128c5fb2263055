"""Faults of a running server: killed, stopped, full, locked or damaged, it loses no answered id.

Where the other faults of a server and its log are tested:

| fault | module under tests/ | test |
|---|---|---|
| worker killed | api/test_serve.py | no_request_answered_is_lost |
| parent killed, SIGTERM | api/test_serve.py | workers_end_with_a_killed_parent, requests_in_flight |
| maintainer killed | adapters/prediction_log/postgres/test_shipper.py | killed_before_its_cursor_moved |
| maintainer stopped | here, with its worker, of which it is a thread | a_stopped_worker |
| log file full or busy | adapters/prediction_log/test_journal.py | full_disk, limit_of_pages, busy_for_long |
| no log folder | adapters/prediction_log/test_journal.py | a_folder_that_cannot_be_made |
| read-only log folder | adapters/prediction_log/test_journal.py | a_folder_that_may_not_be_written |
| PostgreSQL locked or full | adapters/prediction_log/postgres/test_shipper.py | locked_or_has_no_room |
| PostgreSQL stopped, killed | adapters/prediction_log/postgres/test_shipper.py | away_for_a_while |
| MLflow away | api/test_serve.py, api/test_champions.py | it_waits_for_mlflow, without_mlflow |
| clock set back: ids | domain/test_timed_keys.py | a_clock_that_is_set_back |
| clock set back: windows | adapters/prediction_log/test_maintainer.py | a_clock_that_is_set_back |
| large batches at once | faults/test_memory.py | large_batches |
| killed at a promotion | api/test_champions.py | a_server_killed_while_champions_change |
| everything, in turn | compose/test_stack.py | whatever_is_killed_comes_back |
"""

import os
import resource
import signal
import socket
import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from fault_load import PREDICT, RECORD, find_unlogged, run_load
from model_server import ModelServer, ModelShelf, run_model_server, wait_until

pytestmark = pytest.mark.slow
HISTORY, CHAMPION = "/models/small/history", "/models/small/champion"
SLOW_CONNECTIONS = 1_000
MEBIBYTE = 1 << 20


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> ModelShelf:
    """Two versions of a model, of which the second is champion, and a model to delete."""
    made = ModelShelf(tmp_path_factory.mktemp("state"))
    for model in ("small", "small", "gone"):
        made.add(model, artifact_folder)
    return made


@pytest.fixture(scope="module")
def platform(shelf: ModelShelf) -> Iterator[ModelServer]:
    with run_model_server(shelf.state) as made:
        wait_until("both workers have both models", lambda: made.errors.read_text().count("is champion") == 4)
        yield made


def test_a_stopped_worker_is_replaced_by_one_that_answers_at_once(platform: ModelServer) -> None:
    victim = platform.list_workers()[0]
    with run_load(platform) as load:
        wait_until("it is under load", lambda: len(load.ids) > 100)
        os.kill(victim, signal.SIGSTOP)
        wait_until("it is replaced", lambda: victim not in platform.list_workers())
        wait_until("there are two", lambda: len(platform.list_workers()) == 2)
        answered = len(load.ids)
        wait_until("they answer", lambda: len(load.ids) > answered + 200)
    # connections of the stopped worker break; its successor takes none before it has its model
    assert set(load.statuses) <= {0, 200}
    assert find_unlogged(platform, load.ids) == []


def test_a_stopped_parent_holds_up_no_answer_and_no_log_line(platform: ModelServer) -> None:
    os.kill(platform.process.pid, signal.SIGSTOP)
    try:
        with run_load(platform) as load:
            wait_until("it is under load", lambda: len(load.ids) > 200)
        found = load.ids[-1]
        wait_until("the log has its line", lambda: found in platform.lines.read_text())
        assert set(load.statuses) == {200}
    finally:
        os.kill(platform.process.pid, signal.SIGCONT)
    assert find_unlogged(platform, load.ids) == []
    assert platform("PUT", CHAMPION, {"version": 1, "reason": "it goes on"}).document["champion"] == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["SIGTERM", "SIGKILL"])
def test_what_was_answered_before_the_server_ended_is_in_the_log_of_the_next(
    shelf: ModelShelf, number: signal.Signals
) -> None:
    with run_model_server(shelf.state) as platform:
        workers = platform.list_workers()
        with run_load(platform) as load:
            wait_until("it is under load", lambda: len(load.ids) > 300)
            code = platform.stop(number)
            wait_until("it is gone", lambda: not any(map(psutil.pid_exists, workers)))
    assert code == (0 if number == signal.SIGTERM else -number)
    # 503: a worker that stops has closed its journal
    assert set(load.statuses) <= {0, 200, 503}
    with run_model_server(shelf.state, workers=1) as platform:
        assert find_unlogged(platform, load.ids) == []


def test_a_full_disk_refuses_and_room_on_it_answers_again(platform: ModelServer) -> None:
    workers = platform.list_workers()
    with run_load(platform) as load:
        _limit_files(workers, 100_000)
        wait_until("it is full", lambda: load.statuses[503] > 20)
        assert platform("GET", "/health/live").status == 200
        refused = platform("POST", PREDICT, RECORD)
        _limit_files(workers, resource.RLIM_INFINITY)
        answered = len(load.ids)
        wait_until("it answers again", lambda: len(load.ids) > answered + 200)
    # one of the workers may have had room
    assert refused.status == 200 or "make room" in refused.document["detail"]
    assert set(load.statuses) == {200, 503}
    assert platform.list_workers() == workers
    assert find_unlogged(platform, load.ids) == []


def _limit_files(processes: list[int], size: int) -> None:
    """Limit the size of the files that processes write, in bytes, as a full disk does."""
    for pid in processes:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, (size, resource.RLIM_INFINITY))


def test_a_locked_or_missing_database_of_mlflow_holds_up_nothing(
    platform: ModelServer, shelf: ModelShelf
) -> None:
    database, away = shelf.state / "mlflow.db", shelf.state / "away.db"

    def read_problem() -> str:
        document = platform("GET", "/models/small").document
        # an answer without a state is a problem, too
        return str(document.get("problem", document))

    with closing(sqlite3.connect(database)) as other:
        other.execute("BEGIN EXCLUSIVE")
        answer = platform("POST", PREDICT, RECORD)
        found = answer.document["prediction_id"]
        wait_until("the log has its line", lambda: found in platform.lines.read_text())
        wait_until("it is reported", lambda: "database is locked" in read_problem())
        other.execute("ROLLBACK")
    wait_until("it is over", lambda: not read_problem())
    database.rename(away)
    wait_until("it is reported", read_problem)
    assert platform("POST", PREDICT, RECORD).status == 200
    away.rename(database)
    wait_until("it is over", lambda: not read_problem())
    # one of the two is champion already
    next_version = 3 - int(platform("POST", PREDICT, RECORD).document["version"])
    assert (
        platform("PUT", CHAMPION, {"version": next_version, "reason": "back"}).document["champion"]
        == next_version
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [("model.onnx", "SHA-256"), ("reference.json", "SHA-256"), ("golden.json", "SHA-256"), ("", "No such")],
    ids=["flipped bit", "flipped bit of the reference", "truncated", "file gone"],
)
def test_a_damaged_champion_never_answers(
    platform: ModelServer, shelf: ModelShelf, artifact_folder: Path, name: str, said: str
) -> None:
    found = shelf.registry.resolve("small", "champion")
    assert found is not None
    champion = found.version
    # a worker may answer by the former champion for a moment after a promotion
    wait_until(
        "all answer by the champion",
        lambda: {platform("POST", PREDICT, RECORD).document["version"] for _ in range(8)} == {champion},
    )
    version = shelf.add("small", artifact_folder, "next")
    file = max(shelf.state.rglob(name or "schema.json"), key=lambda each: each.stat().st_ctime)
    raw = bytearray(file.read_bytes())
    raw[len(raw) // 2] ^= 1
    file.write_bytes(raw[: len(raw) // 2] if name == "golden.json" else raw)
    if not name:
        file.unlink()

    def ask_for_it() -> int:
        return platform("POST", f"{PREDICT}?version={version}", RECORD).status

    with run_load(platform, 2) as load:
        shelf.registry.set_alias("small", "champion", version)
        problem = platform("POST", "/models/small/reload").document["problem"]
        # 404 of a worker that has not looked yet
        wait_until("each knows", lambda: {ask_for_it() for _ in range(8)} == {503})
        wait_until("it answers", lambda: len(load.ids) > 50)
    assert set(load.statuses) == {200}
    assert problem
    assert said in problem or not name
    assert platform("POST", PREDICT, RECORD).document["version"] == champion
    shelf.registry.set_alias("small", "champion", champion)
    assert not platform("POST", "/models/small/reload").document["problem"]


def test_a_deleted_champion_answers_and_says_so(platform: ModelServer, shelf: ModelShelf) -> None:
    def read_problem() -> str:
        return str(platform("GET", "/models/gone").document["problem"])

    shelf.registry.delete("gone", 1)
    wait_until("it is reported", lambda: "no version is champion" in read_problem())
    assert platform("POST", "/models/gone/predict", RECORD).status == 200
    shelf.registry._client.delete_registered_model("gone")
    wait_until("it is reported", lambda: "no such model" in read_problem())
    assert platform("POST", "/models/gone/predict", RECORD).status == 200


def test_50_promotions_and_rollbacks_by_two_administrators(platform: ModelServer, shelf: ModelShelf) -> None:
    def change(turn: int) -> int:
        body = {"version": 1 + turn % 2, "reason": f"turn {turn}"}
        return platform("PUT", CHAMPION, body).status

    before = len(platform("GET", HISTORY).document["decisions"])
    with run_load(platform, 1) as load, ThreadPoolExecutor(2) as administrators:
        statuses = list(administrators.map(change, range(50)))
    # 409: the other administrator was there before
    assert set(statuses) <= {200, 409}
    decisions = platform("GET", HISTORY).document["decisions"]
    new = decisions[: len(decisions) - before]
    assert len(new) == statuses.count(200) > 10
    champion = shelf.registry.resolve("small", "champion")
    assert champion is not None
    assert decisions[0]["version"] == champion.version
    assert all(later["version"] != earlier["version"] for later, earlier in pairwise(new))
    assert set(load.statuses) == {200}
    assert find_unlogged(platform, load.ids) == []


def test_1000_connections_that_send_slowly_deny_nobody(shelf: ModelShelf) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard < 4 * SLOW_CONNECTIONS:
        pytest.skip(f"{hard} open files are allowed; the test opens {SLOW_CONNECTIONS} at both ends")
    resource.setrlimit(resource.RLIMIT_NOFILE, (4 * SLOW_CONNECTIONS, hard))
    try:
        with run_model_server(shelf.state, workers=1) as platform, ExitStack() as connections:
            host, port = platform.url.removeprefix("http://").split(":")
            for turn in range(SLOW_CONNECTIONS):
                connection = connections.enter_context(
                    socket.create_connection((host, int(port)), timeout=30)
                )
                # headers that do not end, and bodies that do not
                rest = b"Content-Length: 100\r\n\r\n{" if turn % 4 else b""
                connection.sendall(b"POST %s/batch HTTP/1.1\r\nHost: localhost\r\n" % PREDICT.encode() + rest)
            with run_load(platform) as load:
                wait_until("it answers", lambda: len(load.ids) > 200)
            assert platform("POST", f"{PREDICT}/batch", {"records": [RECORD]}).status == 200
            assert set(load.statuses) == {200}
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_large_batches_at_once_give_their_memory_back(shelf: ModelShelf) -> None:
    with run_model_server(shelf.state, workers=1) as platform:
        [worker] = platform.list_workers()
        batch = {"records": [RECORD] * 30_000}

        def send_at_once(number: int) -> set[int]:
            with ThreadPoolExecutor(number) as pool:
                statuses = pool.map(
                    lambda _: platform("POST", f"{PREDICT}/batch", batch).status, range(number)
                )
                return set(statuses)

        def measure() -> float:
            return psutil.Process(worker).memory_info().rss / MEBIBYTE

        assert send_at_once(1) == {200}
        before = measure()
        assert send_at_once(8) == {200}
        wait_until(f"memory is back to {before:.0f} MiB and 50", lambda: measure() < before + 50)
