"""Every panel shows something on a running platform."""

import copy
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from grafana.generate import FOLDER
from grafana.preview.panel_data import EvaluationTime, resolve_variables, run_queries
from grafana.preview.prometheus import PrometheusClient

from documents import ROOT
from model_server import wait_until
from monitored_platform import SCRAPE_SECONDS, MonitoredPlatform, run_monitored_platform

pytestmark = pytest.mark.slow
BOARDS = {path.name: json.loads(path.read_text()) for path in sorted(FOLDER.glob("*.json"))}
NEEDS = {"postgresql.json": "postgres", "stream.json": "stream-worker"}
"""Dashboards that need a program which is not everywhere."""
CHOSEN = ("small", "price")
"""A classifier and a regression: some panels are for one of them only."""
LOOK_BACK_SECONDS = 120
EMPTY_WITHOUT_DRIFT = {"Features of the tickets"}
"""Panels about tickets: the rows of this platform have not drifted, and tests/monitoring has the rules."""


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory,
    artifact_folder: Path,
    multiclass_folder: Path,
    regression_folder: Path,
) -> Iterator[MonitoredPlatform]:
    artifacts = {"small": artifact_folder, "three": multiclass_folder, "price": regression_folder}
    with run_monitored_platform(tmp_path_factory.mktemp("watched"), artifacts) as made:
        yield made


def _find_empty_panels(name: str, running: MonitoredPlatform) -> set[tuple[str, str]]:
    """Titles of the panels with the queries that find nothing, whatever model is chosen."""
    prometheus, now = PrometheusClient(running.prometheus), time.time()
    span = EvaluationTime(start=now - LOOK_BACK_SECONDS, end=now, rate=10 * SCRAPE_SECONDS)
    panels = [panel for panel in BOARDS[name]["panels"] if panel["type"] != "row"]
    panels = [panel for panel in panels if panel["title"] not in EMPTY_WITHOUT_DRIFT]
    empty = []
    for model in CHOSEN:
        values = resolve_variables(BOARDS[name], prometheus, span, {"model": model})
        found = ((panel["title"], run_queries(panel, prometheus, span, values)) for panel in panels)
        empty.append({(title, each.ref) for title, every in found for each in every if not each.series})
    return set.intersection(*empty)


@pytest.mark.parametrize("name", BOARDS)
def test_every_query_returns_data(running: MonitoredPlatform, name: str) -> None:
    if (job := NEEDS.get(name)) and job not in running.jobs:
        pytest.skip(f"the programs of the job {job} are not installed")
    found: list[set[tuple[str, str]]] = []

    def complete() -> bool:
        found.append(_find_empty_panels(name, running))
        return not found[-1]

    try:
        wait_until(f"all panels of {name} have data", complete)
    except TimeoutError:
        pytest.fail(f"no data: {sorted(found[-1])}")


def test_a_query_without_data_would_be_reported(
    running: MonitoredPlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    board = copy.deepcopy(BOARDS["overview.json"])
    panel = next(each for each in board["panels"] if each["type"] == "stat")
    panel["targets"][0]["expr"] = "no_such_metric"
    monkeypatch.setitem(BOARDS, "overview.json", board)
    assert (panel["title"], "A") in _find_empty_panels("overview.json", running)


def test_a_picture_shows_every_panel(running: MonitoredPlatform, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "grafana.preview.render", "--prometheus", running.prometheus]
    options = ["--out", str(tmp_path), "--from=-2m", "--only", "drift", "--set", "model=small"]
    done = subprocess.run([*command, *options], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["drift.png"]
    assert (tmp_path / "drift.png").read_bytes().startswith(b"\x89PNG")
