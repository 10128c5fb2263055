"""A journal of two files: while requests write one, the maintainer has the other."""

from collections.abc import Sequence
from pathlib import Path

from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.domain.prediction import Chunk


class AlternatingJournal:
    """Two files that no other process writes, of which one is written and one rests.

    A checkpoint waits for the disk, and so does whoever writes its file meanwhile.

    Args:
        folder: Folder of the journals.

    Attributes:
        files: Both files.

    Raises:
        JournalError: A file cannot be opened.
    """

    def __init__(self, folder: Path) -> None:
        first = SqliteJournal.open_exclusive(folder)
        try:
            self.files = (first, SqliteJournal.open_exclusive(folder))
        except BaseException:
            first.close()
            raise
        self._written = first

    def write(self, chunks: Sequence[Chunk]) -> None:
        """Write chunks in one commit; a chunk of a few rows takes tens of microseconds."""
        self._written.write(chunks)

    def rest(self) -> Sequence[SqliteJournal]:
        """Write the other file from now on, and return the one that rests."""
        first, second = self.files
        resting = self._written
        self._written = second if resting is first else first
        return (resting,)

    def close(self) -> None:
        """Close both files and release their leases."""
        for file in self.files:
            file.close()
