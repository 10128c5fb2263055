"""What the pipeline and Airflow send arrives under the names of the rules and dashboards."""

import re
import socket
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from documents import ROOT
from fakes.decision_log import MemoryDecisionLog
from model_server import wait_until
from orchard_use_case import HEADER, build_row, build_rows, write_csv
from servicio_ml.adapters.statsd import METRIC_PREFIX, StatsdStats
from servicio_ml.cli.app import app
from servicio_ml.domain.promotion import PromotionDecision
from servicio_ml.domain.search import Candidate
from servicio_ml.domain.use_case import Task
from servicio_ml.lifecycle.admin_actions import rollback
from servicio_ml.lifecycle.decisions import DecisionContext
from servicio_ml.pipeline.step_metrics import record_outcome
from small_use_case import build_use_case
from statsd_exporter import HOST, run_statsd_exporter
from training_fixture import TrainingFixture

pytestmark = pytest.mark.slow

MAPPING = ROOT / "monitoring" / "statsd" / "mapping.yaml"
DOCUMENT: Mapping[str, Any] = yaml.safe_load(MAPPING.read_text())
ROWS = 400
OWN = """
from orchard_use_case import build_use_case
USE_CASE = build_use_case()
"""
Labels = Mapping[str, str]


class Exporter:
    """A running exporter with our mapping."""

    def __init__(self, port: int, url: str) -> None:
        self.port, self._url, self._sent = port, url, 0

    def send(self, *lines: str) -> None:
        """Send lines, and wait until they are taken."""
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as out:
            for line in lines:
                out.sendto(line.encode(), (HOST, self.port))
        self.wait_for_lines(len(lines))

    def wait_for_lines(self, lines: int) -> None:
        """Wait until that many more lines are read."""
        self._sent += lines
        wait_until(
            f"{self._sent} lines are taken",
            lambda: self.read_value("statsd_exporter_lines_total", {}) >= self._sent,
        )

    def read_samples(self) -> dict[str, list[tuple[Labels, float]]]:
        with urllib.request.urlopen(self._url, timeout=5) as answer:  # noqa: S310  our own
            text = answer.read().decode()
        found: dict[str, list[tuple[Labels, float]]] = {}
        for family in text_string_to_metric_families(text):
            for each in family.samples:
                if not each.name.endswith("_created"):
                    found.setdefault(each.name, []).append((each.labels, each.value))
        return found

    def read_value(self, name: str, labels: Labels) -> float:
        """Read the value of exactly these labels; NaN where there is none."""
        every = self.read_samples().get(name, [])
        return next((value for found, value in every if found == labels), float("nan"))

    def list_names(self) -> set[str]:
        """List the names of received metrics, without the exporter's own."""
        return {name for name in self.read_samples() if not name.startswith("statsd_exporter_")}


class Watch:
    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def watch() -> Watch:
    return Watch()


@pytest.fixture
def exporter(watch: Watch) -> Iterator[Exporter]:
    with run_statsd_exporter(MAPPING, watch) as (port, url):
        yield Exporter(port, url)


