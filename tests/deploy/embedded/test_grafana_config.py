"""Grafana runs for viewers of this machine, with the committed dashboards, and calls nobody."""

import json
import os
import shutil
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import grafana_stand_in
from deploy.embedded import settings
from deploy.embedded.components import platform_builder
from deploy.embedded.grafana_config import find_home
from deploy.embedded.releases.table import load_releases
from documents import ROOT
from servers import find_free_port, wait_until_ready


@pytest.fixture
def release(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A downloaded release of Grafana, on a machine without another one."""
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    folder = load_releases()["grafana"].get_folder(settings.read_setup().paths.programs)
    grafana_stand_in.write_program(folder)
    return folder


def _ask_stand_in(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run Grafana as the platform does; give what it has read."""
    port = find_free_port()
    monkeypatch.setenv("GRAFANA_PORT", str(port))
    made = platform_builder.build_platform(settings.read_setup())
    component = made.find_component("grafana")
    assert component is not None
    assert component.ports == {port: "GRAFANA_PORT"}
    assert made.variables[platform_builder.GRAFANA_VARIABLE] == component.url
    assert component.url == f"http://127.0.0.1:{port}/d/servicio-ml-overview"
    environment = {**os.environ, "PATH": os.defpath, **made.variables}
    with subprocess.Popen(list(component.command), env=environment) as process:
        try:
            wait_until_ready(component.ready, process)
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/stand-in", timeout=10) as answer:
                found: dict[str, Any] = json.load(answer)
        finally:
            process.terminate()
    return found


def test_everybody_is_a_viewer_of_the_committed_dashboards(
    release: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert release.is_dir()
    monkeypatch.setenv("PROMETHEUS_PORT", "9999")
    found = _ask_stand_in(monkeypatch)
    assert [(each["uid"], each["url"]) for each in found["sources"]] == [
        ("prometheus", "http://127.0.0.1:9999")
    ]
    committed = {
        json.loads(each.read_text())["uid"] for each in (ROOT / "grafana" / "dashboards").glob("*.json")
    }
    assert set(found["dashboards"]) == committed
    assert "servicio-ml-overview" in committed
    assert found["settings"]["server.http_addr"] == "127.0.0.1"
    closed = ("auth.basic.enabled", "users.allow_sign_up", "users.allow_org_create")
    assert {found["settings"][each] for each in closed} == {"false"}
    opened = ("auth.anonymous.enabled", "auth.disable_login_form", "security.disable_initial_admin_creation")
    assert {found["settings"][each] for each in opened} == {"true"}
    assert found["settings"]["auth.anonymous.org_role"] == "Viewer"


def test_it_calls_nobody(release: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert release.is_dir()
    found = _ask_stand_in(monkeypatch)["settings"]
    off = (
        *("analytics.reporting_enabled", "analytics.check_for_updates", "analytics.check_for_plugin_updates"),
        *("news.news_feed_enabled", "snapshots.external_enabled", "plugins.plugin_admin_enabled"),
    )
    assert {found[each] for each in off} == {"false"}
    disabled = (
        "plugins.preinstall_disabled",
        "plugins.public_key_retrieval_disabled",
        "security.disable_gravatar",
    )
    assert {found[each] for each in disabled} == {"true"}


@pytest.mark.parametrize("folder", ["usr/sbin", "opt/bin"])
def test_a_package_has_its_own_folder_in_share(tmp_path: Path, folder: str) -> None:
    program = tmp_path / folder / "grafana"
    program.parent.mkdir(parents=True)
    program.touch()
    assert find_home(str(program)) is None
    home = program.parents[1] / "share" / "grafana"
    (home / "conf").mkdir(parents=True)
    (home / "conf" / "defaults.ini").touch()
    assert find_home(str(program)) == home


def test_a_program_without_its_folder_is_named(release: Path) -> None:
    shutil.rmtree(release / "conf")
    made = platform_builder.build_platform(settings.read_setup())
    assert made.find_component("grafana") is None
    [reason] = [each.reason for each in made.missing if each.title == "Grafana"]
    assert "conf/defaults.ini" in reason
