"""Receivers of an alert, alerts that another inhibits, and the targets and Alertmanagers of Prometheus."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from monitoring.rules import build_groups, list_alerts

from documents import ROOT
from promtool import find_program

CONFIG = ROOT / "monitoring" / "alertmanager" / "alertmanager.yaml"
PROMETHEUS = ROOT / "monitoring" / "prometheus" / "prometheus.yaml"


def find_amtool(*arguments: str) -> str:
    command = [find_program("amtool", "prometheus-alertmanager"), *arguments]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    return found.stdout


def read_config() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(CONFIG.read_text())
    return found


def test_amtool_finds_the_configuration_right() -> None:
    assert "2 receivers" in find_amtool("check-config", str(CONFIG))


def test_promtool_finds_the_configuration_right(tmp_path: Path) -> None:
    folder = shutil.copytree(PROMETHEUS.parent, tmp_path / "prometheus")
    document = yaml.safe_load(PROMETHEUS.read_text())
    # Debian's promtool is older than a retention in the file
    assert document.pop("storage") == {"tsdb": {"retention": {"time": "90d"}}}
    (folder / PROMETHEUS.name).write_text(yaml.safe_dump(document))
    command = [find_program(), "check", "config", str(folder / PROMETHEUS.name)]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout + found.stderr
    assert "4 rule files found" in found.stdout


def test_the_jobs_are_those_that_the_rules_and_dashboards_name() -> None:
    document = yaml.safe_load(PROMETHEUS.read_text())
    assert [job["job_name"] for job in document["scrape_configs"]] == [
        "servicio-ml", "stream-worker", "statsd", "postgres", "s3", "prometheus", "alertmanager",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        (["alertname=DataDrift", "severity=ticket", "model=rain_australia"], "retraining,people"),
        (["alertname=PerformanceLow", "severity=page", "model=vehicle_price"], "retraining,people"),
        (["alertname=MissingValues", "severity=ticket", "model=rain_australia"], "retraining,people"),
        (["alertname=ErrorBudgetBurn", "severity=page"], "people"),
        (["alertname=PredictionLogBacklog", "severity=ticket"], "people"),
        (["alertname=ServerDown", "severity=page", "job=servicio-ml"], "people"),
    ],
    ids=lambda value: value if isinstance(value, str) else value[0],
)
def test_an_alert_goes_to_its_receivers(labels: list[str], receivers: str) -> None:
    command = ("config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receivers}")
    assert find_amtool(*command, *labels).strip() == receivers


def test_the_hook_is_notified_of_the_end_too_with_its_token() -> None:
    receivers = {each["name"]: each["webhook_configs"][0] for each in read_config()["receivers"]}
    hook = receivers["retraining"]
    assert hook["url"].endswith("/hooks/alertmanager")
    assert hook["send_resolved"] is True
    assert hook["http_config"]["authorization"] == {"type": "Bearer", "credentials_file": "hook_token"}


def test_alerts_that_may_explain_a_page_are_not_inhibited_by_it() -> None:
    """The hook goes by causes: what it must know is never held back."""
    page = read_config()["inhibit_rules"][0]
    assert page["equal"] == ["model"]
    (causes,) = [each for each in page["target_matchers"] if each.startswith("cause")]
    not_inhibited = set(causes.split('"')[1].split("|"))
    assert causes.startswith("cause!~")
    assert not_inhibited == {"sensor", "schema", "pipeline"}
    assert not_inhibited <= {alert.cause for alert in list_alerts(build_groups())}
