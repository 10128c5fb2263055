"""Stores that fail when a test wants them to."""

from pathlib import Path

from fakes.object_store import MemoryObjectStore
from servicio_ml.errors import StoreError

UNLIMITED = 10**6


class FullStore(MemoryObjectStore):
    """A store in memory that is full after `left` more puts."""

    def __init__(self) -> None:
        super().__init__()
        self.left = UNLIMITED

    def put(self, key: str, source: Path) -> str:
        if self.left == 0:
            raise StoreError(self.uri, key, "the disk is full")
        self.left -= 1
        return super().put(key, source)
