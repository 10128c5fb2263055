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

from fakes.decision_log import MemoryDecisionLog
from fakes.registry import MemoryRegistry
from fakes.tracker import MemoryTracker
from servicio_ml.adapters.registry_link import (
    HISTORY_CALLS,
    REGISTRY_CALLS,
    RegistryAndHistory,
    RegistryLink,
    RemoteModelHistory,
    RemoteRegistry,
)
from servicio_ml.adapters.statsd import NoStats
from servicio_ml.domain.ports.registry import RegistryReader
from servicio_ml.domain.promotion import PromotionDecision
from servicio_ml.errors import EncodingError, NoSuchModelError, PromotionError, RegistryError
from servicio_ml.lifecycle.model_history import ModelHistory
from servicio_ml.lifecycle.model_history_reader import ModelHistoryReader

KEY = secrets.token_bytes(32)
CALLERS = 8


class FailingRegistry(MemoryRegistry):
    """A registry that fails when a test wants it to."""

    failure: Exception | None = None

    def get_model_tags(self, model: str) -> dict[str, str]:
        if self.failure is not None:
            raise self.failure
        return {**super().get_model_tags(model)}


@pytest.fixture
def registry(tmp_path: Path) -> FailingRegistry:
    (tmp_path / "artifact").mkdir()
    (tmp_path / "artifact" / "model.onnx").write_bytes(b"weights")
    made = FailingRegistry(tmp_path / "registry", lambda: 1.5)
    made.register("small", tmp_path / "artifact", run_id="run", tags={"task": "binary"})
    made.set_alias("small", "champion", 1)
    return made


@pytest.fixture
def records(tmp_path: Path, registry: FailingRegistry) -> ModelHistory:
    tracker = MemoryTracker(tmp_path / "runs", lambda: 1.5)
    return ModelHistory(tracker, registry, NoStats(), lambda: 2.5, MemoryDecisionLog().hold_champion)


@pytest.fixture
def both(registry: FailingRegistry, records: ModelHistory) -> RegistryAndHistory:
    return registry, records


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "socket"


@pytest.fixture
def link(place: Path, both: RegistryAndHistory) -> Iterator[RegistryLink]:
    made = RegistryLink(place, KEY, lambda: both)
    yield made
    made.close()


@pytest.fixture
def remote(place: Path, link: RegistryLink) -> RemoteRegistry:  # noqa: ARG001  it answers
    return RemoteRegistry(place, KEY)


def test_every_call_is_answered_as_the_registry_does(
    remote: RemoteRegistry, registry: FailingRegistry
) -> None:
    assert remote.list_models() == ["small"]
    assert list(remote.list_versions("small")) == list(registry.list_versions("small"))
    assert remote.list_versions("small")[0].aliases == ("champion",)
    remote.set_model_tag("small", "traffic.shadow", "0.5")
    assert remote.get_model_tags("small") == registry.get_model_tags("small") == {"traffic.shadow": "0.5"}
    assert (remote.download("small", 1) / "model.onnx").read_bytes() == b"weights"


def test_it_is_asked_as_the_registry_is(remote: RemoteRegistry) -> None:
    reader: RegistryReader = remote
    assert all(callable(getattr(reader, name)) for name in REGISTRY_CALLS)


def test_the_records_are_asked_as_they_are(
    place: Path, link: RegistryLink, records: ModelHistory, registry: FailingRegistry, tmp_path: Path
) -> None:
    del link
    asked: ModelHistoryReader = RemoteModelHistory(place, KEY)
    assert all(callable(getattr(asked, name)) for name in HISTORY_CALLS)
    registry.register("small", tmp_path / "artifact", run_id="run", tags={})
    promoted = asked.set_champion("small", 2, "it is newer", "boss", 1)
    assert (promoted.decision, promoted.champion, promoted.by) == (PromotionDecision.PROMOTED, 1, "boss")
    assert asked.list_decisions("small") == records.list_decisions("small")
    with pytest.raises(PromotionError, match="version 2 is the champion already"):
        asked.set_champion("small", 2, "again", "boss")
    with pytest.raises(NoSuchModelError, match="finished training"):
        asked.get_candidates("small")
    with pytest.raises(RegistryError, match=r"no 'card.md'"):
        asked.get_card("small", 1)
    for call in (asked.list_pictures, asked.get_card):
        with pytest.raises(NoSuchModelError, match="version 7"):
            call("small", 7)


def test_errors_arrive_whole(remote: RemoteRegistry) -> None:
    with pytest.raises(NoSuchModelError, match=r"model 'small' has no version 7; see .* history"):
        remote.download("small", 7)
    assert remote.list_models() == ["small"]


def test_errors_arrive_with_what_they_carry(remote: RemoteRegistry, registry: FailingRegistry) -> None:
    registry.failure = EncodingError("colour", "pink", "red or green")
    with pytest.raises(EncodingError) as caught:
        remote.get_model_tags("small")
    assert str(caught.value) == str(registry.failure)
    assert (caught.value.field, caught.value.value, caught.value.allowed) == (
        "colour",
        "pink",
        "red or green",
    )


def test_a_failure_of_its_own_is_reported(remote: RemoteRegistry, registry: FailingRegistry) -> None:
    registry.failure = ZeroDivisionError("by zero")
    with pytest.raises(RegistryError, match="ZeroDivisionError: by zero"):
        remote.get_model_tags("small")


