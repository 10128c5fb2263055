"""Configuration of Prometheus and Alertmanager: the committed one with the addresses of this machine."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from monitoring.rules import build_groups, to_document
from monitoring.thresholds import STEP, WINDOWS

from deploy.embedded.settings import LOOPBACK, ROOT, PlatformSetup

MONITORING = ROOT / "monitoring"
RULES = MONITORING / "prometheus" / "rules"
HOOK = "/hooks/alertmanager"
SHORT_WINDOWS = ("1h", "1d")
"""Windows with a short step: a month holds too many samples to be added up every minute."""


def write_prometheus_config(setup: PlatformSetup, folder: Path, targets: Mapping[str, int]) -> Path:
    """Write Prometheus' configuration; give its path.

    Args:
        setup: Options, settings and paths of the platform.
        folder: Folder to write to.
        targets: Name of a scrape job to its port.
    """
    config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yaml").read_text())
    # Prometheus 2, which Debian has, takes the retention on its command line only
    del config["storage"]
    config["rule_files"] = [_write_rules(setup.options.rule_step, folder)]
    # jobs of programs that do not run here would raise ServerDown
    jobs = [each for each in config["scrape_configs"] if each["job_name"] in targets]
    config["scrape_configs"] = [
        {"job_name": each["job_name"], **_build_static_target(targets[each["job_name"]])} for each in jobs
    ]
    config["alerting"]["alertmanagers"] = [_build_static_target(setup.options.alertmanager_port)]
    return write_yaml(folder / "prometheus.yaml", config)


def write_alertmanager_config(setup: PlatformSetup, folder: Path, token: Path) -> Path:
    """Write Alertmanager's configuration; give its path.

    Args:
        setup: Options, settings and paths of the platform.
        folder: Folder to write to.
        token: File with the token that the server's hook requires.
    """
    config = yaml.safe_load((MONITORING / "alertmanager" / "alertmanager.yaml").read_text())
    for receiver in config["receivers"]:
        adapted = (_adapt_webhook(each, setup, token) for each in receiver["webhook_configs"])
        receiver["webhook_configs"] = [each for each in adapted if each is not None]
    return write_yaml(folder / "alertmanager.yaml", config)


def _adapt_webhook(webhook: Mapping[str, Any], setup: PlatformSetup, token: Path) -> dict[str, Any] | None:
    """Set a webhook's address for this machine; None if nobody receives it."""
    if webhook["url"].endswith(HOOK):
        authorization = {"authorization": {"type": "Bearer", "credentials_file": str(token)}}
        return {**webhook, "url": setup.api_url + HOOK, "http_config": authorization}
    return {**webhook, "url": setup.options.notify_url} if setup.options.notify_url else None


def _write_rules(step: str, folder: Path) -> str:
    """Glob pattern of the rule files: the committed ones, or the same rules generated for another step."""
    if step == STEP:
        return str(RULES / "*.yaml")
    windows = SHORT_WINDOWS if step.endswith(("s", "m")) else WINDOWS
    rules = folder / "rules"
    rules.mkdir(parents=True, exist_ok=True)
    return str(write_yaml(rules / "rules.yaml", to_document(build_groups(step=step, windows=windows))))


def _build_static_target(port: int) -> dict[str, Any]:
    return {"static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}]}


def write_yaml(path: Path, config: Mapping[str, Any]) -> Path:
    """Write a configuration file and create its folder; give its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # atomic: a Prometheus that was left running may read it at any moment
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    unfinished.write_text(yaml.safe_dump(config, sort_keys=False))
    unfinished.replace(path)
    return path
