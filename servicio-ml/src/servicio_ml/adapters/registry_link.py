"""One registry for all processes of a server: MLflow's libraries would cost each of them 100 MB.

The parent answers on a local socket; the workers ask through `RemoteRegistry` and `RemoteRecords`, each on a
connection of its own, one call at a time: a look at old records holds up no look for a new champion.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from servicio_ml.domain.ports import ModelVersion, ServedRegistry
from servicio_ml.domain.promotion import Dossier
from servicio_ml.domain.records import Candidates, ServedRecords, Told
from servicio_ml.errors import RegistryError, ServicioError

logger = logging.getLogger(__name__)
REGISTRY_CALLS = frozenset({"models", "versions", "download", "notes", "note"})
RECORDS_CALLS = frozenset({"decisions", "candidates", "pictures", "picture", "card", "crown"})
"""What a server asks; it registers nothing, and moves an alias with a dossier only."""
Opened = tuple[ServedRegistry, ServedRecords]


class RegistryLink:
    """Answers the calls of other processes by a registry that is opened in the background.

    Args:
        place: Of the socket, a new path.
        key: That the others must know.
        opened: Opens the registry and its records; tried again with the next call when it fails.
    """

    def __init__(self, place: Path, key: bytes, opened: Callable[[], Opened]) -> None:
        self._listener = Listener(str(place), "AF_UNIX", authkey=key)
        self._opened = opened
        self._parts: Opened | None = None
        self._closed = False
        self._lock = threading.Lock()
        threading.Thread(target=self._accept, name="registry-link", daemon=True).start()
        threading.Thread(target=self._warm, name="registry-warm", daemon=True).start()

    def _warm(self) -> None:
        # to load and open it takes as long as the callers need to start
        with suppress(Exception):  # the callers are told
            self._open()

    def _accept(self) -> None:
        while True:
            try:
                connection = self._listener.accept()
            except Exception:  # a stranger without the key, or a caller that ended before it had shown it
                if self._closed:
                    return
                logger.exception("a caller was turned away")
                continue
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: "Connection[Any, Any]") -> None:
        with connection:
            while True:
                try:
                    name, arguments = connection.recv()
                    connection.send(self._answer(name, arguments))
                except (EOFError, OSError):
                    return  # the caller is gone

    def _answer(self, name: str, arguments: tuple[Any, ...]) -> tuple[bool, Any]:
        try:
            registry, records = self._open()
            asked = registry if name in REGISTRY_CALLS else records
            return True, getattr(asked, name if name in REGISTRY_CALLS | RECORDS_CALLS else "")(*arguments)
        except ServicioError as error:
            return False, error
        except Exception as error:
            logger.exception("the registry failed")
            return False, RegistryError("the registry", f"{type(error).__name__}: {error}")

    def _open(self) -> Opened:
        with self._lock:
            if self._parts is None:
                self._parts = self._opened()
            return self._parts

    def close(self) -> None:
        """Take no more callers."""
        self._closed = True
        self._listener.close()


class _Caller:
    """Connects when it first asks, and again after the connection was lost."""

    def __init__(self, place: Path, key: bytes) -> None:
        self._place, self._key = place, key
        self._connection: Connection[Any, Any] | None = None
        self._lock = threading.Lock()

    def _ask(self, name: str, *arguments: object) -> Any:
        with self._lock:
            try:
                if self._connection is None:
                    self._connection = Client(str(self._place), "AF_UNIX", authkey=self._key)
                self._connection.send((name, arguments))
                good, answer = self._connection.recv()
            except (EOFError, OSError) as error:
                self._connection = None
                problem = f"the parent process does not answer ({error}); start the server again"
                raise RegistryError(str(self._place), problem) from error
        if good:
            return answer
        raise answer


class RemoteRegistry(_Caller):
    """The parent's registry."""

    def versions(self, model: str) -> Sequence[ModelVersion]:
        found: Sequence[ModelVersion] = self._ask("versions", model)
        return found

    def download(self, model: str, version: int) -> Path:
        found: Path = self._ask("download", model, version)
        return found

    def models(self) -> Sequence[str]:
        found: Sequence[str] = self._ask("models")
        return found

    def notes(self, model: str) -> Mapping[str, str]:
        found: Mapping[str, str] = self._ask("notes", model)
        return found

    def note(self, model: str, key: str, value: str) -> None:
        self._ask("note", model, key, value)


class RemoteRecords(_Caller):
    """The parent's records."""

    def decisions(self, model: str) -> Told:
        found: Told = self._ask("decisions", model)
        return found

    def candidates(self, model: str) -> Candidates:
        found: Candidates = self._ask("candidates", model)
        return found

    def pictures(self, model: str, version: int) -> Sequence[str]:
        found: Sequence[str] = self._ask("pictures", model, version)
        return found

    def picture(self, model: str, version: int, name: str) -> bytes:
        found: bytes = self._ask("picture", model, version, name)
        return found

    def card(self, model: str, version: int) -> str:
        found: str = self._ask("card", model, version)
        return found

    def crown(self, model: str, version: int, reason: str, by: str, instead_of: int | None = None) -> Dossier:
        found: Dossier = self._ask("crown", model, version, reason, by, instead_of)
        return found
