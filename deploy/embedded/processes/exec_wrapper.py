"""Wrapper around the command of a component: it ends the processes of an earlier run, then executes it.

A program that starts others leaves them behind when it is killed; supervisord knows only the first one, and
the others would keep the port.
"""

import os
import sys

from deploy.embedded.processes.orphaned_processes import (
    COMPONENT_VARIABLE,
    SERVER_VARIABLE,
    end_processes,
    find_of_component,
    record_process,
)


def main() -> None:
    server, component = os.environ[SERVER_VARIABLE], os.environ[COMPONENT_VARIABLE]
    if ended := end_processes(lambda: find_of_component(server, component)):
        print(f"{component}: ended {ended} orphaned processes of an earlier run", flush=True)
    record_process(server, component)
    command = sys.argv[1:]
    try:
        # exec keeps the process id: supervisord's signals reach the component itself
        os.execvp(command[0], command)  # noqa: S606
    except OSError as error:
        sys.exit(f"{component}: cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
