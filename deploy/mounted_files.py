"""Files of the repository that containers read as other users: a clone under `umask 077` closes them."""

import stat
from collections.abc import Iterator
from pathlib import Path

MOUNTED = ("airflow/config", "dockerfiles", "docs", "grafana", "monitoring")
"""Folders with what docker-compose.yaml mounts; none of it is secret."""
READ = stat.S_IRGRP | stat.S_IROTH
ENTER = stat.S_IXGRP | stat.S_IXOTH


def open_mounted_files(root: Path) -> list[Path]:
    """Let every user read the mounted files; return those that changed.

    Raises:
        PermissionError: A file that others cannot read belongs to another user.
    """
    return [path for name in MOUNTED for path in _walk(root / name) if _open(path)]


def _walk(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        yield folder
        yield from (path for path in sorted(folder.rglob("*")) if not path.is_symlink())


def _open(path: Path) -> bool:
    mode = stat.S_IMODE(path.stat().st_mode)
    wanted = mode | READ | (ENTER if path.is_dir() else 0)
    if mode == wanted:
        return False
    path.chmod(wanted)
    return True
