"""The components of a platform follow from its variables."""

import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from deploy.embedded import settings
from deploy.embedded.components import platform_builder
from deploy.embedded.components.component import EmbeddedPlatform
from deploy.embedded.releases.table import load_releases


def _build(variables: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> EmbeddedPlatform:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    return platform_builder.build_platform(settings.read_setup())


def test_the_pages_ask_the_prometheus_that_was_named(monkeypatch: pytest.MonkeyPatch) -> None:
    assert _build({"PROMETHEUS_PORT": "9999"}, monkeypatch).variables[
        platform_builder.PROMETHEUS_VARIABLE
    ] == ("http://127.0.0.1:9999")
    other = "http://elsewhere:9090"
    assert (
        _build({platform_builder.PROMETHEUS_VARIABLE: other}, monkeypatch).variables[
            platform_builder.PROMETHEUS_VARIABLE
        ]
        == other
    )


def test_a_named_mlflow_is_not_started_and_its_password_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    made = _build({"SERVICIO_ML_MLFLOW_URL": "http://user:secret@elsewhere:5001"}, monkeypatch)
    assert made.find_component("mlflow") is None
    [why] = [each.reason for each in made.missing if each.title == "MLflow"]
    assert "SERVICIO_ML_MLFLOW_URL" in why
    assert "secret" not in why


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the downloaded programs, on a machine that has none on its PATH."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    folder = settings.read_setup().paths.programs
    folder.mkdir(parents=True)
    return folder


def _add_program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def _get_program(made: EmbeddedPlatform, name: str) -> str:
    component = made.find_component(name)
    return component.command[0] if component else ""


def test_downloaded_programs_run_where_the_path_has_none(
    programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    releases = load_releases()
    downloaded = {
        name: _add_program(releases[name].get_folder(programs) / releases[name].program)
        for name in ("prometheus", "alertmanager", "statsd-exporter")
    }
    made = _build({}, monkeypatch)
    assert {name: _get_program(made, name) for name in downloaded} == downloaded
    assert made.variables["STATSD_HOST"] == "127.0.0.1"
    own = _add_program(tmp_path / "bin" / "prometheus")
    assert _get_program(_build({}, monkeypatch), "prometheus") == own


def test_missing_programs_say_how_to_get_them(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert programs.is_dir()
    made = _build({}, monkeypatch)
    reasons = {each.title: each.reason for each in made.missing}
    assert reasons["Prometheus"].endswith("download it: make programs")
    assert reasons["Alertmanager"].endswith("download it: make programs")
    assert reasons["Grafana"].endswith("download it: make programs")
    assert platform_builder.GRAFANA_VARIABLE not in made.variables
    assert made.find_component("statsd-exporter") is None
    assert "STATSD_HOST" not in made.variables


def test_another_statsd_host_is_respected(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    release = load_releases()["statsd-exporter"]
    _add_program(release.get_folder(programs) / release.program)
    made = _build({"STATSD_HOST": "elsewhere"}, monkeypatch)
    assert made.find_component("statsd-exporter") is None
    assert "STATSD_HOST" not in made.variables


def test_valkey_of_the_package_runs_where_no_redis_is_installed(
    programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert programs.is_dir()
    program = _get_program(_build({}, monkeypatch), "redis")
    assert program.endswith("valkey-server")
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
    assert "Valkey server" in done.stdout


def test_the_server_may_drain_http_and_then_grpc_before_it_is_killed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    api = _build({"SERVICIO_ML_DRAIN_SECONDS": "100"}, monkeypatch).find_component("api")
    assert api is not None
    assert api.stop_seconds > 200
