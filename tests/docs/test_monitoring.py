"""The commands of docs/monitoring.md run, and a Prometheus with its configuration has the rules."""

import json
import shutil
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from documents import ROOT, extract_blocks, run_script
from model_server import ModelServer, ModelShelf, run_model_server, wait_until
from servers import start_prometheus_server
from statsd_exporter import run_statsd_exporter

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "monitoring.md"
MAPPING = ROOT / "monitoring" / "statsd" / "mapping.yaml"
LOOK, STATSD, GENERATE = extract_blocks(PAGE, "sh")
needs_curl = pytest.mark.skipif(
    shutil.which("curl") is None, reason="no curl; install the Debian package curl"
)
needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="no promtool; install the Debian package prometheus"
)


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path) -> Iterator[ModelServer]:
    state = tmp_path_factory.mktemp("state")
    ModelShelf(state).add("small", artifact_folder)
    with run_model_server(state, workers=1) as made:
        yield made


@needs_curl
@needs_promtool
def test_the_metrics_are_as_prometheus_wants_them(platform: ModelServer, tmp_path: Path) -> None:
    done = run_script(LOOK, tmp_path, API=platform.url)
    assert done.returncode == 0, done.stdout + done.stderr
    assert 'servicio_ml_reference_rows{model="small",season="all",version="1"} 300' in done.stdout


def test_the_configuration_is_all_that_prometheus_needs(platform: ModelServer, tmp_path: Path) -> None:
    [text] = extract_blocks(PAGE, "yaml")
    assert "127.0.0.1:8800" in text
    config = tmp_path / "prometheus.yaml"
    config.write_text(
        text.replace("127.0.0.1:8800", platform.url.removeprefix("http://"))
        .replace("monitoring/prometheus/rules", str(ROOT / "monitoring" / "prometheus" / "rules"))
        .replace("15s", "1s")
    )
    with start_prometheus_server(config, tmp_path / "data") as url:
        wait_until(
            "the server is scraped", lambda: _fetch_json(url, "query?query=servicio_ml_model_ready")["result"]
        )
        groups = _fetch_json(url, "rules")["groups"]
    names = {Path(group["file"]).name for group in groups}
    assert names == {path.name for path in (ROOT / "monitoring" / "prometheus" / "rules").glob("*.yaml")}
    assert {rule["type"] for group in groups for rule in group["rules"]} == {"recording", "alerting"}


def _fetch_json(url: str, path: str) -> Any:
    with urllib.request.urlopen(f"{url}/api/v1/{path}", timeout=5) as answer:  # noqa: S310  our own
        return json.load(answer)["data"]


@needs_curl
def test_a_step_reports_its_success(tmp_path: Path) -> None:
    with run_statsd_exporter(MAPPING) as (port, url):
        done = run_script(STATSD, tmp_path, STATSD_PORT=str(port), EXPORTER=url)
    assert done.returncode == 0, done.stderr
    metric = 'servicio_ml_pipeline_success_timestamp_seconds{step="etl",use_case="rain_australia"}'
    assert done.stdout.splitlines()[-1].startswith(metric)


@needs_promtool
def test_the_rules_are_written_anew(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "monitoring", tmp_path / "monitoring")
    for path in (tmp_path / "monitoring" / "prometheus" / "rules").glob("*.yaml"):
        path.unlink()
    done = run_script(GENERATE, tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    for path in (ROOT / "monitoring" / "prometheus" / "rules").glob("*.yaml"):
        assert (tmp_path / "monitoring" / "prometheus" / "rules" / path.name).read_text() == path.read_text()
