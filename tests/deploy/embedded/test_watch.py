"""Prometheus and Alertmanager are told of this machine's addresses, and of nothing that is not here."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.embedded import settings, watch
from deploy.embedded.settings import Setup

TARGETS = {"servicio-ml": 8800, "prometheus": 9090}


def test_only_what_runs_here_is_scraped(setup: Setup, tmp_path: Path) -> None:
    config = yaml.safe_load(watch.prometheus(setup, tmp_path, TARGETS).read_text())
    found = {job["job_name"]: job["static_configs"][0]["targets"][0] for job in config["scrape_configs"]}
    assert found == {name: f"127.0.0.1:{port}" for name, port in TARGETS.items()}
    assert "dns_sd_configs" not in str(config)
    assert [Path(each).name for each in config["rule_files"]] == ["*.yaml"]
    assert list(Path(config["rule_files"][0]).parent.glob("*.yaml"))


def test_nobody_is_told_unless_somebody_is_named(
    setup: Setup, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = tmp_path / "token"
    quiet = yaml.safe_load(watch.alertmanager(setup, tmp_path, token).read_text())
    receivers = {each["name"]: each["webhook_configs"] for each in quiet["receivers"]}
    assert receivers["people"] == []
    [hook] = receivers["retraining"]
    assert hook["url"] == "http://127.0.0.1:8800/hooks/alertmanager"
    assert hook["http_config"]["authorization"]["credentials_file"] == str(token)
    monkeypatch.setenv("NOTIFY_URL", "http://127.0.0.1:1/alerts")
    told = yaml.safe_load(watch.alertmanager(settings.read(), tmp_path, token).read_text())
    assert [each["url"] for each in told["receivers"][1]["webhook_configs"]] == ["http://127.0.0.1:1/alerts"]


@pytest.mark.parametrize("step", ["5m", "1m"])
def test_prometheus_takes_it(step: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool; install the Debian package prometheus")
    monkeypatch.setenv("RULE_STEP", step)
    config = watch.prometheus(settings.read(), tmp_path, TARGETS)
    done = subprocess.run([promtool, "check", "config", config], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SUCCESS" in done.stdout
