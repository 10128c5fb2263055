"""What the journal files of the machine hold: rows that wait to be shipped, and their size."""

from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from servicio_ml.adapters.log.files import open_to_read, slot_paths
from servicio_ml.adapters.log.reader import is_journal
from servicio_ml.adapters.log.slot_file import used_bytes

ENDS = """
SELECT (SELECT seq FROM shipped), (SELECT coalesce(min(seq), 0) FROM chunk),
       (SELECT coalesce(max(seq), 0) FROM chunk)
"""
ROWS = "SELECT coalesce(sum(rows), 0) FROM chunk WHERE seq > ?"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What one file holds.

    Attributes:
        shipped: Number of the last chunk that is in the prediction log.
        first: Number of the first chunk.
        last: Number of the last chunk.
        waiting: Rows after `shipped`.
        used_bytes: What the rows take.
    """

    shipped: int
    first: int
    last: int
    waiting: int
    used_bytes: int


class Survey:
    """Looks into every file; counts only the rows that came since the last look.

    Args:
        folder: Of the log.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: dict[Path, Holding] = {}

    def __call__(self) -> dict[Path, Holding]:
        """What each file holds.

        Raises:
            sqlite3.Error: SQLite refuses.
        """
        looks = {path: self._look(path) for path in slot_paths(self._folder)}
        self._known = {path: look for path, look in looks.items() if look is not None}
        return self._known

    def _look(self, path: Path) -> Holding | None:
        with closing(open_to_read(path)) as connection:
            if not is_journal(connection):
                return None
            shipped, first, last = connection.execute(ENDS).fetchone()
            known = self._known.get(path)
            same = known is not None and (known.shipped, known.first) == (shipped, first)
            after, counted = (known.last, known.waiting) if known is not None and same else (shipped, 0)
            (newer,) = connection.execute(ROWS, (after,)).fetchone()
            return Holding(
                shipped=shipped, first=first, last=last, waiting=counted + newer,
                used_bytes=used_bytes(connection),
            )  # fmt: skip
