"""Program that copies a folder to and from a tar archive; it runs in a container that may write the folder.

A variable of its environment names the folder. `list VARIABLE` prints the paths of the files as JSON. `save
VARIABLE` writes the archive to standard output, `load VARIABLE` reads one from standard input, and `clear
VARIABLE` deletes the files. Hidden files are excluded: uploads and use cases that are being written.
"""

import json
import os
import sys
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from shutil import copyfileobj


def list_files(folder: Path) -> Sequence[str]:
    """List the paths of the files below a folder in alphabetical order.

    Raises:
        NotADirectoryError: There is no folder.
    """
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder")
    return sorted(path.relative_to(folder).as_posix() for path in _walk(folder) if path.is_file())


def _walk(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if not name.startswith("."))


def save(folder: Path) -> None:
    """Write the archive.

    Raises:
        OSError: A file was written or removed meanwhile.
    """
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as archive:
        for name in list_files(folder):
            _add(archive, folder / name, name)


def _add(archive: tarfile.TarFile, path: Path, name: str) -> None:
    with path.open("rb") as source:
        before = os.fstat(source.fileno())
        member = tarfile.TarInfo(name)
        member.size = before.st_size
        try:
            archive.addfile(member, source)
        except OSError as error:
            raise OSError(f"{path}: {error}") from error
        after = os.fstat(source.fileno())
    if (before.st_mtime_ns, before.st_size) != (after.st_mtime_ns, after.st_size):
        raise OSError(f"{path} is being written; run the backup when it is finished")


def load(folder: Path) -> None:
    """Write every member of the archive into the folder."""
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as archive:
        for member in archive:
            source = archive.extractfile(member)
            if source is not None:
                path = folder / member.name
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open("wb") as sink:
                    copyfileobj(source, sink)


def clear(folder: Path) -> None:
    """Delete every file that `list` lists; hidden ones and folders stay."""
    for name in list_files(folder):
        (folder / name).unlink()


def main(verb: str, variable: str) -> None:
    """Run the command; a problem with a file ends it with one line."""
    folder = Path(os.environ[variable])
    try:
        if verb == "list":
            print(json.dumps(list_files(folder)))
        else:
            {"save": save, "load": load, "clear": clear}[verb](folder)
    except OSError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(*sys.argv[1:])
