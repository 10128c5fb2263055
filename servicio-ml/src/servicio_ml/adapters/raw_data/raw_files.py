"""Raw files on this machine: their paths, the default file of a use case, and atomic writing."""

import csv
import hashlib
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import OutputError, SourceError

SAMPLE_FILE = "sample.csv"
SAMPLE_RECORD = "samples.sha256"
"""File that lists the digests of all drawn samples."""


class RawFiles:
    """The raw files of all use cases.

    Args:
        state_dir: Folder for fetched originals and samples.
        data_dir: Folder of originals that the user has supplied, where uploads are, too.
    """

    def __init__(self, state_dir: Path, data_dir: Path) -> None:
        self._state_dir, self._data_dir = state_dir, data_dir

    def get_fetched_path(self, use_case: UseCase) -> Path:
        """Path of the fetched original."""
        return self._state_dir / "data" / use_case.name / use_case.origin.file

    def get_sample_path(self, use_case: UseCase) -> Path:
        """Path of the sample."""
        return self._state_dir / "data" / use_case.name / SAMPLE_FILE

    def record_sample(self, use_case: UseCase, file: Path) -> None:
        """Record that a file holds synthetic rows, by its content: it may be copied or renamed later.

        Raises:
            OutputError: The system refuses.
        """
        with file.open("rb") as content:
            digest = hashlib.file_digest(content, "sha256").hexdigest()
        known = {*self.list_sample_digests(use_case), digest}
        with write_atomically(self._get_record_path(use_case)) as temporary:
            temporary.write_text("".join(f"{each}\n" for each in sorted(known)))

    def list_sample_digests(self, use_case: UseCase) -> frozenset[str]:
        """List the SHA-256 of every file of synthetic rows that was drawn here."""
        record = self._get_record_path(use_case)
        return frozenset(record.read_text().split()) if record.is_file() else frozenset()

    def _get_record_path(self, use_case: UseCase) -> Path:
        return self.get_sample_path(use_case).with_name(SAMPLE_RECORD)

    def find(self, use_case: UseCase) -> Path:
        """Find the default file: the user's original, else the fetched original, else the sample.

        Raises:
            SourceError: None of these files exists.
        """
        places = [
            self._data_dir / use_case.origin.file,
            self.get_fetched_path(use_case),
            self.get_sample_path(use_case),
        ]
        for place in places:
            if place.is_file():
                return place
        remedy = (
            f"run `servicio-ml data sample {use_case.name}` for synthetic rows or"
            f" `servicio-ml data fetch {use_case.name}` for the original, or give --source"
        )
        raise SourceError(use_case.name, f"none of {', '.join(map(str, places))} is there; {remedy}")


@contextmanager
def write_atomically(target: Path) -> Iterator[Path]:
    """Give a temporary path beside `target` that replaces it at the end, or is deleted on an error.

    Raises:
        OutputError: The system refuses.
    """
    # in the same folder, since a rename is atomic within one file system only
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    # the inner `finally` also removes the file when the caller fails
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(target, error.strerror or str(error)) from error


def write_csv(target: Path, columns: Mapping[str, Sequence[str]], *, header: bool) -> None:
    """Write columns of text as a comma-separated UTF-8 file, quoted where needed, atomically.

    Raises:
        OutputError: The system refuses.
    """
    with write_atomically(target) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if header:
            writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
