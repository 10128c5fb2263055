"""What a backup holds. It is written last: a folder without it is no backup."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from servicio_ml.errors import ServicioError

NAME = "manifest.json"
FORMAT = 1
"""Counted up when an older program could not restore it."""


class BackupError(ServicioError):
    """Nothing can be backed up, or restored, like this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One file.

    Attributes:
        path: Below the backup.
        bytes: Its size.
        sha256: Its digest.
    """

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """All of a backup.

    Attributes:
        of: The kind of platform: `embedded` or `compose`.
        made_at: ISO 8601, when it was begun.
        origin: The state folder that it was made of; empty for Compose.
        entries: Its files.
    """

    of: str
    made_at: str
    origin: str = ""
    entries: Sequence[Entry]

    @property
    def bytes(self) -> int:
        """The size of all files together."""
        return sum(entry.bytes for entry in self.entries)

    def write(self, folder: Path) -> None:
        """Write it into a backup."""
        (folder / NAME).write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n")


def entry(folder: Path, path: Path) -> Entry:
    """What is to be said of a file of a backup."""
    return Entry(path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=digest(path))


def digest(path: Path) -> str:
    """The SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read(folder: Path) -> Manifest:
    """The manifest of a backup, every file having been compared with it.

    Raises:
        BackupError: It is no backup, was made by a newer program, or has been changed.
    """
    try:
        document = json.loads((folder / NAME).read_text())
    except FileNotFoundError as error:
        problem = f"{folder} is no backup: it holds no {NAME}, which is written last"
        raise BackupError(problem) from error
    except ValueError as error:
        raise BackupError(f"{folder / NAME} cannot be read: {error}; take another backup") from error
    if (found := document.pop("format", None)) != FORMAT:
        problem = f"{folder} has format {found}, this program reads {FORMAT}; use the program that made it"
        raise BackupError(problem)
    manifest = Manifest(**{**document, "entries": [Entry(**each) for each in document["entries"]]})
    for each in manifest.entries:
        _compare(folder, each)
    return manifest


def _compare(folder: Path, told: Entry) -> None:
    path = folder / told.path
    if not path.is_file():
        raise BackupError(f"{path} is missing; take another backup")
    if path.stat().st_size != told.bytes or digest(path) != told.sha256:
        raise BackupError(f"{path} is not what was backed up: its digest differs; take another backup")
