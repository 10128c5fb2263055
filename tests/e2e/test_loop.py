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
from monitoring.rules import document, groups

from airflow_api import PASSWORD, AirflowApi, airflow_api
from documents import ROOT
from platforms import Platform, Shelf, serving, until
from problems import rows
from servers import alertmanager_server, prometheus_server
from servicio_ml.domain.retraining import Decision
from servicio_ml.domain.use_case import Task

pytestmark = pytest.mark.slow
STEP = "5s"
"""Of the rules, which production evaluates every five minutes; a load is told in seconds."""
QUICK = {"group_wait": "1s", "group_interval": "2s", "repeat_interval": "5s"}
TOKEN = "the token of the hook"  # noqa: S105  of a test
BROKEN_SHARE = 3
"""One of so many rows comes without what the sensor measures."""
SHIFTED = [
    {"day": "2020-01-31", "size": size, "weight": weight, "colour": "blue"}
    for size, weight in ((-90.0, -9.5), (90.0, 9.5))
]
"""Rows that are far off and yet easy to judge: drift without an expected loss of performance."""


def quicker(configuration: Any, hook: str, token: Path) -> Any:
    """A configuration of Alertmanager that tells our hook of everything within seconds."""
    if isinstance(configuration, list):
        return [quicker(each, hook, token) for each in configuration]
    if not isinstance(configuration, dict):
        return configuration
    changed = {name: quicker(value, hook, token) for name, value in configuration.items()}
    changed |= {name: value for name, value in QUICK.items() if name in changed}
    if "/hooks/alertmanager" in str(changed.get("url", "")):
        changed["url"] = hook
        changed["http_config"] = {"authorization": {"type": "Bearer", "credentials_file": str(token)}}
    return changed


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Everything that runs."""

    platform: Platform
    airflow: AirflowApi
    prometheus: str

    def ask(self, model: str, records: Sequence[Mapping[str, Any]]) -> None:
        """Have records predicted."""
        rows = {"records": [*records]}
        assert self.platform("POST", f"/models/{model}/predict/batch", rows).status == 200

    def decisions(self, model: str) -> list[dict[str, Any]]:
        """The newest first."""
        found: list[dict[str, Any]] = self.platform("GET", f"/models/{model}/retraining").document[
            "decisions"
        ]
        return found

    def told(self, model: str, decision: Decision) -> float:
        """How many notifications led to a decision."""
        return self.platform.metric("servicio_ml_retraining_decisions_total", model=model, decision=decision)

    def queried(self, expression: str) -> list[Any]:
        """What Prometheus answers now."""
        with urlopen(f"{self.prometheus}/api/v1/query?query={quote(expression)}", timeout=60) as answer:  # noqa: S310
            found: list[Any] = json.load(answer)["data"]["result"]
            return found

    def under(self, load: Callable[[], None], what: str, holds: Callable[[], object]) -> None:
        """Go on with a load until something holds."""

        def after_load() -> object:
            load()
            return holds()

        until(what, after_load)


@pytest.fixture(scope="module")
def loop(
    tmp_path_factory: pytest.TempPathFactory, artifact_folder: Path, multiclass_folder: Path
) -> Iterator[Loop]:
    folder = tmp_path_factory.mktemp("loop")
    shelf = Shelf(folder / "state")
    shelf.add("small", artifact_folder)
    shelf.add("three", multiclass_folder)
    token, password = folder / "token", folder / "password"
    token.write_text(TOKEN)
    password.write_text(PASSWORD)
    with (
        airflow_api("train_model_small", "train_model_three") as airflow,
        serving(
            shelf.state, hook_token_file=token, airflow_url=airflow.url, airflow_password_file=password
        ) as platform,
        alertmanager_server(_alertmanager(folder, platform, token), folder / "alertmanager") as alertmanager,
        prometheus_server(_prometheus(folder, platform, alertmanager), folder / "prometheus") as prometheus,
    ):
        made = Loop(platform=platform, airflow=airflow, prometheus=prometheus)
        until("the server is scraped", lambda: made.queried("servicio_ml_reference_rows"))
        yield made


def _alertmanager(folder: Path, platform: Platform, token: Path) -> Path:
    ours = yaml.safe_load((ROOT / "monitoring" / "alertmanager" / "alertmanager.yaml").read_text())
    path = folder / "alertmanager.yaml"
    path.write_text(yaml.safe_dump(quicker(ours, f"{platform.url}/hooks/alertmanager", token)))
    return path


def _prometheus(folder: Path, platform: Platform, alertmanager: str) -> Path:
    (folder / "rules.yaml").write_text(yaml.safe_dump(document(groups(step=STEP, windows=("1d",)))))
    configuration = {
        "global": {"scrape_interval": "1s"},
        "rule_files": ["rules.yaml"],
        "scrape_configs": [_job("servicio-ml", platform.url)],
        "alerting": {"alertmanagers": [{"static_configs": [{"targets": [_address(alertmanager)]}]}]},
    }
    path = folder / "prometheus.yaml"
    path.write_text(yaml.safe_dump(configuration))
    return path


def _job(name: str, url: str) -> dict[str, Any]:
    return {"job_name": name, "static_configs": [{"targets": [_address(url)]}]}


def _address(url: str) -> str:
    return url.removeprefix("http://")


def test_drift_ends_in_one_retraining(loop: Loop) -> None:
    loop.under(
        lambda: loop.ask("small", SHIFTED * 5),
        "the drift has started a retraining",
        lambda: loop.airflow.runs,
    )
    [((dag, _), run)] = loop.airflow.runs.items()
    assert dag == "train_model_small"
    assert run["conf"]["reason"] == "DataDrift fires"
    told = sum(loop.told("small", each) for each in Decision)
    until("all is told again", lambda: sum(loop.told("small", each) for each in Decision) > told + 1)
    decisions = [each["decision"] for each in loop.decisions("small")]
    assert decisions.count(Decision.RETRAIN) == 1
    assert set(decisions) == {Decision.RETRAIN, Decision.IGNORED}
    assert len(loop.airflow.runs) == 1
    [started] = [each for each in loop.decisions("small") if each["decision"] == Decision.RETRAIN]
    assert started["reference"].startswith(f"{loop.airflow.url}/dags/{dag}/runs/alert__")
    assert loop.told("small", Decision.RETRAIN) == 1
    budget = "servicio_ml_retraining_budget_remaining"
    until("every worker knows", lambda: loop.platform.metric(budget, model="small") == 3)


def test_a_broken_sensor_ends_in_quarantine_and_a_ticket(loop: Loop) -> None:
    before = dict(loop.airflow.runs)
    usual = rows(Task.MULTICLASS, 200, seed=2).drop("outcome").with_columns(pl.col("day").cast(pl.String))
    broken = [
        {**row, "size": None} if i % BROKEN_SHARE == 0 else row for i, row in enumerate(usual.to_dicts())
    ]
    loop.under(
        lambda: loop.ask("three", broken),
        "the missing values have led to quarantine",
        lambda: loop.decisions("three") and loop.decisions("three")[0]["decision"] == Decision.QUARANTINED,
    )
    assert "MissingValues" in loop.decisions("three")[0]["reason"]
    loop.under(
        lambda: loop.ask("three", [{**row, "size": None} for row in SHIFTED] * 250),
        "drift is told of too",
        lambda: "would retrain it" in loop.decisions("three")[0]["reason"],
    )
    assert {each["decision"] for each in loop.decisions("three")} <= {Decision.QUARANTINED, Decision.IGNORED}
    assert loop.airflow.runs == before
    ticket = 'ALERTS{alertname="ModelQuarantined", model="three", alertstate="firing"}'
    until("the ticket", lambda: loop.queried(ticket))
    assert loop.platform.metric("servicio_ml_quarantined", model="small") == 0
