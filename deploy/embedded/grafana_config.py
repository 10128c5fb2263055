"""Configuration of Grafana: the committed provisioning for this machine, and the settings of a viewer."""

from collections.abc import Mapping
from pathlib import Path

import yaml

from deploy.embedded.monitoring_config import write_yaml
from deploy.embedded.settings import LOOPBACK, ROOT, PlatformSetup

PROVISIONING = ROOT / "grafana" / "provisioning"
DASHBOARDS = ROOT / "grafana" / "dashboards"
FOLDERS = ("datasources", "dashboards")
DEFAULTS = Path("conf") / "defaults.ini"
"""File that Grafana's own folder has."""


def find_home(program: str) -> Path | None:
    """Find the folder with Grafana's pages and defaults; None if the program has none beside it.

    A release has its program in `bin`, a package in `/usr/sbin` or a prefix's `bin`.
    """
    prefix = Path(program).resolve().parents[1]
    homes = (prefix, prefix / "share" / "grafana")
    return next((each for each in homes if (each / DEFAULTS).is_file()), None)


def write_provisioning(folder: Path) -> Path:
    """Write the data source and the dashboards' folder; give the folder of the provisioning."""
    for name in FOLDERS:
        for file in (PROVISIONING / name).glob("*.yaml"):
            config = yaml.safe_load(file.read_text())
            for provider in config.get("providers", ()):
                provider["options"]["path"] = str(DASHBOARDS)
            write_yaml(folder / name / file.name, config)
    return folder


def build_settings(setup: PlatformSetup, provisioning: Path) -> Mapping[str, str]:
    """Settings by their section and name; Grafana's defaults hold for all others.

    Everybody on this machine is a viewer, and nobody can log in: there is no administrator.
    """
    data, port = setup.paths.state / "grafana", str(setup.options.grafana_port)
    return {
        "paths.data": str(data), "paths.logs": str(data / "log"), "paths.plugins": str(data / "plugins"),
        "paths.provisioning": str(provisioning), "log.mode": "console",
        "server.protocol": "http", "server.http_addr": LOOPBACK, "server.http_port": port,
        "server.domain": LOOPBACK,
        "auth.disable_login_form": "true", "auth.basic.enabled": "false",
        "auth.anonymous.enabled": "true", "auth.anonymous.org_role": "Viewer",
        "security.disable_initial_admin_creation": "true", "security.disable_gravatar": "true",
        "users.allow_sign_up": "false", "users.allow_org_create": "false",
        # it asks nobody on the internet for anything
        "analytics.reporting_enabled": "false", "analytics.check_for_updates": "false",
        "analytics.check_for_plugin_updates": "false", "analytics.feedback_links_enabled": "false",
        "news.news_feed_enabled": "false", "snapshots.external_enabled": "false",
        "plugins.preinstall_disabled": "true", "plugins.public_key_retrieval_disabled": "true",
        "plugins.plugin_admin_enabled": "false",
    }  # fmt: skip
