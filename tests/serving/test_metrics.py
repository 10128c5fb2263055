"""Metrics as they are scraped: the names and labels of the table, and nothing else."""

import asyncio
import json
import re
import shutil
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace
from itertools import product
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from scipy.stats import chi2

from fakes.decision_log import MemoryDecisionLog
from services import ServiceFixture, create_service
from servicio_ml.domain.drift import Acknowledgement
from servicio_ml.domain.prediction import Interface
from servicio_ml.domain.rollout.guardrails import ArmCounts, judge_guardrails
from servicio_ml.domain.rollout.paired_sums import PairedSums
from servicio_ml.domain.rollout.ramp import Ramp
from servicio_ml.domain.rollout.transitions import start_rollout
from servicio_ml.features.artifact import REFERENCE
from servicio_ml.lifecycle.retraining_policy import RetrainingPolicy
from servicio_ml.serving import metrics as described
from servicio_ml.serving.metrics import (
    HTTP_BUCKETS_SECONDS,
    PREDICTION_FEATURE,
    Metrics,
)
from servicio_ml.serving.prediction.request_counts import METHODS, OTHER_METHOD, RequestCounts
from servicio_ml.serving.prediction.state_collector import StateCollector
from servicio_ml.serving.retraining.acknowledgements import Acknowledgements
from servicio_ml.serving.retraining.decisions import RetrainingDecisions
from servicio_ml.serving.rollout.collector import RolloutCollector

RECORD = {"day": "2020-01-31", "size": 1.5, "weight": 0.25, "colour": "green"}
OWN_METRIC = re.compile(r"(http|servicio_ml)_")
SAMPLE_SUFFIXES = ("_bucket", "_created", "_sum", "_count")
"""Suffixes that prometheus_client appends to a name; buckets also get the label `le`."""
ACKNOWLEDGED = Acknowledgement(
    model="small",
    feature="size",
    reason="it is known",
    by="boss",
    at=0,
    until=2e9,
    psi=0.5,
    missing_excess=0.1,
)
EMPTY: Mapping[str, str] = {}


def parse_table() -> dict[str, set[str]]:
    """Names and labels of the module's docstring."""
    rows = re.findall(r"^\| ([a-z_, ]+) \| ([a-z_, ]*)\|$", described.__doc__ or "", re.MULTILINE)
    names = {
        name.strip(): {label.strip() for label in labels.split(",") if label.strip()}
        for row, labels in rows
        for name in row.split(",")
    }
    return {name: labels for name, labels in names.items() if name != "name"}


def scrape_samples(registry: CollectorRegistry) -> dict[str, list[tuple[Mapping[str, str], float]]]:
    """Samples by name, off the text."""
    found: dict[str, list[tuple[Mapping[str, str], float]]] = defaultdict(list)
    for family in text_string_to_metric_families(generate_latest(registry).decode()):
        for sample in family.samples:
            found[sample.name].append((sample.labels, sample.value))
    return found


def score_rows(made: ServiceFixture, rows: int = 5) -> None:
    """Have rows of the champion predicted."""
    loaded_model = made.service.models.get_champion(made.model)
    matrix = loaded_model.artifact.encoder.encode_records([RECORD] * rows)
    asyncio.run(made.service.predictor.score(loaded_model, matrix, Interface.REST))


