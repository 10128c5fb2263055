"""The local journal that receives every prediction before the answer is sent."""

from collections.abc import Sequence
from typing import Protocol

from servicio_ml.domain.prediction import Chunk


class Journal(Protocol):
    """Local journal of predictions, written before a response is sent.

    ::

    journal.write([chunk])
    """

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Write chunks in one commit; a chunk whose key exists is skipped.

        May be called from several threads. Raises `JournalError` when the journal cannot be written.
        """
        ...

    def count_pending(self) -> int:
        """Count the rows of this machine that are not yet in the prediction log."""
        ...

    def close(self) -> None:
        """Flush everything to the disk and close the journal."""
        ...
