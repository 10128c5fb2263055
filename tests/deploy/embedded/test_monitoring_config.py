"""Prometheus and Alertmanager get this machine's addresses and only the programs that run here."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.embedded import monitoring_config, settings
from deploy.embedded.settings import PlatformSetup

TARGETS = {"servicio-ml": 8800, "prometheus": 9090}


def test_only_what_runs_here_is_scraped(setup: PlatformSetup, tmp_path: Path) -> None:
    config = yaml.safe_load(monitoring_config.write_prometheus_config(setup, tmp_path, TARGETS).read_text())
    found = {job["job_name"]: job["static_configs"][0]["targets"][0] for job in config["scrape_configs"]}
    assert found == {name: f"127.0.0.1:{port}" for name, port in TARGETS.items()}
    assert "dns_sd_configs" not in str(config)
    assert [Path(each).name for each in config["rule_files"]] == ["*.yaml"]
    assert list(Path(config["rule_files"][0]).parent.glob("*.yaml"))


def test_alerts_go_to_people_only_with_an_address(
    setup: PlatformSetup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    quiet = yaml.safe_load(monitoring_config.write_alertmanager_config(setup, tmp_path, token).read_text())
    receivers = {each["name"]: each["webhook_configs"] for each in quiet["receivers"]}
    assert receivers["people"] == []
    [hook] = receivers["retraining"]
    assert hook["url"] == "http://127.0.0.1:8800/hooks/alertmanager"
    assert hook["http_config"]["authorization"]["credentials_file"] == str(token)
    monkeypatch.setenv("NOTIFY_URL", "http://127.0.0.1:1/alerts")
    config = yaml.safe_load(
        monitoring_config.write_alertmanager_config(settings.read_setup(), tmp_path, token).read_text()
    )
    assert [each["url"] for each in config["receivers"][1]["webhook_configs"]] == [
        "http://127.0.0.1:1/alerts"
    ]


@pytest.mark.parametrize("step", ["5m", "1m"])
def test_prometheus_accepts_the_configuration(
    step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool; install the Debian package prometheus")
    monkeypatch.setenv("RULE_STEP", step)
    config = monitoring_config.write_prometheus_config(settings.read_setup(), tmp_path, TARGETS)
    done = subprocess.run([promtool, "check", "config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
