"""One registry for all processes of a server: MLflow's libraries would cost each of them 100 MB.

The parent serves calls on a local socket. The workers call it by `RemoteRegistry` and `RemoteModelHistory`,
each on its own connection and one call at a time, so that reading the history delays no champion look-up.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from servicio_ml.domain.ports.registry import ModelVersion, RegistryReader
from servicio_ml.domain.promotion import NO_EVIDENCE, DecisionRecord
from servicio_ml.errors import RegistryError, ServicioError
from servicio_ml.lifecycle.model_history_reader import DecisionList, ModelHistoryReader, TrainingCandidates

logger = logging.getLogger(__name__)
REGISTRY_CALLS = frozenset({"list_models", "list_versions", "download", "get_model_tags", "set_model_tag"})
HISTORY_CALLS = frozenset(
    {"list_decisions", "get_candidates", "list_pictures", "get_picture", "get_card"}
    | {"set_champion", "record_outside_move", "record_rollout"}
)
"""Calls that a server needs; it registers no model, and moves an alias only with a decision record."""
RegistryAndHistory = tuple[RegistryReader, ModelHistoryReader]


class RegistryLink:
    """Serves the registry and the model history, opened in the background, to other processes.

    Args:
        socket_path: Path of the socket; it must not exist.
        key: Secret that the callers must know.
        open_registry: Opens the registry and the model history; retried at the next call when it fails.
    """

    def __init__(
        self, socket_path: Path, key: bytes, open_registry: Callable[[], RegistryAndHistory]
    ) -> None:
        self._listener = Listener(str(socket_path), "AF_UNIX", authkey=key)
        self._open_registry = open_registry
        self._registry_and_history: RegistryAndHistory | None = None
        self._closed = False
        self._lock = threading.Lock()
        threading.Thread(target=self._accept_connections, name="registry-link", daemon=True).start()
        threading.Thread(target=self._warm_up, name="registry-warm", daemon=True).start()

    def _warm_up(self) -> None:
        # loading MLflow takes as long as the workers need to start
        with suppress(Exception):  # the next call raises it again
            self._open()

    def _accept_connections(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except Exception:  # a caller without the key, or one that ended before it sent the key
                if self._closed:
                    return
                logger.exception("a caller of the registry was refused")
                continue
            # a thread for each caller: a slow download blocks nobody else
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: "Connection[Any, Any]") -> None:
        with connection:
            while True:
                try:
                    name, arguments = connection.recv()
                    connection.send(self._answer(name, arguments))
                except (EOFError, OSError):
                    return  # the caller has ended

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
        try:
            registry, records = self._open()
            asked = registry if name in REGISTRY_CALLS else records
            # an unknown name becomes "", which no object has: only the listed calls can be made
            return True, getattr(asked, name if name in REGISTRY_CALLS | HISTORY_CALLS else "")(*arguments)
        except ServicioError as error:
            return False, error
        except Exception as error:
            logger.exception("the registry failed")
            return False, RegistryError("the registry", f"{type(error).__name__}: {error}")

    def _open(self) -> RegistryAndHistory:
        with self._lock:
            if self._registry_and_history is None:
                self._registry_and_history = self._open_registry()
            return self._registry_and_history

    def close(self) -> None:
        """Accept no more callers."""
        self._closed = True
        self._listener.close()


class _LinkClient:
    """Connects at the first call, and again after the connection was lost."""

    def __init__(self, socket_path: Path, key: bytes) -> None:
        self._socket_path, self._key = socket_path, key
        self._connection: Connection[Any, Any] | None = None
        self._lock = threading.Lock()

    def _call(self, name: str, *arguments: object) -> Any:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = Client(str(self._socket_path), "AF_UNIX", authkey=self._key)
                self._connection.send((name, arguments))
                good, answer = self._connection.recv()
            except (EOFError, OSError) as error:
                # the next call connects again
                self._connection = None
                problem = f"the parent process does not answer ({error}); start the server again"
                raise RegistryError(str(self._socket_path), problem) from error
        if good:
            return answer
        raise answer


class RemoteRegistry(_LinkClient):
    """The registry of the parent process."""

    def list_versions(self, model: str) -> Sequence[ModelVersion]:
        found: Sequence[ModelVersion] = self._call("list_versions", model)
        return found

    def download(self, model: str, version: int) -> Path:
        found: Path = self._call("download", model, version)
        return found

    def list_models(self) -> Sequence[str]:
        found: Sequence[str] = self._call("list_models")
        return found

    def get_model_tags(self, model: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self._call("get_model_tags", model)
        return found

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        self._call("set_model_tag", model, key, value)


class RemoteModelHistory(_LinkClient):
    """The model history of the parent process."""

    def list_decisions(self, model: str) -> DecisionList:
        found: DecisionList = self._call("list_decisions", model)
        return found

    def get_candidates(self, model: str) -> TrainingCandidates:
        found: TrainingCandidates = self._call("get_candidates", model)
        return found

    def list_pictures(self, model: str, version: int) -> Sequence[str]:
        found: Sequence[str] = self._call("list_pictures", model, version)
        return found

    def get_picture(self, model: str, version: int, name: str) -> bytes:
        found: bytes = self._call("get_picture", model, version, name)
        return found

    def get_card(self, model: str, version: int) -> str:
        found: str = self._call("get_card", model, version)
        return found

    def set_champion(
        self,
        model: str,
        version: int,
        reason: str,
        by: str,
        instead_of: int | None = None,
        evidence: Mapping[str, Any] = NO_EVIDENCE,
    ) -> DecisionRecord:
        found: DecisionRecord = self._call("set_champion", model, version, reason, by, instead_of, evidence)
        return found

    def record_rollout(self, record: DecisionRecord) -> None:
        self._call("record_rollout", record)

    def record_outside_move(self, model: str) -> DecisionRecord | None:
        found: DecisionRecord | None = self._call("record_outside_move", model)
        return found
