"""Backup and restore of the embedded platform's state folder."""

import shutil
from pathlib import Path

from deploy.backup import moved, state
from deploy.backup.folder import appearing
from deploy.backup.manifest import BackupError, Manifest, entry

KIND = "embedded"
STATE = "state"


def backup(origin: Path, target: Path, now: str) -> Manifest:
    """Back up a state folder, which may be written to meanwhile.

    Raises:
        BackupError: There is nothing, or the target is there.
    """
    if not state.has_data(origin):
        raise BackupError(f"{origin} holds nothing to back up; SERVICIO_ML_STATE_DIR names the state folder")
    if target.resolve().is_relative_to(origin.resolve()):
        raise BackupError(f"{target} is within {origin}, of which it is to be a backup; name another folder")
    with appearing(target) as folder:
        state.copy(origin, folder / STATE)
        entries = [entry(folder, path) for path in sorted(folder.rglob("*")) if path.is_file()]
        made = Manifest(of=KIND, made_at=now, origin=str(origin.resolve()), entries=entries)
        made.write(folder)
    return made


def restore(manifest: Manifest, source: Path, target: Path, *, replace: bool) -> None:
    """Make a state folder of a backup whose files have been verified.

    The folder is exchanged as a whole. Killed midway, the old one or none is there, and it is run again.

    Raises:
        BackupError: The platform runs, or has data that is not to be replaced.
    """
    if held := state.in_use(target):
        problem = f"a process uses {target} (it holds {held[0].name}); stop it first: make down"
        raise BackupError(problem)
    if (there := state.has_data(target)) and not replace:
        problem = (
            f"{target} has data ({', '.join(there)}); REPLACE=yes deletes it, SERVICIO_ML_STATE_DIR spares it"
        )
        raise BackupError(problem)
    target = target.resolve()
    restored, replaced = (target.with_name(f".{what}-{target.name}") for what in ("restored", "replaced"))
    with appearing(restored) as folder:
        if restored.exists():
            shutil.rmtree(restored)  # complete, but of a restore that was killed
        for each in manifest.entries:
            to = folder / Path(each.path).relative_to(STATE)
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / each.path, to)
        moved.move(folder, manifest.origin, str(target))
    _exchange(restored, target, replaced)


def _exchange(restored: Path, target: Path, replaced: Path) -> None:
    """Put the restored folder in the place of the old one, which may have been put away already."""
    if target.exists():
        _put_back(replaced, target)
        target.rename(replaced)
    restored.rename(target)
    _put_back(replaced, target)


def _put_back(replaced: Path, target: Path) -> None:
    """Move what no backup holds from a folder that is replaced, and delete the rest."""
    if not replaced.exists():
        return
    for name in sorted(state.LEFT_OUT):
        if (replaced / name).exists() and not (target / name).exists():
            (replaced / name).rename(target / name)
    shutil.rmtree(replaced)
