"""Files that the process may open: its interpreter, its model and its scratch folder.

Linux, landlock(7), from 5.13 on. Without a rule for /proc, the environment of other processes is hidden.
"""

import ctypes
import os
import struct
import sys
from collections.abc import Iterable
from pathlib import Path

CREATE_RULESET, ADD_RULE, RESTRICT_SELF = 444, 445, 446
VERSION_FLAG, PATH_RULE = 1, 1
EXECUTE, WRITE_FILE, READ_FILE, READ_DIRECTORY = 1, 2, 4, 8
MAKE_LINKS_ACROSS, TRUNCATE, CONTROL_DEVICE = 1 << 13, 1 << 14, 1 << 15
FIRST_RIGHTS = (1 << 13) - 1
LATER_RIGHTS = {2: MAKE_LINKS_ACROSS, 3: TRUNCATE, 5: CONTROL_DEVICE}
"""Rights by the version of the interface from which they exist."""
SCOPE_VERSION = 6
SCOPES = 3
"""No abstract socket and no signal beyond this process."""
READ = EXECUTE | READ_FILE | READ_DIRECTORY
FILE_RIGHTS = EXECUTE | WRITE_FILE | READ_FILE | TRUNCATE | CONTROL_DEVICE
RULE = struct.Struct("<Qi")

SYSTEM_PATHS = (
    "/usr", "/lib", "/lib64", "/bin", "/etc/ld.so.cache", "/etc/localtime", "/etc/timezone", "/etc/passwd",
    "/etc/nsswitch.conf", "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat",
    "/sys/devices/system", "/sys/fs/cgroup",
)  # fmt: skip
"""Paths that libraries read: themselves, the time zone, the processors and the memory."""
DEVICES = ("/dev/null", "/dev/zero", "/dev/random", "/dev/urandom")


def restrict_files(library: ctypes.CDLL, *, readable: Iterable[Path], scratch: Path) -> bool:
    """Restrict the files of this process; `PR_SET_NO_NEW_PRIVS` must be set already.

    Args:
        library: The C library.
        readable: Folders that may be read besides those of the interpreter and of the system.
        scratch: Folder that may be written.

    Returns:
        Whether the kernel does so; False where it has no Landlock.

    Raises:
        OSError: The kernel has it, and refuses the rules.
    """
    version = library.syscall(CREATE_RULESET, None, 0, VERSION_FLAG)
    if version < 1:
        return False
    rights = FIRST_RIGHTS
    for since, added in LATER_RIGHTS.items():
        rights |= added if version >= since else 0
    ruleset = _create_ruleset(library, rights, version)
    paths = [*map(Path, (*SYSTEM_PATHS, sys.prefix, sys.base_prefix, *sys.path)), *readable]
    for path in paths:
        _add_rule(library, ruleset, path, READ & rights)
    for name in DEVICES:
        _add_rule(library, ruleset, Path(name), (READ_FILE | WRITE_FILE) & rights)
    _add_rule(library, ruleset, scratch, rights)
    if library.syscall(RESTRICT_SELF, ruleset, 0):
        raise OSError(ctypes.get_errno(), "the kernel refuses the restriction of files (Landlock)")
    os.close(ruleset)
    return True


def _create_ruleset(library: ctypes.CDLL, rights: int, version: int) -> int:
    scoped = version >= SCOPE_VERSION
    # no rule of TCP ports in the second place: there are no sockets at all
    attributes = struct.pack("<QQQ", rights, 0, SCOPES) if scoped else struct.pack("<Q", rights)
    ruleset: int = library.syscall(CREATE_RULESET, attributes, len(attributes), 0)
    if ruleset < 0:
        raise OSError(ctypes.get_errno(), "the kernel refuses a set of rules (Landlock)")
    return ruleset


def _add_rule(library: ctypes.CDLL, ruleset: int, path: Path, rights: int) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        # what is not there needs no rule
        return
    try:
        kept = rights if path.is_dir() else rights & FILE_RIGHTS
        if library.syscall(ADD_RULE, ruleset, PATH_RULE, RULE.pack(kept, opened), 0):
            raise OSError(ctypes.get_errno(), f"the kernel refuses a rule for {path} (Landlock)")
    finally:
        os.close(opened)
