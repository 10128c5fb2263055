"""The whole loop: a drifting load, the real rules, Prometheus, Alertmanager, the hook, a retraining."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote
from urllib.request import urlopen

import polars as pl
import pytest
import yaml
from monitoring.rules import build_groups, to_document

from documents import ROOT
from fake_airflow_api import PASSWORD, FakeAirflowApi, serve_airflow_api
from model_server import ModelServer, ModelShelf, run_model_server, wait_until
from servers import start_alertmanager_server, start_prometheus_server
from servicio_ml.domain.retraining import RetrainingDecision
from servicio_ml.domain.use_case import Task
from small_use_case import generate_rows

pytestmark = pytest.mark.slow
STEP = "5s"
"""Interval of the rules, which production evaluates every five minutes."""
QUICK = {"group_wait": "1s", "group_interval": "2s", "repeat_interval": "5s"}
TOKEN = "the token of the hook"  # noqa: S105  of a test
BROKEN_SHARE = 3
"""Every third row lacks the value of the sensor."""
SHIFTED = [
    {"day": "2020-01-31", "size": size, "weight": weight, "colour": "blue"}
    for size, weight in ((-90.0, -9.5), (90.0, 9.5))
]
"""Rows far from the reference and yet easy to predict: drift without an expected loss of performance."""


def shorten_intervals(configuration: Any, hook: str, token: Path) -> Any:
    """Change a configuration of Alertmanager to notify our hook within seconds."""
    if isinstance(configuration, list):
        return [shorten_intervals(each, hook, token) for each in configuration]
    if not isinstance(configuration, dict):
        return configuration
    changed = {name: shorten_intervals(value, hook, token) for name, value in configuration.items()}
    changed |= {name: value for name, value in QUICK.items() if name in changed}
    if "/hooks/alertmanager" in str(changed.get("url", "")):
        changed["url"] = hook
        changed["http_config"] = {"authorization": {"type": "Bearer", "credentials_file": str(token)}}
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Platform, Airflow and Prometheus of the test."""

    platform: ModelServer
    airflow: FakeAirflowApi
    prometheus: str

    def predict(self, model: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Request predictions for records."""
        rows = {"records": [*records]}
        assert self.platform("POST", f"/models/{model}/predict/batch", rows).status == 200

    def fetch_decisions(self, model: str) -> list[dict[str, Any]]:
        """Fetch the decisions, the newest first."""
        found: list[dict[str, Any]] = self.platform("GET", f"/models/{model}/retraining").document[
            "decisions"
        ]
        return found

    def count_decisions(self, model: str, decision: RetrainingDecision) -> float:
        """Return the number of notifications that led to a decision."""
        return self.platform.read_metric(
            "servicio_ml_retraining_decisions_total", model=model, decision=decision
        )

    def query(self, expression: str) -> list[Any]:
        """Evaluate an expression in Prometheus."""
        with urlopen(f"{self.prometheus}/api/v1/query?query={quote(expression)}", timeout=60) as answer:  # noqa: S310
            found: list[Any] = json.load(answer)["data"]["result"]
            return found

    def wait_under_load(self, load: Callable[[], None], what: str, holds: Callable[[], object]) -> None:
        """Repeat a load until a condition holds."""

        def check_after_load() -> object:
            load()
            return holds()

        wait_until(what, check_after_load)


@pytest.fixture(scope="module")
def loop(
    tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path, multiclass_folder: Path
) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("loop")
    shelf = ModelShelf(folder / "state")
    shelf.add("small", artifact_folder)
    shelf.add("three", multiclass_folder)
    token, password = folder / "token", folder / "password"
    token.write_text(TOKEN)
    password.write_text(PASSWORD)
    with (
        serve_airflow_api("train_model_small", "train_model_three") as airflow,
        run_model_server(
            shelf.state, hook_token_file=token, airflow_url=airflow.url, airflow_password_file=password
        ) as platform,
        start_alertmanager_server(
            _write_alertmanager_configuration(folder, platform, token), folder / "alertmanager"
        ) as alertmanager,
        start_prometheus_server(
            _write_prometheus_configuration(folder, platform, alertmanager), folder / "prometheus"
        ) as prometheus,
    ):
        made = Loop(platform=platform, airflow=airflow, prometheus=prometheus)
        wait_until("the server is scraped", lambda: made.query("servicio_ml_reference_rows"))
        yield made


def _write_alertmanager_configuration(folder: Path, platform: ModelServer, token: Path) -> Path:
    ours = yaml.safe_load((ROOT / "monitoring" / "alertmanager" / "alertmanager.yaml").read_text())
    path = folder / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(shorten_intervals(ours, f"{platform.url}/hooks/alertmanager", token)))
    return path


def _write_prometheus_configuration(folder: Path, platform: ModelServer, alertmanager: str) -> Path:
    (folder / "rules.yaml").write_text(yaml.safe_dump(to_document(build_groups(step=STEP, windows=("1d",)))))
    configuration = {
        "global": {"scrape_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [_build_job("servicio-ml", platform.url)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [_parse_address(alertmanager)]}]}]},
    }
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(configuration))
    return path


def _build_job(name: str, url: str) -> dict[str, Any]:
    return {"job_name": name, "static_configs": [{"targets": [_parse_address(url)]}]}


def _parse_address(url: str) -> str:
    return url.removeprefix("http://")


def test_drift_ends_in_one_retraining(loop: Loop) -> None:
    loop.wait_under_load(
        lambda: loop.predict("small", SHIFTED * 5),
        "the drift has started a retraining",
        lambda: loop.airflow.runs,
    )
    [((dag, _), run)] = loop.airflow.runs.items()
    assert dag == "train_model_small"
    assert run["conf"]["reason"] == "DataDrift fires"
    notified = sum(loop.count_decisions("small", each) for each in RetrainingDecision)
    wait_until(
        "the notifications are repeated",
        lambda: sum(loop.count_decisions("small", each) for each in RetrainingDecision) > notified + 1,
    )
    decisions = [each["decision"] for each in loop.fetch_decisions("small")]
    assert decisions.count(RetrainingDecision.RETRAIN) == 1
    assert set(decisions) == {RetrainingDecision.RETRAIN, RetrainingDecision.IGNORED}
    assert len(loop.airflow.runs) == 1
    [started] = [
        each for each in loop.fetch_decisions("small") if each["decision"] == RetrainingDecision.RETRAIN
    ]
    assert started["reference"].startswith(f"{loop.airflow.url}/dags/{dag}/runs/alert__")
    assert loop.count_decisions("small", RetrainingDecision.RETRAIN) == 1
    budget = "servicio_ml_retraining_budget_remaining"
    wait_until("every worker knows", lambda: loop.platform.read_metric(budget, model="small") == 3)


def test_a_broken_sensor_ends_in_quarantine_and_a_ticket(loop: Loop) -> None:
    before = dict(loop.airflow.runs)
    usual = (
        generate_rows(Task.MULTICLASS, 200, seed=2)
        .drop("outcome")
        .with_columns(pl.col("day").cast(pl.String))
    )
    broken = [
        {**row, "size": None} if i % BROKEN_SHARE == 0 else row for i, row in enumerate(usual.to_dicts())
    ]
    loop.wait_under_load(
        lambda: loop.predict("three", broken),
        "the missing values have led to quarantine",
        lambda: (
            loop.fetch_decisions("three")
            and loop.fetch_decisions("three")[0]["decision"] == RetrainingDecision.QUARANTINED
        ),
    )
    assert "MissingValues" in loop.fetch_decisions("three")[0]["reason"]
    loop.wait_under_load(
        lambda: loop.predict("three", [{**row, "size": None} for row in SHIFTED] * 250),
        "the notification names drift too",
        lambda: "would retrain it" in loop.fetch_decisions("three")[0]["reason"],
    )
    assert {each["decision"] for each in loop.fetch_decisions("three")} <= {
        RetrainingDecision.QUARANTINED,
        RetrainingDecision.IGNORED,
    }
    assert loop.airflow.runs == before
    ticket = 'ALERTS{alertname="ModelQuarantined", model="three", alertstate="firing"}'
    wait_until("the ticket", lambda: loop.query(ticket))
    assert loop.platform.read_metric("servicio_ml_quarantined", model="small") == 0
