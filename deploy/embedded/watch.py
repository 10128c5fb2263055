"""Prometheus and Alertmanager as the project configures them, at this machine's addresses."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from monitoring.rules import document, groups
from monitoring.thresholds import STEP, WINDOWS

from deploy.embedded.settings import LOOPBACK, ROOT, Setup

MONITORING = ROOT / "monitoring"
RULES = MONITORING / "prometheus" / "rules"
HOOK = "/hooks/alertmanager"
SHORT_WINDOWS = ("1h", "1d")
"""With a short step: a window of a month would hold too many samples to be added up each minute."""


def prometheus(setup: Setup, folder: Path, targets: Mapping[str, int]) -> Path:
    """Write Prometheus' configuration; gives its path.

    Args:
        setup: What was told.
        folder: Where to.
        targets: Name of a job to its port.
    """
    config = yaml.safe_load((MONITORING / "prometheus" / "prometheus.yaml").read_text())
    config["rule_files"] = [_rules(setup.given.rule_step, folder)]
    jobs = [each for each in config["scrape_configs"] if each["job_name"] in targets]
    config["scrape_configs"] = [
        {"job_name": each["job_name"], **_static(targets[each["job_name"]])} for each in jobs
    ]
    config["alerting"]["alertmanagers"] = [_static(setup.given.alertmanager_port)]
    return _written(folder / "prometheus.yaml", config)


def alertmanager(setup: Setup, folder: Path, token: Path) -> Path:
    """Write Alertmanager's configuration; gives its path.

    Args:
        setup: What was told.
        folder: Where to.
        token: File of what the server's hook asks for.
    """
    config = yaml.safe_load((MONITORING / "alertmanager" / "alertmanager.yaml").read_text())
    for receiver in config["receivers"]:
        receiver["webhook_configs"] = [
            told for each in receiver["webhook_configs"] if (told := _told(each, setup, token))
        ]
    return _written(folder / "alertmanager.yaml", config)


def _told(webhook: Mapping[str, Any], setup: Setup, token: Path) -> dict[str, Any] | None:
    """A webhook with this machine's address; None where nobody is to be told."""
    if webhook["url"].endswith(HOOK):
        authorization = {"authorization": {"type": "Bearer", "credentials_file": str(token)}}
        return {**webhook, "url": setup.api_url + HOOK, "http_config": authorization}
    return {**webhook, "url": setup.given.notify_url} if setup.given.notify_url else None


def _rules(step: str, folder: Path) -> str:
    """The pattern of the rules' files: the committed ones, or the same for another step."""
    if step == STEP:
        return str(RULES / "*.yaml")
    windows = SHORT_WINDOWS if step.endswith(("s", "m")) else WINDOWS
    made = folder / "rules"
    made.mkdir(parents=True, exist_ok=True)
    return str(_written(made / "rules.yaml", document(groups(step=step, windows=windows))))


def _static(port: int) -> dict[str, Any]:
    return {"static_configs": [{"targets": [f"{LOOPBACK}:{port}"]}]}


def _written(path: Path, config: Mapping[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{os.getpid()}")
    part.write_text(yaml.safe_dump(config, sort_keys=False))
    part.replace(path)
    return path