def touch_everything(made: ServiceFixture) -> None:
    """Count once what a bench does not by itself."""
    mine, requests = made.service.metrics, RequestCounts(made.service.metrics)
    requests.add("POST", "/predict", 200, 0.01)
    requests.flush()
    mine.in_progress.set(1)
    mine.rejected_values.labels("small", "weight", "range").inc()
    mine.realised_confusion.labels("small", 1, "no", "yes").inc()
    mine.realised_positives.labels("small", 1, "0").inc()
    mine.realised_negatives_below.labels("small", 1, "1").inc()
    mine.absolute_error.labels("small", 1).observe(0.5)
    mine.squared_error.labels("small", 1).inc(0.25)
    mine.interval_covered.labels("small", 1, "0.9", "true").inc()
    mine.interval_expected.labels("small", 1, "0.9").inc(0.9)
    value = ("small", 1, "colour", "green")
    for counter in (mine.segment_labels, mine.segment_loss, mine.segment_squared_loss, mine.segment_covered):
        counter.labels(*value).inc()
    mine.segment_confusion.labels(*value, "no", "yes").inc()
    mine.label_lag.labels("small").observe(60)
    mine.label_corrections.labels("small", 1).inc()
    mine.retraining_decisions.labels("small", "retrain").inc()
    policy = RetrainingPolicy(cooldown_seconds=0, monthly_budget=4)
    decisions = RetrainingDecisions(
        MemoryDecisionLog(), policy, made.service.models, mine.retraining_decisions, made.clock
    )
    decisions.refresh()
    made.metrics.register(decisions)
    log = MemoryDecisionLog()
    log.add_acknowledgement(ACKNOWLEDGED)
    acknowledgements = Acknowledgements(log, made.service.log, made.service.models, made.clock)
    acknowledgements.refresh()
    made.metrics.register(acknowledgements)
    findings = judge_guardrails(Ramp(), PairedSums(), ArmCounts(rows=5, timed=2))
    rollout = start_rollout("small", "a", (1, 2), Ramp(), "boss", made.clock.now)
    made.plans.change("small", lambda _: replace(rollout, findings=tuple(findings)))
    made.service.models.refresh_plans()
    made.metrics.register(RolloutCollector(made.service.models, made.clock))
    mine.worker_up.labels("small", 1).set(1)
    mine.worker_restarts.labels("small", 1).inc()
    mine.worker_failures.labels("small", 1, "exit").inc()
    for dropped in (mine.load_failures, mine.shadow_dropped, mine.log_dropped):
        dropped.labels("small").inc()


@pytest.fixture
def made(tmp_path: Path, artifact_folder: Path) -> ServiceFixture:
    one = create_service(tmp_path, artifact_folder)
    score_rows(one)
    touch_everything(one)
    return one


def find_family_name(sample: str, known: Mapping[str, set[str]]) -> str:
    """The name of the table that a sample belongs to."""
    if sample in known:
        return sample
    return next(
        (sample.removesuffix(suffix) for suffix in SAMPLE_SUFFIXES if sample.endswith(suffix)), sample
    )


def test_what_is_scraped_is_what_the_table_says(
    made: ServiceFixture, tmp_path: Path, regression_folder: Path
) -> None:
    known = parse_table()
    regression = create_service(tmp_path / "regression", regression_folder)
    assert len(known) == 74
    found: dict[str, set[str]] = {}
    samples = {**scrape_samples(regression.metrics), **scrape_samples(made.metrics)}
    for sample, values in samples.items():
        name = find_family_name(sample, known)
        if sample.endswith("_created"):
            continue
        labels = {label for each, _ in values for label in each} - {"le"}
        assert found.setdefault(name, labels) == labels
    assert found == known
    assert all(OWN_METRIC.match(name) for name in found)


def test_nothing_else_is_registered(made: ServiceFixture) -> None:
    known = parse_table()
    for sample in scrape_samples(made.metrics):
        name = find_family_name(sample, known).removesuffix("_total")
        assert {name, f"{name}_total", f"{name}_sum"} & known.keys()


@pytest.mark.parametrize("folder", ["artifact_folder", "multiclass_folder", "regression_folder"])
def test_reference_ratios_are_whole(request: pytest.FixtureRequest, tmp_path: Path, folder: str) -> None:
    made = create_service(tmp_path, request.getfixturevalue(folder))
    sums: dict[str, float] = defaultdict(float)
    for labels, value in scrape_samples(made.metrics)["servicio_ml_reference_ratio"]:
        assert value > 0
        sums[labels["feature"]] += value
    assert sums == {name: pytest.approx(1) for name in (*RECORD, PREDICTION_FEATURE)}


