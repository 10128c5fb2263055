"""Which ports are free, and who has those that are not."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from deploy.embedded.part import Part
from deploy.embedded.settings import LOOPBACK, PlatformError

PROC = Path("/proc")
LISTENS = "0A"
"""State of a listening socket in /proc/net/tcp."""
SHOWN_CHARACTERS = 80


def taken(port: int) -> bool:
    """Whether somebody listens on a port of this machine."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError:
            return True
    return False


def free_from(port: int, not_these: Sequence[int]) -> int:
    """The first port from one on that is free."""
    while port in not_these or taken(port):
        port += 1
    return port


def check(parts: Sequence[Part]) -> None:
    """See that each part gets its ports.

    Raises:
        PlatformError: One is taken, or wanted twice; each is named, with who has it and what to do.
    """
    wanted = [(port, part, variable) for part in parts for port, variable in part.ports.items()]
    problems = [_problem(port, part, variable) for port, part, variable in wanted if taken(port)]
    problems += _twice(wanted)
    if problems:
        raise PlatformError("\n".join(problems))


def _problem(port: int, part: Part, variable: str) -> str:
    return (
        f"port {port}, which {part.title} wants, is taken{_by(port)}; stop that, or choose another port: "
        f"make up {variable}={free_from(port + 1, ())}"
    )


def _twice(wanted: Sequence[tuple[int, Part, str]]) -> Iterator[str]:
    first: dict[int, str] = {}
    for port, part, variable in wanted:
        if port in first:
            yield f"port {port} is wanted by {first[port]} and by {part.title}; change {variable}"
        first.setdefault(port, part.title)


def _by(port: int) -> str:
    """Who listens on a port, as far as this user may know."""
    inodes = {f"socket:[{inode}]" for inode in _inodes(port)}
    for folder in PROC.glob("[0-9]*"):
        with suppress(OSError):  # it has ended, or is somebody else's
            if any(str(each.readlink()) in inodes for each in (folder / "fd").iterdir()):
                words = (folder / "cmdline").read_bytes().decode(errors="replace").split("\0")
                return f" by process {folder.name} ({' '.join(words).strip()[:SHOWN_CHARACTERS]})"
    return ""


def _inodes(port: int) -> Iterator[str]:
    """Of the sockets that listen on a port."""
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text().splitlines()[1:]:
                words = line.split()
                if words[3] == LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                    yield words[9]