@pytest.mark.parametrize(
    "name", ["register", "set_alias", "get_version", "_get_folder", "__class__", "", "nothing", "_once"]
)
@pytest.mark.usefixtures("link")
def test_other_calls_are_refused(place: Path, registry: FailingRegistry, name: str) -> None:
    with Client(str(place), "AF_UNIX", authkey=KEY) as caller:
        caller.send((name, ("small", 1)))
        good, answer = caller.recv()
        assert not good
        assert isinstance(answer, RegistryError)
        caller.send(("list_models", ()))
        assert caller.recv() == (True, ["small"])
    assert len(registry.list_versions("small")) == 1


def test_a_stranger_is_turned_away_and_others_are_served(place: Path, remote: RemoteRegistry) -> None:
    before = RemoteRegistry(place, KEY)
    assert before.list_models() == ["small"]
    with pytest.raises(AuthenticationError):
        Client(str(place), "AF_UNIX", authkey=b"guessed")
    assert before.list_models() == remote.list_models() == ["small"]


@pytest.mark.parametrize("said", [b"", b"\x00", b"\x00\x00\x00\x04abcd", b"\xff" * 64])
def test_whoever_hangs_up_at_the_door_stops_nobody(place: Path, remote: RemoteRegistry, said: bytes) -> None:
    for _ in range(10):
        with socket.socket(socket.AF_UNIX) as stranger:
            stranger.connect(str(place))
            stranger.sendall(said)
    assert remote.list_models() == ["small"]


def test_a_caller_that_dies_in_its_call_disturbs_nobody(
    place: Path, remote: RemoteRegistry, registry: FailingRegistry, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, go_on, done = threading.Event(), threading.Event(), threading.Event()
    models = registry.list_models

    def wait_long() -> object:
        asked.set()
        go_on.wait()
        return models()

    monkeypatch.setattr(registry, "list_models", wait_long)
    # an exception that nobody caught would be the last word of the thread
    monkeypatch.setattr(threading, "excepthook", lambda _: done.set())
    with Client(str(place), "AF_UNIX", authkey=KEY) as caller:
        caller.send(("list_models", ()))
        assert asked.wait(10)
    serving = [each for each in threading.enumerate() if "_serve" in each.name]
    go_on.set()
    for each in serving:
        each.join(10)
    assert not done.is_set()
    assert remote.list_models() == ["small"]


def test_a_parent_that_is_gone_is_reported(place: Path, remote: RemoteRegistry, link: RegistryLink) -> None:
    link.close()
    with pytest.raises(
        RegistryError, match=r"parent process does not answer .*; start the server again"
    ) as caught:
        remote.list_models()
    assert str(place) in str(caught.value)


def test_a_parent_that_goes_between_two_calls(place: Path) -> None:
    """Its socket is closed with the connections, as the system does for a process that ended."""
    from multiprocessing.connection import Listener  # noqa: PLC0415

    remote = RemoteRegistry(place, KEY)

    def answer_one_call(listener: Listener) -> None:
        with listener.accept() as connection:
            connection.recv()
            connection.send((True, ["small"]))

    with Listener(str(place), "AF_UNIX", authkey=KEY) as listener, ThreadPoolExecutor(1) as pool:
        parent = pool.submit(answer_one_call, listener)
        assert remote.list_models() == ["small"]
        parent.result()
    with pytest.raises(RegistryError, match="does not answer"):
        remote.list_models()


def test_it_connects_again(
    place: Path, both: RegistryAndHistory, remote: RemoteRegistry, link: RegistryLink
) -> None:
    assert remote.list_models() == ["small"]
    link.close()
    assert remote._connection is not None
    remote._connection.close()
    with pytest.raises(RegistryError):
        remote.list_models()
    again = RegistryLink(place, KEY, lambda: both)
    assert remote.list_models() == ["small"]
    again.close()


def test_a_registry_that_cannot_be_opened_is_tried_again(place: Path, both: RegistryAndHistory) -> None:
    away = threading.Event()
    away.set()

    def open_registry() -> RegistryAndHistory:
        if away.is_set():
            raise RegistryError("http://there", "it is away")
        return both

    link, remote = RegistryLink(place, KEY, open_registry), RemoteRegistry(place, KEY)
    for _ in range(2):
        with pytest.raises(RegistryError, match="it is away"):
            remote.list_models()
    away.clear()
    assert remote.list_models() == ["small"]
    link.close()


def test_many_callers_at_once_are_answered_by_one_registry(
    place: Path, both: RegistryAndHistory, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    opened: list[int] = []
    start = threading.Barrier(CALLERS)

    def open_registry() -> RegistryAndHistory:
        opened.append(1)
        return both

    link = RegistryLink(place, KEY, open_registry)

    def ask(number: int) -> list[object]:
        remote = RemoteRegistry(place, KEY)
        start.wait()
        remote.set_model_tag("small", f"key{number}", f"{number}")
        return [remote.get_model_tags("small")[f"key{number}"] for _ in range(20)]

    with ThreadPoolExecutor(CALLERS) as pool:
        answers = list(pool.map(ask, range(CALLERS)))
    assert answers == [[f"{number}"] * 20 for number in range(CALLERS)]
    assert len(opened) == 1
    assert not caplog.records
    link.close()


def test_threads_of_one_process_share_a_connection(remote: RemoteRegistry) -> None:
    def ask(number: int) -> str:
        remote.set_model_tag("small", f"key{number}", f"{number}")
        return remote.get_model_tags("small")[f"key{number}"]

    with ThreadPoolExecutor(CALLERS) as pool:
        assert list(pool.map(ask, range(200))) == [f"{number}" for number in range(200)]
