"""Port of the lake: files under keys."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol


class ObjectStore(Protocol):
    """Files under keys.

    Writing is atomic: a reader sees the old file or the new one::

        store.put("rain_australia/2016-06/manifest.json", path)
        store.fetch("rain_australia/2016-06/manifest.json").read_bytes()

    Every method raises `StoreError` when the store refuses.
    """

    @property
    def uri(self) -> str:
        """Address of the root, for messages and logs."""
        ...

    def put(self, key: str, source: Path) -> str:
        """Store a copy of a local file and return its URI."""
        ...

    def fetch(self, key: str) -> Path:
        """Return a read-only local file with the content; `NotPublishedError` for an unknown key."""
        ...

    def get_time(self, key: str) -> float:
        """Return when a key was stored, in seconds since 1970; `NotPublishedError` for an unknown key."""
        ...

    def list_keys(self, prefix: str) -> Sequence[str]:
        """List the keys that start with a prefix, sorted."""
        ...

    def delete(self, key: str) -> None:
        """Delete a key; an unknown key is no error."""
        ...
