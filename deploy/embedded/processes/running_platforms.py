"""State folders of the platforms that run on this machine."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil

from deploy.embedded.settings import StatePaths

SUPERVISORD = "supervisor.supervisord"
"""Module of supervisord, whose command line holds the path of its configuration."""
UP_COMMAND = ["deploy.embedded", "up"]
"""End of the command line of `make up`, which holds the lock of its platform open."""


def find_running_states() -> list[Path]:
    """Find the state folders of the running platforms that this user may see."""
    found: set[Path] = set()
    for process in psutil.process_iter():
        # it has ended, or belongs to another user who hides it
        with suppress(psutil.Error):
            found.update(_find_states(process))
    return sorted(found)


def describe_absence(paths: StatePaths) -> str:
    """Describe that no platform runs under a state folder, and how to name another one's folder."""
    others = [state for state in find_running_states() if state != paths.state]
    problem = f"no platform runs under {paths.state}"
    if not others:
        return f"{problem}; start one: make up"
    folders = " or ".join(f"SERVICIO_ML_STATE_DIR={state}" for state in others)
    return f"{problem}; name the folder of one that runs: {folders}"


def _find_states(process: psutil.Process) -> Iterator[Path]:
    command = process.cmdline()
    if SUPERVISORD in command:
        for word in command:
            yield from _read_state(Path(word), "supervisord_config")
    # before supervisord starts, the first champion is trained for minutes: only `make up` shows then
    elif command[-len(UP_COMMAND) :] == UP_COMMAND:
        for file in process.open_files():
            yield from _read_state(Path(file.path), "lock")


def _read_state(path: Path, name: str) -> Iterator[Path]:
    """Yield the state folder whose file of this name has this path; nothing if there is no such folder."""
    # other programs use supervisord, too: the file must be where a platform has it
    if path.is_absolute() and len(path.parents) > 1:
        paths = StatePaths(state=path.parents[1])
        if path == getattr(paths, name):
            yield paths.state
