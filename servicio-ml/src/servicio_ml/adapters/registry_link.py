"""One registry for all processes of a server: MLflow's libraries would cost each of them 100 MB.

The parent answers on a local socket; the workers ask through `RemoteRegistry`, one call at a time.
"""

import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from multiprocessing.connection import Client, Connection, Listener
from pathlib import Path
from typing import Any

from servicio_ml.domain.ports import ModelVersion, ServedRegistry
from servicio_ml.errors import RegistryError, ServicioError

logger = logging.getLogger(__name__)
CALLS = frozenset({"models", "versions", "download", "notes", "note"})
"""What a server asks; it neither registers nor promotes."""


class RegistryLink:
    """Answers the calls of other processes by a registry that is opened in the background.

    Args:
        place: Of the socket, a new path.
        key: That the others must know.
        opened: Opens the registry; tried again with the next call when it fails.
    """

    def __init__(self, place: Path, key: bytes, opened: Callable[[], ServedRegistry]) -> None:
        self._listener = Listener(str(place), "AF_UNIX", authkey=key)
        self._opened = opened
        self._registry: ServedRegistry | None = None
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
            return True, getattr(self._open(), name if name in CALLS else "")(*arguments)
        except ServicioError as error:
            return False, error
        except Exception as error:
            logger.exception("the registry failed")
            return False, RegistryError("the registry", f"{type(error).__name__}: {error}")

    def _open(self) -> ServedRegistry:
        with self._lock:
            if self._registry is None:
                self._registry = self._opened()
            return self._registry

    def close(self) -> None:
        """Take no more callers."""
        self._closed = True
        self._listener.close()


class RemoteRegistry:
    """The parent's registry; connects when it is first asked, and again after the connection was lost."""

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
