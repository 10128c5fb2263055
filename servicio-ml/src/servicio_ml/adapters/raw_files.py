"""Raw files on this machine: where they are kept, which one is meant, and writing one whole or not at all."""

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from servicio_ml.domain.use_case import UseCase
from servicio_ml.errors import OutputError, SourceError

SAMPLE = "sample.csv"


class RawFiles:
    """The raw files of every use case.

    Args:
        state_dir: Where fetched originals and samples are kept.
        data_dir: Where originals lie that the user brought along.
    """

    def __init__(self, state_dir: Path, data_dir: Path | None) -> None:
        self._state_dir, self._data_dir = state_dir, data_dir

    def fetched(self, use_case: UseCase) -> Path:
        """Where the fetched original is kept."""
        return self._state_dir / "data" / use_case.name / use_case.origin.file

    def sample(self, use_case: UseCase) -> Path:
        """Where the sample is kept."""
        return self._state_dir / "data" / use_case.name / SAMPLE

    def found(self, use_case: UseCase) -> Path:
        """The file that is meant when none is named: the user's original, the fetched one, else the sample.

        Raises:
            SourceError: None of them is there.
        """
        places = [self.fetched(use_case), self.sample(use_case)]
        if self._data_dir is not None:
            places.insert(0, self._data_dir / use_case.origin.file)
        for place in places:
            if place.is_file():
                return place
        remedy = (
            f"run `servicio-ml data sample {use_case.name}` for look-alike rows or"
            f" `servicio-ml data fetch {use_case.name}` for the original, or give --source"
        )
        raise SourceError(use_case.name, f"none of {', '.join(map(str, places))} is there; {remedy}")


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A path beside `target` to write to: at the end it becomes `target`; after an error it vanishes.

    Raises:
        OutputError: The system refuses.
    """
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield part
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)
    except OSError as error:
        raise OutputError(target, error.strerror or str(error)) from error


def write_csv(target: Path, columns: Mapping[str, Sequence[str]], *, header: bool) -> None:
    """Write columns of text as UTF-8, comma-separated, a row a line, quoted where needed.

    Raises:
        OutputError: The system refuses.
    """
    with written_whole(target) as part, part.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        if header:
            writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))
