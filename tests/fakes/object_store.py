"""An object store in memory."""

import shutil
import tempfile
import time
import weakref
from collections.abc import Sequence
from pathlib import Path

from servicio_ml.errors import NotPublishedError


class MemoryObjectStore:
    """Files that live as long as the object."""

    uri = "memory:"

    def __init__(self) -> None:
        self._files: dict[str, bytes] = {}
        self._times: dict[str, float] = {}
        self._folder = Path(tempfile.mkdtemp(prefix="servicio-ml-memory-"))
        weakref.finalize(self, shutil.rmtree, self._folder, ignore_errors=True)
        self._fetch_count = 0

    def put(self, key: str, source: Path) -> str:
        self._files[key] = source.read_bytes()
        self._times[key] = time.time()
        return f"{self.uri}{key}"

    def fetch(self, key: str) -> Path:
        if key not in self._files:
            raise NotPublishedError(self.uri, key, "check the key or publish it first")
        self._fetch_count += 1
        path = self._folder / f"{self._fetch_count}{Path(key).suffix}"
        path.write_bytes(self._files[key])
        return path

    def get_time(self, key: str) -> float:
        if key not in self._files:
            raise NotPublishedError(self.uri, key, "check the key or publish it first")
        return self._times[key]

    def list_keys(self, prefix: str) -> Sequence[str]:
        return sorted(key for key in self._files if key.startswith(prefix))

    def delete(self, key: str) -> None:
        self._files.pop(key, None)
