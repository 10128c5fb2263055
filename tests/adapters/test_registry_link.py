"""The registry over a local socket: what the workers of a server get from their parent."""

import logging
import secrets
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client
from pathlib import Path

import pytest

from servicio_ml.adapters.memory import MemoryRegistry, MemoryTracker
from servicio_ml.adapters.registry_link import (
    RECORDS_CALLS,
    REGISTRY_CALLS,
    Opened,
    RegistryLink,
    RemoteRecords,
    RemoteRegistry,
)
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.ports import ServedRegistry
from servicio_ml.domain.promotion import Decision
from servicio_ml.domain.records import Records, ServedRecords
from servicio_ml.errors import EncodingError, NoSuchModelError, PromotionError, RegistryError

KEY = secrets.token_bytes(32)
CALLERS = 8


class Registry(MemoryRegistry):
    """A registry that fails as it is told."""

    failure: Exception | None = None

    def notes(self, model: str) -> dict[str, str]:
        if self.failure is not None:
            raise self.failure
        return {**super().notes(model)}


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "model.onnx").write_bytes(b"weights")
    made = Registry(tmp_path / "registry", lambda: 1.5)
    made.register("small", tmp_path / "artifact", run_id="run", tags={"task": "binary"})
    made.point("small", "champion", 1)
    return made


@pytest.fixture
def records(tmp_path: Path, registry: Registry) -> Records:
    return Records(MemoryTracker(tmp_path / "runs", lambda: 1.5), registry, NoStats(), lambda: 2.5)


@pytest.fixture
def both(registry: Registry, records: Records) -> Opened:
    return registry, records


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "socket"


@pytest.fixture
def link(place: Path, both: Opened) -> Iterator[RegistryLink]:
    made = RegistryLink(place, KEY, lambda: both)
    yield made
    made.close()


@pytest.fixture
def remote(place: Path, link: RegistryLink) -> RemoteRegistry:  # noqa: ARG001  it answers
    return RemoteRegistry(place, KEY)


def test_every_call_is_answered_as_the_registry_does(remote: RemoteRegistry, registry: Registry) -> None:
    assert remote.models() == ["small"]
    assert list(remote.versions("small")) == list(registry.versions("small"))
    assert remote.versions("small")[0].aliases == ("champion",)
    remote.note("small", "traffic.shadow", "0.5")
    assert remote.notes("small") == registry.notes("small") == {"traffic.shadow": "0.5"}
    assert (remote.download("small", 1) / "model.onnx").read_bytes() == b"weights"


def test_it_is_asked_as_the_registry_is(remote: RemoteRegistry) -> None:
    served: ServedRegistry = remote
    assert all(callable(getattr(served, name)) for name in REGISTRY_CALLS)


def test_the_records_are_asked_as_they_are(
    place: Path, link: RegistryLink, records: Records, registry: Registry, tmp_path: Path
) -> None:
    del link
    asked: ServedRecords = RemoteRecords(place, KEY)
    assert all(callable(getattr(asked, name)) for name in RECORDS_CALLS)
    registry.register("small", tmp_path / "artifact", run_id="run", tags={})
    crowned = asked.crown("small", 2, "it is newer", "boss", 1)
    assert (crowned.decision, crowned.champion, crowned.by) == (Decision.PROMOTED, 1, "boss")
    assert asked.decisions("small") == records.decisions("small")
    with pytest.raises(PromotionError, match="version 2 is the champion already"):
        asked.crown("small", 2, "again", "boss")
    with pytest.raises(NoSuchModelError, match="finished training"):
        asked.candidates("small")
    with pytest.raises(RegistryError, match=r"no 'card.md'"):
        asked.card("small", 1)
    for call in (asked.pictures, asked.card):
        with pytest.raises(NoSuchModelError, match="version 7"):
            call("small", 7)


def test_errors_arrive_whole(remote: RemoteRegistry) -> None:
    with pytest.raises(NoSuchModelError, match=r"model 'small' has no version 7; see .* history"):
        remote.download("small", 7)
    assert remote.models() == ["small"]


def test_errors_arrive_with_what_they_carry(remote: RemoteRegistry, registry: Registry) -> None:
    registry.failure = EncodingError("colour", "pink", "red or green")
    with pytest.raises(EncodingError) as caught:
        remote.notes("small")
    assert str(caught.value) == str(registry.failure)
    assert (caught.value.field, caught.value.value, caught.value.allowed) == (
        "colour",
        "pink",
        "red or green",
    )


def test_a_failure_of_its_own_is_told(remote: RemoteRegistry, registry: Registry) -> None:
    registry.failure = ZeroDivisionError("by zero")
    with pytest.raises(RegistryError, match="ZeroDivisionError: by zero"):
        remote.notes("small")


