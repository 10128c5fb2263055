"""Configuration of supervisord for the components of a platform."""

import shlex
import sys
from collections.abc import Mapping

from deploy.embedded.components.component import Component, EmbeddedPlatform
from deploy.embedded.settings import ROOT, StatePaths

LOG_BYTES, LOG_FILES = "5MB", 2
START_CHECK_SECONDS = 8
"""Time that a component must run to count as started: the slowest needs that long to find its port taken."""
START_ATTEMPTS = 3
"""Number of start attempts, each a second later than the one before."""
EXEC_WRAPPER = "deploy.embedded.processes.exec_wrapper"


def get_server_url(paths: StatePaths) -> str:
    """Address of a platform's supervisord, which its processes have in their environment, too."""
    return f"unix://{paths.socket}"


def build_configuration(platform: EmbeddedPlatform, paths: StatePaths) -> str:
    """Build the text of supervisord's configuration file."""
    sections = {
        "unix_http_server": {"file": str(paths.socket), "chmod": "0700"},
        "supervisord": {
            "logfile": str(paths.get_log("supervisord")), "logfile_maxbytes": LOG_BYTES,
            "logfile_backups": str(LOG_FILES), "pidfile": str(paths.run / "supervisord.pid"),
            "childlogdir": str(paths.logs), "directory": str(ROOT), "nodaemon": "true", "silent": "true",
        },
        "rpcinterface:supervisor": {
            "supervisor.rpcinterface_factory": "supervisor.rpcinterface:make_main_rpcinterface"
        },
        **{f"program:{each.name}": _build_program(each, paths) for each in platform.components},
    }  # fmt: skip
    lines = []
    for section, options in sections.items():
        lines.append(f"[{section}]")
        # supervisord expands %(name)s in every value
        lines += [f"{name} = {value.replace('%', '%%')}" for name, value in options.items()]
    return "\n".join(lines) + "\n"


def _build_program(component: Component, paths: StatePaths) -> Mapping[str, str]:
    wrapped = [sys.executable, "-m", EXEC_WRAPPER, *component.command]
    return {
        "command": shlex.join(wrapped), "priority": str(component.order), "autorestart": "true",
        "startsecs": str(START_CHECK_SECONDS), "startretries": str(START_ATTEMPTS), "stopsignal": "TERM",
        "stopwaitsecs": str(component.stop_seconds), "killasgroup": "true", "redirect_stderr": "true",
        "stdout_logfile": str(paths.get_log(component.name)), "stdout_logfile_maxbytes": LOG_BYTES,
        "stdout_logfile_backups": str(LOG_FILES),
    }  # fmt: skip
