"""Limits of the process, set before anything of the model is read."""

import ctypes
import os
import resource
import signal
from pathlib import Path

from .landlock import restrict_files
from .seccomp import filter_calls

SET_DEATH_SIGNAL, SET_NO_NEW_PRIVILEGES = 1, 38
NICENESS = 10
"""Added niceness: where processors are scarce, the server and its other models have precedence."""


def enter_sandbox(*, parent: int, memory_bytes: int, model_folder: Path, scratch: Path) -> bool:
    """Limit this process for good: processor time, memory, network, processes and files.

    Args:
        parent: Process that has started this one, which ends with it.
        memory_bytes: Maximum address space, in bytes, and maximum size of a written file.
        model_folder: Folder that may be read.
        scratch: Folder that may be written.

    Returns:
        Whether files are restricted, which older kernels cannot do.

    Raises:
        OSError: The system cannot limit a process in this way.
    """
    library = ctypes.CDLL(None, use_errno=True)
    if not hasattr(library, "prctl"):
        raise OSError("isolated models need Linux: this system has no prctl")
    # first: whatever fails later, the process does not outlive its server
    _call_prctl(library, SET_DEATH_SIGNAL, signal.SIGKILL)
    if os.getppid() != parent:
        raise OSError(f"the process {parent} that has started this one is gone")
    os.nice(NICENESS)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (memory_bytes, memory_bytes))
    _call_prctl(library, SET_NO_NEW_PRIVILEGES, 1)
    package = Path(__file__).resolve().parent
    restricted = restrict_files(library, readable=(package, model_folder), scratch=scratch)
    filter_calls(library)
    return restricted


def _call_prctl(library: ctypes.CDLL, option: int, value: int) -> None:
    if library.prctl(option, value, 0, 0, 0):
        raise OSError(ctypes.get_errno(), f"prctl {option} failed")