@pytest.fixture
def orchard_state(tmp_path: Path, exporter: Exporter, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's folder; what commands send goes to the exporter."""
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "orchard.py").write_text(OWN)
    monkeypatch.setenv("SERVICIO_ML_USE_CASES_DIR", str(tmp_path / "own"))
    monkeypatch.setenv("SERVICIO_ML_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.setenv("STATSD_HOST", HOST)
    monkeypatch.setenv("STATSD_PORT", str(exporter.port))
    for name in ("DATA_DIR", "LAKE_URL", "MLFLOW_URL", "S3_ENDPOINT"):
        monkeypatch.delenv(f"SERVICIO_ML_{name}", raising=False)
    return tmp_path


STARTED, ENDED_WELL, FAILED = 2, 3, 2
"""Lines that a step sends when it begins, and when it ends."""
ROW_STATUSES = 7


def test_an_etl_is_counted_and_timed_and_its_rows_are_reported(
    orchard_state: Path, exporter: Exporter
) -> None:
    raw = write_csv(orchard_state / "a.csv", [*build_rows(ROWS), build_row(Seeds="x")], HEADER)
    done = CliRunner().invoke(app, ["etl", "orchard", "--source", str(raw), "--period", "2020-12"])
    assert done.exit_code == 0, done.stderr
    exporter.wait_for_lines(STARTED + ROW_STATUSES + ENDED_WELL)
    of = {"step": "etl", "use_case": "orchard"}
    assert exporter.read_value("servicio_ml_pipeline_runs_total", {**of, "outcome": "success"}) == 1
    assert exporter.read_value("servicio_ml_pipeline_runs_total", {**of, "outcome": "failure"}) == 0
    assert exporter.read_value("servicio_ml_pipeline_duration_seconds_count", of) == 1
    assert 0 < exporter.read_value("servicio_ml_pipeline_duration_seconds_sum", of) < 60
    assert exporter.read_value("servicio_ml_pipeline_success_timestamp_seconds", of) > 1_700_000_000
    rows = {labels["fate"]: value for labels, value in exporter.read_samples()["servicio_ml_pipeline_rows"]}
    assert rows["read"] == ROWS + 1
    assert rows["quarantined"] == 1
    assert rows["train"] + rows["test"] == ROWS
    assert set(rows) == {"read", "train", "test", "quarantined", "duplicates", "unlabelled", "later"}


@pytest.mark.parametrize(
    ("words", "step"),
    [(("etl", "orchard", "--source", "nowhere.csv"), "etl"), (("train", "orchard"), "train")],
    ids=["a file that is not there", "a period that was not published"],
)
def test_a_step_that_fails_is_counted(
    orchard_state: Path, exporter: Exporter, words: tuple[str, ...], step: str
) -> None:
    assert orchard_state.is_dir()
    assert CliRunner().invoke(app, words).exit_code == 1
    exporter.wait_for_lines(STARTED + FAILED)
    of = {"step": step, "use_case": "orchard"}
    assert exporter.read_value("servicio_ml_pipeline_runs_total", {**of, "outcome": "failure"}) == 1
    assert exporter.read_value("servicio_ml_pipeline_runs_total", {**of, "outcome": "success"}) == 0
    assert "servicio_ml_pipeline_success_timestamp_seconds" not in exporter.list_names()


@pytest.mark.parametrize("step", ["etl", "train", "report"])
def test_every_step_has_its_name(exporter: Exporter, step: str) -> None:
    stats = StatsdStats(HOST, exporter.port)
    with record_outcome(stats, lambda: 1_700_000_000.5, f"{step}.rain_australia"):
        pass
    exporter.wait_for_lines(STARTED + ENDED_WELL)
    of = {"step": step, "use_case": "rain_australia"}
    assert exporter.read_value("servicio_ml_pipeline_runs_total", {**of, "outcome": "success"}) == 1
    assert exporter.read_value("servicio_ml_pipeline_duration_seconds_count", of) == 1
    assert exporter.read_value("servicio_ml_pipeline_success_timestamp_seconds", of) == 1_700_000_000.5


USE_CASE = build_use_case(
    Task.BINARY, Candidate(name="tree", family="decision_tree", max_latency_seconds=1.0)
)


def test_every_decision_on_the_champion_is_counted(tmp_path: Path, exporter: Exporter) -> None:
    place = TrainingFixture(tmp_path)
    context = DecisionContext(
        tracker=place.tracker, registry=place.registry, stats=StatsdStats(HOST, exporter.port),
        clock=place.clock, hold_champion=MemoryDecisionLog().hold_champion, by="tester",
    )  # fmt: skip
    made = place.publish(Task.BINARY)
    decided = []
    for force in (False, True):
        place.train(USE_CASE, made, force=force)
        decided.append(place.promote(USE_CASE, made, context).decision)
    assert decided == [
        PromotionDecision.PROMOTED,
        PromotionDecision.REJECTED,
    ]  # the same model again is no better
    rollback("small", 2, context)
    exporter.wait_for_lines(3 * len(PromotionDecision))
    of = {"use_case": USE_CASE.name}
    made_once = {PromotionDecision.PROMOTED, PromotionDecision.REJECTED, PromotionDecision.ROLLED_BACK}
    for decision in PromotionDecision:
        labels = {**of, "decision": decision.replace(" ", "_")}
        assert exporter.read_value("servicio_ml_promotions_total", labels) == int(decision in made_once)


DAG = {"dag_id": "etl_process_rain_australia"}
TASK = {**DAG, "task_id": "publish"}
AIRFLOW = [
    ("dagrun.duration.success.etl_process_rain_australia:4000|ms", "airflow_dagrun_duration_seconds_sum",
     {**DAG, "outcome": "success"}, 4),
    ("dagrun.duration.failed,dag_id=etl_process_rain_australia,run_type=manual:4000|ms",
     "airflow_dagrun_duration_seconds_sum", {**DAG, "outcome": "failed"}, 4),
    ("dag.etl_process_rain_australia.publish.duration:1500|ms", "airflow_task_duration_seconds_sum",
     TASK, 1.5),
    ("dag.etl_process_rain_australia.group__publish.duration:1500|ms", "airflow_task_duration_seconds_count",
     {**DAG, "task_id": "group__publish"}, 1),
    ("task.duration,dag_id=etl_process_rain_australia,task_id=publish,queue=default:1500|ms",
     "airflow_task_duration_seconds_sum", TASK, 1.5),
    ("ti.finish.etl_process_rain_australia.publish.success:1|c", "airflow_task_finished_total",
     {**TASK, "state": "success"}, 1),
    ("ti.finish.etl_process_rain_australia.publish.failed:0|c", "airflow_task_finished_total",
     {**TASK, "state": "failed"}, 0),
    ("ti.finish,dag_id=etl_process_rain_australia,task_id=group.publish,team_name=a,state=up_for_retry:1|c",
     "airflow_task_finished_total", {**DAG, "task_id": "group.publish", "state": "up_for_retry"}, 1),
    ("dagrun.schedule_delay.etl_process_rain_australia:2000|ms", "airflow_dagrun_schedule_delay_seconds_sum",
     DAG, 2),
    ("dagrun.schedule_delay,dag_id=etl_process_rain_australia,team_name=a:2000|ms",
     "airflow_dagrun_schedule_delay_seconds_sum", DAG, 2),
    ("dagrun.dependency-check.etl_process_rain_australia:40|ms",
     "airflow_dagrun_dependency_check_seconds_sum", DAG, 0.04),
    ("dagrun.dependency-check,dag_id=etl_process_rain_australia,run_type=manual:40|ms",
     "airflow_dagrun_dependency_check_seconds_count", DAG, 1),
    ("operator_failures__PythonDecoratedOperator:1|c", "airflow_operator_finished_total",
     {"operator": "_PythonDecoratedOperator", "outcome": "failure"}, 1),
    ("operator_successes,dag_id=etl_process_rain_australia,task_id=publish,operator_name=BashOperator:1|c",
     "airflow_operator_finished_total", {"operator": "BashOperator", "outcome": "success"}, 1),
    ("task_instances_without_heartbeats_killed:1|c", "airflow_zombies_killed_total", {}, 1),
    ("task_instances_without_heartbeats_killed,dag_id=etl_process_rain_australia,task_id=publish:1|c",
     "airflow_zombies_killed_total", {}, 1),
    ("scheduler_heartbeat:1|c", "airflow_scheduler_heartbeat_total", {}, 1),
    ("scheduler.tasks.starving:3|g", "airflow_scheduler_tasks", {"state": "starving"}, 3),
    ("scheduler.tasks.executable:2|g", "airflow_scheduler_tasks", {"state": "executable"}, 2),
    ("executor.open_slots:8|g", "airflow_executor_slots", {"state": "open"}, 8),
    ("executor.queued_tasks:1|g", "airflow_executor_slots", {"state": "queued"}, 1),
    ("executor.running_tasks,status=running,executor_class_name=LocalExecutor:4|g", "airflow_executor_slots",
     {"state": "running"}, 4),
    *((f"pool.{state}_slots.default_pool:5|g", "airflow_pool_slots",
       {"pool": "default_pool", "state": state}, 5)
      for state in ("open", "queued", "running", "deferred", "scheduled")),
    ("pool.open_slots,pool_name=training:2|g", "airflow_pool_slots",
     {"pool": "training", "state": "open"}, 2),
    ("dag_processing.import_errors:2|g", "airflow_dag_import_errors", {}, 2),
    ("dag_processing.total_parse_time:0.75|g", "airflow_dag_parse_seconds", {}, 0.75),
    ("dagbag_size:15|g", "airflow_dagbag_size", {}, 15),
]  # fmt: skip


@pytest.mark.parametrize(("line", "name", "labels", "value"), AIRFLOW, ids=[each[0] for each in AIRFLOW])
def test_airflow_is_mapped(exporter: Exporter, line: str, name: str, labels: Labels, value: float) -> None:
    exporter.send(f"airflow.{line}")
    assert exporter.read_value(name, labels) == value


DROPPED = [
    # the same events again, under names without the DAG
    "airflow.dagrun.duration.success:4000|ms",
    "airflow.task.duration:1500|ms",
    "airflow.ti.finish:1|c",
    "airflow.pool.open_slots:5|g",
    # what nobody asks for
    "airflow.dag.etl_process_rain_australia.publish.queued_duration:20|ms",
    "airflow.dagrun.schedule_delay:20|ms",
    "airflow.dagrun.dependency-check:20|ms",
    "airflow.operator_failures:1|c",
    "airflow.ti_failures,dag_id=etl_process_rain_australia,task_id=publish:1|c",
    "airflow.dag_processing.last_duration.dags-folder.etl:120|ms",
    "airflow.dag_processing.last_run.seconds_ago.etl:30|g",
    "airflow.ti.running.default.etl_process_rain_australia.publish:1|g",
    "airflow.task_instance_created_BashOperator:1|c",
    "airflow.executor.open_slots.LocalExecutor:8|g",
    "airflow.local_task_job_start:1|c",
    # of another type than is known
    "airflow.scheduler_heartbeat:1|g",
    "servicio_ml.etl.rain_australia:1|c",
    # of somebody else
    "servicio_ml.train.rain_australia.trial_7:1|c",
    "servicio_ml.unknown.rain_australia.success:1|c",
    "other.thing:1|c",
]


def test_what_is_unforeseen_makes_no_series(exporter: Exporter) -> None:
    exporter.send(*DROPPED)
    assert exporter.list_names() == set()
    assert exporter.read_value("statsd_exporter_events_actions_total", {"action": "drop"}) == len(DROPPED)


def test_freshness_stays_and_what_a_dead_scheduler_said_goes(exporter: Exporter, watch: Watch) -> None:
    exporter.send(
        "servicio_ml.etl.rain_australia.success_timestamp_seconds:1700000000|g",
        "servicio_ml.etl.rain_australia.rows_read:10|g",
        "airflow.executor.open_slots:8|g",
        "airflow.pool.open_slots.default_pool:8|g",
        "airflow.scheduler.tasks.starving:1|g",
        "airflow.scheduler_heartbeat:1|c",
    )
    watch.now += 40 * 86_400
    assert exporter.list_names() == {
        "servicio_ml_pipeline_success_timestamp_seconds",
        "servicio_ml_pipeline_rows",
        "airflow_scheduler_heartbeat_total",
    }


GENERIC = """
defaults: {ttl: 10s}
mappings:
  - {match: "a.*.c", name: "${1}_total", match_metric_type: counter, labels: {first: "$1"}}
  - {match: "a.*.*", name: "later_total", labels: {first: "$1", second: "$2"}}
  - {match: "^a[.]b[.](c)$", match_type: regex, name: "never"}
  - {match: "(t|u)ime$", match_type: regex, name: "${1}_seconds", observer_type: summary}
"""


@pytest.mark.parametrize(
    ("lines", "name", "labels", "value"),
    [
        (["a.b.c:2|c", "a.b.c:3|c"], "b_total", {"first": "b"}, 5),
        (["a.b.c:2|g"], "later_total", {"first": "b", "second": "c"}, 2),
        (["a.b.d:2|c|@0.5"], "later_total", {"first": "b", "second": "d"}, 4),
        (["a.b.d:2|c:3|c"], "later_total", {"first": "b", "second": "d"}, 5),
        (["a.b.d:2|c|#second:mine,more:yes"], "later_total", {"first": "b", "second": "d", "more": "yes"}, 2),
        (["x.y-z:7|g", "x.y-z:+2|g", "x.y-z:-4|g"], "x_y_z", {}, 5),
        (["x.y:-7|c"], "x_y", {}, float("nan")),
        (["time:1500|ms", "time:2|h"], "t_seconds_sum", {}, 3.5),
        (["time:100|ms|@0.5"], "t_seconds_count", {}, 2),
        (["broken", "x:1", "x:y|g", "x:1|s", "x:1|g"], "x", {}, 1),
        (["x:1|g", "x:1|c"], "statsd_exporter_events_conflict_total", {"type": "counter"}, 1),
    ],
    ids=[
        "globs in order", "by type", "sampled", "several", "tags, the mapping wins", "relative gauge",
        "negative counter", "timer", "sampled timer", "broken lines", "another type",
    ],
)  # fmt: skip
def test_the_stand_in_does_as_the_exporter_documents(
    tmp_path: Path, lines: list[str], name: str, labels: Labels, value: float
) -> None:
    (tmp_path / "mapping.yaml").write_text(GENERIC)
    with run_statsd_exporter(tmp_path / "mapping.yaml") as (port, url):
        exporter = Exporter(port, url)
        exporter.send(*lines)
        assert exporter.read_value(name, labels) == pytest.approx(value, nan_ok=True)


KEYS = {
    "match", "match_type", "match_metric_type", "name", "help", "labels", "observer_type", "action", "ttl",
    "summary_options", "histogram_options", "scale", "honor_labels",
}  # fmt: skip
DEFAULTS = {
    "observer_type", "match_type", "glob_disable_ordering", "ttl", "summary_options", "histogram_options",
}  # fmt: skip
SUMMARY_OPTIONS = {"quantiles", "max_age", "age_buckets", "buf_cap"}
METRIC_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
LABEL = re.compile(r"[a-zA-Z_][a-zA-Z0-9_]+")
NOT_IN_RE2 = re.compile(r"\(\?[=!<]|\\[1-9]|[*+?}]\+|\(\?>")


def _is_match(each: Mapping[str, Any]) -> bool:
    return (
        each["match_type"] == "regex"
        and not NOT_IN_RE2.search(each["match"])
        and each.get("match_metric_type", "gauge") in {"gauge", "counter", "observer"}
        and each.get("action", "map") in {"map", "drop"}
    )


def _is_named(each: Mapping[str, Any]) -> bool:
    groups = re.compile(each["match"]).groups
    labels = each.get("labels", {})
    used = {int(number) for text in labels.values() for number in re.findall(r"\$(\d+)", text)}
    return (
        bool(METRIC_NAME.fullmatch(each["name"]))
        and all(LABEL.fullmatch(label) for label in labels)
        and used == set(range(1, groups + 1))
    )


@pytest.mark.parametrize("rule", [_is_match, _is_named], ids=["match", "names"])
@pytest.mark.parametrize("each", DOCUMENT["mappings"], ids=lambda each: each["match"])
def test_a_mapping_is_as_the_exporter_wants_it(
    each: Mapping[str, Any], rule: Callable[[Mapping[str, Any]], bool]
) -> None:
    assert set(each) <= KEYS
    assert rule(each)
    if each.get("match_metric_type") == "counter":
        assert each["name"].endswith("_total")


def test_the_defaults_are_as_the_exporter_wants_them() -> None:
    assert set(DOCUMENT) == {"defaults", "mappings"}
    assert set(DOCUMENT["defaults"]) <= DEFAULTS
    options = DOCUMENT["defaults"]["summary_options"]
    assert set(options) <= SUMMARY_OPTIONS
    assert all(set(each) == {"quantile", "error"} for each in options["quantiles"])


def test_a_name_has_one_type_one_text_and_one_set_of_labels() -> None:
    known: dict[str, tuple[str, str, set[str]]] = {}
    for each in DOCUMENT["mappings"][:-1]:
        mine = each["match_metric_type"], each["help"], set(each.get("labels", {}))
        assert known.setdefault(each["name"], mine) == mine
    assert METRIC_PREFIX == "servicio_ml"
