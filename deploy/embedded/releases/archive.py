"""Unpacking of a release: files and folders below one folder and nothing else, all of it or nothing."""

import gzip
import os
import shutil
import tarfile
import tempfile
import zlib
from pathlib import Path, PurePosixPath

from deploy.embedded.settings import PlatformError

UNPACKING = ".unpacking-"
"""Prefix of the folders in which archives are unpacked; one that a killed process has left is unused."""
EXECUTABLE, READABLE = 0o755, 0o644
ANY_EXECUTE = 0o111


class ArchiveError(PlatformError):
    """An archive is damaged, or is no release of a program."""


def unpack(archive: Path, target: Path, program: str) -> None:
    """Unpack an archive's only folder; the target appears at once, when everything is on the disk.

    Args:
        archive: A tar file compressed by gzip.
        target: Folder to create.
        program: Path of the program below it.

    Raises:
        ArchiveError: The archive is damaged, has a link, a device or a path that leads outside, or lacks the
            program.
    """
    with tempfile.TemporaryDirectory(prefix=UNPACKING, dir=target.parent) as name:
        root = _extract(archive, Path(name))
        if not os.access(root / program, os.X_OK):
            raise ArchiveError(f"{archive.name} has no program {program}")
        # after a power failure, a renamed folder must not hold empty files
        os.sync()
        root.rename(target)


def remove_unfinished(folder: Path) -> None:
    """Remove what a killed process has unpacked only partly."""
    for left in folder.glob(f"{UNPACKING}*"):
        shutil.rmtree(left)


def _extract(archive: Path, folder: Path) -> Path:
    """Extract an archive and give its only folder."""
    try:
        with tarfile.open(archive, "r:gz") as tar:
            for member in tar:
                _extract_member(tar, member, folder)
    except (tarfile.TarError, gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ArchiveError(f"{archive.name} is damaged: {error}") from error
    entries = list(folder.iterdir())
    if len(entries) != 1 or not entries[0].is_dir():
        names = ", ".join(sorted(each.name for each in entries)) or "nothing"
        raise ArchiveError(f"{archive.name} holds {names} instead of one folder")
    return entries[0]


def _extract_member(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path) -> None:
    path = PurePosixPath(member.name)
    if path.is_absolute() or ".." in path.parts:
        raise ArchiveError(f"the archive has the path {member.name}, which leads out of its folder")
    target = folder / path
    if member.isdir():
        target.mkdir(parents=True, exist_ok=True)
        return
    content = tar.extractfile(member) if member.isfile() else None
    if content is None:
        # releases need no links, and a link could lead the next file out of the folder
        raise ArchiveError(f"the archive has {member.name}, which is neither a file nor a folder")
    target.parent.mkdir(parents=True, exist_ok=True)
    with target.open("wb") as file:
        shutil.copyfileobj(content, file)
    target.chmod(EXECUTABLE if member.mode & ANY_EXECUTE else READABLE)