def test_each_answer_falls_in_one_bin_of_each_feature(made: ServiceFixture) -> None:
    values = scrape_samples(made.metrics)
    seen: dict[str, float] = defaultdict(float)
    for labels, value in values["servicio_ml_feature_observations_total"]:
        assert (labels["model"], labels["version"]) == ("small", "1")
        seen[labels["feature"]] += value
    assert seen == dict.fromkeys(RECORD, 5.0)
    assert sum(value for _, value in values["servicio_ml_prediction_observations_total"]) == 5
    assert sum(value for _, value in values["servicio_ml_predictions_total"]) == 5
    assert sum(value for _, value in values["servicio_ml_expected_confusion_total"]) == pytest.approx(5)
    [(labels, rows)] = values["servicio_ml_reference_rows"]
    assert rows == 300
    green = [
        value
        for labels, value in values["servicio_ml_feature_observations_total"]
        if labels["bin"] == "green"
    ]
    assert green == [5]


def test_observations_and_references_have_the_same_bins(made: ServiceFixture) -> None:
    values = scrape_samples(made.metrics)
    bins = [
        (labels["feature"], labels["bin"]) for labels, _ in values["servicio_ml_feature_observations_total"]
    ]
    bins += [
        (PREDICTION_FEATURE, labels["bin"])
        for labels, _ in values["servicio_ml_prediction_observations_total"]
    ]
    assert sorted(bins) == sorted(
        (labels["feature"], labels["bin"]) for labels, _ in values["servicio_ml_reference_ratio"]
    )


def write_seasonal_artifact(folder: Path, artifact: Path) -> Path:
    """The small model with a reference of its own for January."""
    shutil.copytree(artifact, folder)
    document = json.loads((folder / REFERENCE).read_text())
    document["policy"]["season"] = "day"
    document["seasons"]["01"] = {**document["seasons"]["all"], "rows": 25}
    (folder / REFERENCE).write_text(json.dumps(document))
    return folder


def test_a_season_is_exported_once_it_has_rows(tmp_path: Path, artifact_folder: Path) -> None:
    one = create_service(tmp_path / "bench", write_seasonal_artifact(tmp_path / "seasonal", artifact_folder))
    before = scrape_samples(one.metrics)
    assert before["servicio_ml_reference_ratio"] == []
    assert {labels["season"] for labels, _ in before["servicio_ml_season_observations_total"]} == {
        "all",
        "01",
    }
    score_rows(one)
    values = scrape_samples(one.metrics)
    rows = {labels["season"]: value for labels, value in values["servicio_ml_season_observations_total"]}
    assert rows == {"all": 0, "01": 5}
    assert {labels["season"] for labels, _ in values["servicio_ml_reference_ratio"]} == {"01"}
    assert {labels["season"] for labels, _ in values["servicio_ml_performance_limit"]} == {"01"}
    assert {(labels["season"], value) for labels, value in values["servicio_ml_reference_rows"]} == {
        ("all", 300), ("01", 25)
    }  # fmt: skip


def test_limits_are_what_the_policy_makes_of_unseen_rows(made: ServiceFixture) -> None:
    reference = made.service.models.get_champion("small").artifact.reference
    limits = {
        labels["metric"]: value
        for labels, value in scrape_samples(made.metrics)["servicio_ml_performance_limit"]
    }
    unseen = reference.seasons["all"].performance
    assert limits == pytest.approx(
        {"accuracy": unseen["accuracy"] - 0.05, "f1_macro": unseen["f1_macro"] - 0.1}
    )
    [(_, practical)] = scrape_samples(made.metrics)["servicio_ml_drift_practical_psi"]
    assert practical == reference.policy.practical_psi


