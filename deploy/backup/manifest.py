"""Manifest of a backup. It is written last, so a folder without it is not a backup."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from servicio_ml.errors import ServicioError

MANIFEST_NAME = "manifest.json"
FORMAT = 1
"""Version of the format; it is incremented when older programs cannot restore new backups."""


class BackupError(ServicioError):
    """A backup or a restore is impossible."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupFile:
    """File of a backup.

    Attributes:
        path: Path below the folder of the backup.
        bytes: Size in bytes.
        sha256: SHA-256 digest as hexadecimal digits.
    """

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BackupManifest:
    """Description of a backup.

    Attributes:
        of: Kind of platform: `embedded` or `compose`.
        made_at: Start of the backup as ISO 8601, in UTC.
        origin: State folder that was backed up; empty for Compose.
        entries: Files of the backup.
    """

    of: str
    made_at: str
    origin: str = ""
    entries: Sequence[BackupFile]

    @property
    def bytes(self) -> int:
        """Total size of all files in bytes."""
        return sum(entry.bytes for entry in self.entries)

    def write(self, folder: Path) -> None:
        """Write the manifest into the folder of a backup."""
        (folder / MANIFEST_NAME).write_text(json.dumps({"format": FORMAT, **asdict(self)}, indent=1) + "\n")


def describe_file(folder: Path, path: Path) -> BackupFile:
    """Describe a file in the folder of a backup."""
    return BackupFile(
        path=path.relative_to(folder).as_posix(), bytes=path.stat().st_size, sha256=compute_digest(path)
    )


def compute_digest(path: Path) -> str:
    """Compute the SHA-256 digest of a file as hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_manifest(folder: Path) -> BackupManifest:
    """Read the manifest of a backup and verify the size and the digest of every file.

    Raises:
        BackupError: The folder is not a backup, has another format, or has changed.
    """
    try:
        document = json.loads((folder / MANIFEST_NAME).read_text())
    except FileNotFoundError as error:
        problem = f"{folder} is not a backup: it has no {MANIFEST_NAME}, which is written last"
        raise BackupError(problem) from error
    except ValueError as error:
        raise BackupError(f"{folder / MANIFEST_NAME} cannot be read: {error}; take another backup") from error
    if (found := document.pop("format", None)) != FORMAT:
        problem = f"{folder} has format {found}, this program reads {FORMAT}; use the program that made it"
        raise BackupError(problem)
    manifest = BackupManifest(**{**document, "entries": [BackupFile(**each) for each in document["entries"]]})
    for each in manifest.entries:
        _verify_file(folder, each)
    return manifest


def _verify_file(folder: Path, expected: BackupFile) -> None:
    path = folder / expected.path
    if not path.is_file():
        raise BackupError(f"{path} is missing; take another backup")
    if path.stat().st_size != expected.bytes or compute_digest(path) != expected.sha256:
        raise BackupError(f"{path} has changed since the backup: its digest differs; take another backup")
