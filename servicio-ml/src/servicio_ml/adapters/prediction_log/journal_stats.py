"""Statistics of the journal files of the machine: unshipped rows and size."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from servicio_ml.adapters.prediction_log.journal_file import measure_used_bytes
from servicio_ml.adapters.prediction_log.reader import is_journal
from servicio_ml.adapters.prediction_log.sqlite_files import list_journals, open_readonly

READ_RANGE = """
SELECT (SELECT seq FROM shipped), (SELECT coalesce(min(seq), 0) FROM chunk),
       (SELECT coalesce(max(seq), 0) FROM chunk)
"""
COUNT_ROWS = "SELECT coalesce(sum(rows), 0) FROM chunk WHERE seq > ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalStats:
    """Statistics of one journal file.

    Attributes:
        shipped_seq: Sequence number of the last chunk that was shipped.
        first_seq: Sequence number of the first chunk; 0 when there is none.
        last_seq: Sequence number of the last chunk; 0 when there is none.
        unshipped_rows: Number of rows after `shipped_seq`.
        used_bytes: Size of the rows in bytes.
    """

    shipped_seq: int
    first_seq: int
    last_seq: int
    unshipped_rows: int
    used_bytes: int


class JournalStatsReader:
    """Reads every journal file; counts only the rows that are new since the last call.

    Args:
        folder: Folder of the journals.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._previous: dict[Path, JournalStats] = {}

    def __call__(self) -> dict[Path, JournalStats]:
        """Read the statistics of each file.

        Raises:
            sqlite3.Error: SQLite refuses.
        """
        looks = {path: self._read_file(path) for path in list_journals(self._folder)}
        self._previous = {path: look for path, look in looks.items() if look is not None}
        return self._previous

    def _read_file(self, path: Path) -> JournalStats | None:
        with closing(open_readonly(path)) as connection:
            if not is_journal(connection):
                return None
            shipped, first, last = connection.execute(READ_RANGE).fetchone()
            known = self._previous.get(path)
            # a pruned or shipped file is counted anew: its old rows are no longer all unshipped
            same = known is not None and (known.shipped_seq, known.first_seq) == (shipped, first)
            after, known_rows = (
                (known.last_seq, known.unshipped_rows) if known is not None and same else (shipped, 0)
            )
            (newer,) = connection.execute(COUNT_ROWS, (after,)).fetchone()
            return JournalStats(
                shipped_seq=shipped, first_seq=first, last_seq=last, unshipped_rows=known_rows + newer,
                used_bytes=measure_used_bytes(connection),
            )  # fmt: skip