def test_quantiles_share_the_rate_of_false_alarms(made: ServiceFixture) -> None:
    values = scrape_samples(made.metrics)
    quantiles = {labels["feature"]: value for labels, value in values["servicio_ml_drift_quantile"]}
    bins = Counter(labels["feature"] for labels, _ in values["servicio_ml_reference_ratio"])
    assert quantiles == {
        name: pytest.approx(float(chi2.ppf(1 - 0.05 / len(RECORD), number - 1)), rel=0.05)
        for name, number in bins.items()
    }


def test_a_model_without_a_champion_is_not_ready(tmp_path: Path, artifact_folder: Path) -> None:
    one = create_service(tmp_path, artifact_folder, names=["small", "absent"])
    values = scrape_samples(one.metrics)
    assert values["servicio_ml_model_ready"] == [({"model": "absent"}, 0), ({"model": "small"}, 1)]
    [(_, registered)] = values["servicio_ml_champion_registered_timestamp_seconds"]
    assert registered == one.clock.now


def test_the_champion_is_exported(made: ServiceFixture, artifact_folder: Path) -> None:
    made.clock.now += 60
    made.promote(artifact_folder)
    values = scrape_samples(made.metrics)
    assert values["servicio_ml_model_info"] == [({"model": "small", "version": "2", "run_id": "run"}, 1)]
    assert values["servicio_ml_champion_loaded_timestamp_seconds"] == [
        ({"model": "small", "version": "2"}, made.clock.now)
    ]
    versions = {labels["version"] for labels, _ in values["servicio_ml_feature_observations_total"]}
    assert versions == {"1", "2"}


def test_pending_rows_are_asked_for_at_each_scrape(made: ServiceFixture) -> None:
    pending, registry = [3], CollectorRegistry()
    registry.register(StateCollector(made.bin_counts, made.service.models, lambda: pending[0]))
    assert scrape_samples(registry)["servicio_ml_prediction_log_pending"] == [(EMPTY, 3)]
    pending[0] = 0
    assert scrape_samples(registry)["servicio_ml_prediction_log_pending"] == [(EMPTY, 0)]


SECONDS = st.sampled_from([*HTTP_BUCKETS_SECONDS, 0.0, 100.0]) | st.floats(0, 20, allow_nan=False)
CALLS = st.tuples(
    st.sampled_from(["GET", "POST", "BREW"]),
    st.sampled_from(["/", "/predict"]),
    st.sampled_from([200, 422]),
    SECONDS,
)


@given(st.lists(st.lists(CALLS, max_size=8), max_size=4))
def test_buffered_requests_equal_observing_each(
    rounds: list[list[tuple[str, str, int, float]]],
) -> None:
    registries = CollectorRegistry(), CollectorRegistry()
    buffered, plain = (Metrics(registry) for registry in registries)
    requests = RequestCounts(buffered)
    for calls in rounds:
        for method, route, status, seconds in calls:
            requests.add(method, route, status, seconds)
            known = method if method in METHODS else OTHER_METHOD
            plain.requests.labels(known, route, status).inc()
            plain.request_seconds.labels(known, route).observe(seconds)
        requests.flush()
    requests.flush()
    ours, theirs = (_read_values(registry) for registry in registries)
    assert ours.keys() == theirs.keys()
    for key, value in theirs.items():
        assert ours[key] == (pytest.approx(value) if "_sum" in key[0] else value)


def _read_values(registry: CollectorRegistry) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    return {
        (name, frozenset(labels.items())): value
        for name, values in scrape_samples(registry).items()
        for labels, value in values
        if name.startswith("http_") and not name.endswith("_created")
    }


@pytest.mark.parametrize(("method", "noted"), [*product(["BREW", "get", ""], [OTHER_METHOD]), ("GET", "GET")])
def test_methods_are_a_closed_set(method: str, noted: str) -> None:
    registry = CollectorRegistry()
    requests = RequestCounts(Metrics(registry))
    requests.add(method, "/", 200, 0.1)
    assert scrape_samples(registry)["http_requests_total"] == []
    requests.flush()
    assert scrape_samples(registry)["http_requests_total"] == [
        ({"method": noted, "route": "/", "status": "200"}, 1)
    ]
