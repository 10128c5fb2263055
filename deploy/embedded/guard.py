"""Runs a part in its own process, once no process of an earlier run of it is left that would hold its port.

A program that starts others leaves them behind when it is killed; supervisord knows of the first one only.
"""

import os
import sys

from deploy.embedded import leftovers


def main() -> None:
    server, part = os.environ[leftovers.SERVER], os.environ[leftovers.PART]
    if ended := leftovers.end(lambda: leftovers.of_part(server, part)):
        print(f"{part}: {ended} processes of an earlier run were left and have been ended", flush=True)
    leftovers.note(server, part)
    command = sys.argv[1:]
    try:
        os.execvp(command[0], command)  # noqa: S606  the point of it: the part takes this process over
    except OSError as error:
        sys.exit(f"{part}: cannot run {command[0]}: {error.strerror}")


if __name__ == "__main__":
    main()
