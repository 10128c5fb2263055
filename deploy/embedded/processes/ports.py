"""Check of the ports: which are free, and which process has those that are not."""

import socket
from collections.abc import Iterator, Sequence
from contextlib import suppress

import psutil

from deploy.embedded.components.component import Component
from deploy.embedded.settings import LOOPBACK, PlatformError

COMMAND_CHARACTERS = 80
"""Length at which the command line of another process is cut."""


def is_taken(port: int) -> bool:
    """Whether a program listens on a port of this machine."""
    with socket.socket() as probe:
        # sockets that wait for late packets of a closed connection do not count
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
            probe.listen()
        except OSError:
            return True
    return False


def find_free_port(port: int, excluded: Sequence[int]) -> int:
    """Find the first free port from `port` on."""
    while port in excluded or is_taken(port):
        port += 1
    return port


def check_ports(components: Sequence[Component]) -> None:
    """Check that each component can have its ports.

    Raises:
        PlatformError: Ports are taken or wanted twice; a line each says by whom and what to do.
    """
    wanted = [
        (port, component, variable) for component in components for port, variable in component.ports.items()
    ]
    problems = [
        _describe_conflict(port, component, variable)
        for port, component, variable in wanted
        if is_taken(port)
    ]
    problems += _describe_duplicates(wanted)
    if problems:
        raise PlatformError("\n".join(problems))


def _describe_conflict(port: int, component: Component, variable: str) -> str:
    free = find_free_port(port + 1, ())
    return (
        f"port {port}, which {component.title} wants, is taken{_describe_owner(port)}; stop that process, or "
        f"choose another port: make up {variable}={free}"
    )


def _describe_duplicates(wanted: Sequence[tuple[int, Component, str]]) -> Iterator[str]:
    first: dict[int, str] = {}
    for port, component, variable in wanted:
        if port in first:
            yield f"port {port} is wanted by {first[port]} and by {component.title}; change {variable}"
        first.setdefault(port, component.title)


def _describe_owner(port: int) -> str:
    """Name the process that listens on a port; empty if this user may not see it."""
    # one process at a time: on macOS, only root may list the connections of all processes at once
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if any(
                each.laddr.port == port and each.status == psutil.CONN_LISTEN
                for each in process.net_connections(kind="tcp")
            ):
                command = " ".join(process.cmdline()).strip()[:COMMAND_CHARACTERS]
                return f" by process {process.pid} ({command})"
    return ""