@pytest.mark.parametrize(
    "name", ["register", "point", "version", "_place", "__class__", "", "nothing", "_once"]
)
@pytest.mark.usefixtures("link")
def test_other_calls_are_refused(place: Path, registry: Registry, name: str) -> None:
    with Client(str(place), "AF_UNIX", authkey=KEY) as caller:
        caller.send((name, ("small", 1)))
        good, answer = caller.recv()
        assert not good
        assert isinstance(answer, RegistryError)
        caller.send(("models", ()))
        assert caller.recv() == (True, ["small"])
    assert len(registry.versions("small")) == 1


def test_a_stranger_is_turned_away_and_others_are_served(place: Path, remote: RemoteRegistry) -> None:
    before = RemoteRegistry(place, KEY)
    assert before.models() == ["small"]
    with pytest.raises(AuthenticationError):
        Client(str(place), "AF_UNIX", authkey=b"guessed")
    assert before.models() == remote.models() == ["small"]


@pytest.mark.parametrize("said", [b"", b"\x00", b"\x00\x00\x00\x04abcd", b"\xff" * 64])
def test_whoever_hangs_up_at_the_door_stops_nobody(place: Path, remote: RemoteRegistry, said: bytes) -> None:
    for _ in range(10):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(place))
            stranger.sendall(said)
    assert remote.models() == ["small"]


def test_a_caller_that_dies_in_its_call_disturbs_nobody(
    place: Path, remote: RemoteRegistry, registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on, done = threading.Event(), threading.Event(), threading.Event()
    models = registry.models

    def slow() -> object:
        asked.set()
        go_on.wait()
        return models()

    monkeypatch.setattr(registry, "models", slow)
    # an exception that nobody caught would be the last word of the thread
    monkeypatch.setattr(threading, "excepthook", lambda _: done.set())
    with Client(str(place), "AF_UNIX", authkey=KEY) as caller:
        caller.send(("models", ()))
        assert asked.wait(10)
    serving = [each for each in threading.enumerate() if "_serve" in each.name]
    go_on.set()
    for each in serving:
        each.join(10)
    assert not done.is_set()
    assert remote.models() == ["small"]


def test_a_parent_that_is_gone_is_told(place: Path, remote: RemoteRegistry, link: RegistryLink) -> None:
    link.close()
    with pytest.raises(
        RegistryError, match=r"parent process does not answer .*; start the server again"
    ) as caught:
        remote.models()
    assert str(place) in str(caught.value)


def test_a_parent_that_goes_between_two_calls(place: Path) -> None:
    """Its socket is closed with the connections, as the system does for a process that ended."""
    from multiprocessing.connection import Listener  # noqa: PLC0415

    remote = RemoteRegistry(place, KEY)

    def once(listener: Listener) -> None:
        with listener.accept() as connection:
            connection.recv()
            connection.send((True, ["small"]))

    with Listener(str(place), "AF_UNIX", authkey=KEY) as listener, ThreadPoolExecutor(1) as pool:
        parent = pool.submit(once, listener)
        assert remote.models() == ["small"]
        parent.result()
    with pytest.raises(RegistryError, match="does not answer"):
        remote.models()


def test_it_connects_again(place: Path, both: Opened, remote: RemoteRegistry, link: RegistryLink) -> None:
    assert remote.models() == ["small"]
    link.close()
    assert remote._connection is not None
    remote._connection.close()
    with pytest.raises(RegistryError):
        remote.models()
    again = RegistryLink(place, KEY, lambda: both)
    assert remote.models() == ["small"]
    again.close()


def test_a_registry_that_cannot_be_opened_is_tried_again(place: Path, both: Opened) -> None:
    away = threading.Event()
    away.set()

    def opened() -> Opened:
        if away.is_set():
            raise RegistryError("http://there", "it is away")
        return both

    link, remote = RegistryLink(place, KEY, opened), RemoteRegistry(place, KEY)
    for _ in range(2):
        with pytest.raises(RegistryError, match="it is away"):
            remote.models()
    away.clear()
    assert remote.models() == ["small"]
    link.close()


def test_many_callers_at_once_are_answered_by_one_registry(
    place: Path, both: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    opened: list[int] = []
    start = threading.Barrier(CALLERS)

    def opening() -> Opened:
        opened.append(1)
        return both

    link = RegistryLink(place, KEY, opening)

    def ask(number: int) -> list[object]:
        remote = RemoteRegistry(place, KEY)
        start.wait()
        remote.note("small", f"key{number}", f"{number}")
        return [remote.notes("small")[f"key{number}"] for _ in range(20)]

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(ask, range(CALLERS)))
    assert answers == [[f"{number}"] * 20 for number in range(CALLERS)]
    assert len(opened) == 1
    assert not caplog.records
    link.close()


def test_threads_of_one_process_share_a_connection(remote: RemoteRegistry) -> None:
    def ask(number: int) -> str:
        remote.note("small", f"key{number}", f"{number}")
        return remote.notes("small")[f"key{number}"]

    with ThreadPoolExecutor(CALLERS) as pool:
        assert list(pool.map(ask, range(200))) == [f"{number}" for number in range(200)]
