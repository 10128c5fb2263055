"""Backup and restore of the embedded platform's state folder."""

import shutil
from pathlib import Path

from deploy.backup import state
from deploy.backup.atomic_folder import create_atomically
from deploy.backup.manifest import BackupError, BackupManifest, describe_file

KIND = "embedded"
STATE = "state"


def back_up(origin: Path, target: Path, now: str) -> BackupManifest:
    """Back up a state folder; the platform may run meanwhile.

    Raises:
        BackupError: The state folder is empty or contains the target, or another process writes the target.
    """
    if not state.list_data(origin):
        raise BackupError(f"{origin} holds nothing to back up; SERVICIO_ML_STATE_DIR names the state folder")
    if target.resolve().is_relative_to(origin.resolve()):
        raise BackupError(f"{target} is within {origin}, the folder to back up; name another folder")
    with create_atomically(target) as folder:
        state.copy_state(origin, folder / STATE)
        entries = [describe_file(folder, path) for path in sorted(folder.rglob("*")) if path.is_file()]
        made = BackupManifest(of=KIND, made_at=now, origin=str(origin.resolve()), entries=entries)
        made.write(folder)
    return made


def restore(manifest: BackupManifest, source: Path, target: Path, *, replace: bool) -> None:
    """Create a state folder from a backup whose files have been verified.

    The whole folder is exchanged at the end. After an interruption, the old folder or none exists: run it
    again.

    Raises:
        BackupError: The platform runs, or it has data and `replace` is false.
    """
    if held := state.list_held_locks(target):
        problem = f"a process uses {target} (it holds {held[0].name}); stop it first: make down"
        raise BackupError(problem)
    if (there := state.list_data(target)) and not replace:
        problem = (
            f"{target} has data ({', '.join(there)}); REPLACE=yes deletes it, SERVICIO_ML_STATE_DIR spares it"
        )
        raise BackupError(problem)
    target = target.resolve()
    restored, replaced = (target.with_name(f".{what}-{target.name}") for what in ("restored", "replaced"))
    with create_atomically(restored) as folder:
        if restored.exists():
            shutil.rmtree(restored)  # complete, but of a restore that was killed
        for each in manifest.entries:
            to = folder / Path(each.path).relative_to(STATE)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / each.path, to)
    _exchange(restored, target, replaced)


def _exchange(restored: Path, target: Path, replaced: Path) -> None:
    """Put the restored folder in the place of the old one; an interrupted exchange is completed."""
    if target.exists():
        _put_back(replaced, target)
        target.rename(replaced)
    restored.rename(target)
    _put_back(replaced, target)


def _put_back(replaced: Path, target: Path) -> None:
    """Move the folders that backups exclude from the replaced folder to the target; delete the rest."""
    if not replaced.exists():
        return
    for name in sorted(state.EXCLUDED_FOLDERS):
        if (replaced / name).exists() and not (target / name).exists():
            (replaced / name).rename(target / name)
    shutil.rmtree(replaced)
