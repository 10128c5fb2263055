"""A stand-in for `grafana server`: it refuses what the real one does not know, then answers /api/health.

The platform runs it as its program, so it uses the standard library and PyYAML only. `/stand-in` gives
the settings and the provisioned data sources and dashboards that it has read.
"""

import json
import os
import string
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

KNOWN = {
    "paths": {"data", "logs", "plugins", "provisioning"},
    "log": {"mode"},
    "server": {"protocol", "http_addr", "http_port", "domain"},
    "auth": {"disable_login_form"},
    "auth.basic": {"enabled"},
    "auth.anonymous": {"enabled", "org_role"},
    "security": {"disable_initial_admin_creation", "disable_gravatar"},
    "users": {"allow_sign_up", "allow_org_create"},
    "analytics": {
        *("reporting_enabled", "check_for_updates", "check_for_plugin_updates", "feedback_links_enabled"),
    },
    "news": {"news_feed_enabled"},
    "snapshots": {"external_enabled"},
    "plugins": {"preinstall_disabled", "public_key_retrieval_disabled", "plugin_admin_enabled"},
}
"""Sections and names of Grafana's conf/defaults.ini: the real one ignores all others silently."""


def write_program(home: Path, script: Path = Path(__file__)) -> Path:
    """Write a release's folder with this stand-in, or a copy of it, as its program."""
    program = home / "bin" / "grafana"
    program.parent.mkdir(parents=True)
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script.resolve()}" "$@"\n')
    program.chmod(0o755)
    defaults = home / "conf" / "defaults.ini"
    defaults.parent.mkdir()
    defaults.write_text("app_mode = production\n")
    return program


def read_settings(words: list[str]) -> dict[str, str]:
    """Read the command line; exit where it is not one of Grafana's."""
    command, home, *rest = words
    if command != "server" or not home.startswith("--homepath="):
        sys.exit(f"not a command line of grafana: {words}")
    if not (Path(home.partition("=")[2]) / "conf" / "defaults.ini").is_file():
        sys.exit(f"no conf/defaults.ini in {home}")
    settings = dict(each.removeprefix("cfg:").split("=", 1) for each in rest)
    if unknown := [each for each in rest if not is_known(each)]:
        sys.exit(f"unknown words or settings: {unknown}")
    return settings


def is_known(word: str) -> bool:
    """Whether a word of the command line sets something that Grafana has."""
    section, _, name = word.removeprefix("cfg:").partition("=")[0].rpartition(".")
    return word.startswith("cfg:") and name in KNOWN.get(section, ())


def read_provisioning(folder: Path) -> dict[str, Any]:
    """Read the data sources, with the variables of the environment, and the uids of the dashboards."""
    sources, dashboards = [], []
    for file in (folder / "datasources").glob("*.yaml"):
        sources += yaml.safe_load(string.Template(file.read_text()).substitute(os.environ))["datasources"]
    for file in (folder / "dashboards").glob("*.yaml"):
        for provider in yaml.safe_load(file.read_text())["providers"]:
            found = sorted(Path(provider["options"]["path"]).glob("*.json"))
            dashboards += [json.loads(each.read_text())["uid"] for each in found]
    return {"sources": sources, "dashboards": dashboards}


def main() -> None:
    settings = read_settings(sys.argv[1:])
    found = {"settings": settings, **read_provisioning(Path(settings["paths.provisioning"]))}
    Path(settings["paths.data"]).mkdir(parents=True, exist_ok=True)

    class StandInHandler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answers = {"/api/health": {"database": "ok"}, "/stand-in": found}
            self.send_response(200 if self.path in answers else 404)
            self.end_headers()
            self.wfile.write(json.dumps(answers.get(self.path)).encode())

        def log_message(self, *_: object) -> None:
            """Log nothing."""

    address = (settings["server.http_addr"], int(settings["server.http_port"]))
    ThreadingHTTPServer(address, StandInHandler).serve_forever()


if __name__ == "__main__":
    main()
