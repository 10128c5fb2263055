"""Each alert fires when it should, and is silent when it need not."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from monitoring.rule import Alert, Group
from monitoring.rules import alerts, groups
from monitoring.thresholds import STEP

from promtool import Expected, labels, run

MODEL = {"model": "rain"}
MINE = {"model": "rain", "version": "3"}
TARGET = {"instance": "a", "job": "servicio-ml"}
STATSD = {"instance": "s", "job": "statsd"}
DAY = {"window": "1d"}
Series = Mapping[str, str]
ALERTS = {alert.name: alert for alert in alerts(groups())}
GROUPS = {alert.name: group.name for group in groups() for alert in group.rules if isinstance(alert, Alert)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Series, from which an alert fires or does not.

    Attributes:
        alert: Its name.
        why: What the case is about.
        series: Values one interval of the alert's group apart.
        at: When it is looked at.
        firing: Labels of each alert, without severity and cause; empty when it is silent. Long windows that
            hold the same rows as one day are left out.
        step: Of the rules.
    """

    alert: str
    why: str
    series: Series
    at: str = "30m"
    firing: tuple[Mapping[str, str], ...] = field(default=())
    step: str = STEP


def fires(
    alert: str, why: str, series: Series, *firing: Mapping[str, str], at: str = "30m", step: str = STEP
) -> Case:
    return Case(alert=alert, why=why, series=series, at=at, firing=firing, step=step)


def silent(alert: str, why: str, series: Series, at: str = "30m", step: str = STEP) -> Case:
    return Case(alert=alert, why=why, series=series, at=at, step=step)


def burst(rows: float) -> str:
    """So many at once, soon after the start."""
    return f"0 {rows}+0x200"


def always(value: float) -> str:
    return f"{value}+0x200"


def champion(version: str = "3") -> dict[str, str]:
    return {labels("servicio_ml_model_info", **MODEL, version=version, run_id="run"): always(1)}


def rows(number: float) -> dict[str, str]:
    """Rows of a model whose reference has no seasons."""
    return {
        labels("servicio_ml_season_observations_total", **MINE, **TARGET, season="all"): burst(number),
        labels("servicio_ml_reference_rows", **MINE, **TARGET, season="all"): always(10_000),
        labels("servicio_ml_drift_practical_psi", **MINE, **TARGET): always(0.1),
        labels("servicio_ml_design_effect", **MINE, **TARGET): always(1),
        **champion(),
    }


def alike(effect: float) -> dict[str, str]:
    """Rows that have much in common."""
    return {labels("servicio_ml_design_effect", **MINE, **TARGET): always(effect)}


def column(feature: str, *counts: float, missing: float = 0.01) -> dict[str, str]:
    """Counts of two bins and of missing values; the training rows that have one are in each bin as often."""
    metric = "servicio_ml_feature_observations_total"
    named = {"feature": feature}
    if feature == "prediction":
        metric, named = "servicio_ml_prediction_observations_total", {}
    series = {labels("servicio_ml_drift_quantile", **MINE, feature=feature): always(20)}
    half = (1 - missing) / 2
    for bin_, count, share in zip(("low", "high", "missing"), counts, (half, half, missing), strict=True):
        series[labels(metric, **MINE, **TARGET, **named, bin=bin_)] = burst(count)
        shares = {**MINE, **TARGET, "feature": feature, "bin": bin_, "season": "all"}
        series[labels("servicio_ml_reference_ratio", **shares)] = always(share)
    return series


def other_version(series: Series) -> dict[str, str]:
    """The same, of a version that is the champion no more."""
    return {**{name: values for name, values in series.items() if "model_info" not in name}, **champion("4")}


def refused(number: float, feature: str, reason: str) -> dict[str, str]:
    metric = "servicio_ml_rejected_values_total"
    return {labels(metric, **MODEL, **TARGET, feature=feature, reason=reason): burst(number)}


SHIFTED = {**rows(500), **column("wind", 450, 45, 5)}
STEADY = {**rows(500), **column("wind", 248, 247, 5)}
GAPS = {**rows(500), **column("wind", 200, 200, 100)}
PREDICTED = {**rows(500), **column("prediction", 450, 45, 5)}
SHORT = {**rows(90), **column("wind", 90, 0, 0)}
HUNDRED_CALM = {**column("rain", 248, 247, 5), **column("sky", 248, 247, 5), **column("day", 248, 247, 5)}

DRIFT = (
    fires("FeatureDrift", "a bin holds nine tenths", SHIFTED, {**MINE, **DAY, "feature": "wind"}),
    silent("FeatureDrift", "as in training", STEADY),
    silent("FeatureDrift", "too few rows", SHORT),
    silent("FeatureDrift", "not the champion", other_version(SHIFTED)),
    silent("FeatureDrift", "the prediction alone", PREDICTED),
    fires("PredictionDrift", "a bin holds nine tenths", PREDICTED, {**MINE, **DAY, "feature": "prediction"}),
    silent("PredictionDrift", "a feature alone", {**SHIFTED, **column("prediction", 248, 247, 5)}),
    silent("PredictionDrift", "not the champion", other_version(PREDICTED)),
    fires("DataDrift", "one of two", {**SHIFTED, **column("sky", 248, 247, 5)}, {**MINE, **DAY}),
    silent("DataDrift", "one of four", {**SHIFTED, **HUNDRED_CALM}),
    silent("DataDrift", "too few rows", SHORT),
    fires("MissingValues", "a fifth is missing", GAPS, {**MINE, **DAY, "feature": "wind"}),
    silent("MissingValues", "as in training", STEADY),
    silent("MissingValues", "four of a hundred more", {**rows(5000), **column("wind", 2375, 2375, 250)}),
    silent("MissingValues", "no more than chance", {**rows(100), **column("wind", 35, 35, 30, missing=0.2)}),
    silent("MissingValues", "rows that are alike", {**GAPS, **alike(200)}),
    silent("MissingValues", "not the champion", other_version(GAPS)),
    fires(
        "UnseenLevels", "one row in eleven", {**rows(500), **refused(50, "sky", "level")},
        {**MODEL, **DAY, "feature": "sky", "reason": "level"},
    ),
    fires(
        "UnseenLevels", "all that came", refused(12, "sky", "level"),
        {**MODEL, **DAY, "feature": "sky", "reason": "level"},
    ),
    silent("UnseenLevels", "a handful", {**rows(500), **refused(9, "sky", "level")}),
    silent("UnseenLevels", "one in a thousand", {**rows(50_000), **refused(50, "sky", "level")}),
    silent("UnseenLevels", "another reason", {**rows(500), **refused(50, "sky", "type")}),
    fires(
        "RejectedValues", "a wrong type", {**rows(500), **refused(50, "wind", "type")},
        {**MODEL, **DAY, "feature": "wind", "reason": "type"},
    ),
    fires(
        "RejectedValues", "an unknown field", {**rows(500), **refused(50, "", "unknown_field")},
        {**MODEL, **DAY, "reason": "unknown_field"},
    ),
    silent("RejectedValues", "a handful", {**rows(500), **refused(9, "wind", "type")}),
    silent("RejectedValues", "a level", {**rows(500), **refused(50, "sky", "level")}),
)  # fmt: skip


def truth(kind: str, **cells: float) -> dict[str, str]:
    """Rows by prediction and truth, such as no_yes=5."""
    metric, found = f"servicio_ml_{kind}_confusion_total", {}
    for cell, number in cells.items():
        predicted, actual = cell.split("_")
        name = labels(metric, **MINE, **TARGET, predicted=predicted, actual=actual)
        found[name] = burst(number)
    return found


def limit(metric: str, value: float) -> dict[str, str]:
    name = labels("servicio_ml_performance_limit", **MINE, **TARGET, metric=metric, season="all")
    return {name: always(value), **champion()}


def errors(number: float, mean: float) -> dict[str, str]:
    return {
        labels("servicio_ml_absolute_error_sum", **MINE, **TARGET): burst(number * mean),
        labels("servicio_ml_absolute_error_count", **MINE, **TARGET): burst(number),
    }


def performance(alert: str, kind: str) -> tuple[Case, ...]:
    """What both performances have in common."""
    often_wrong = {**rows(500), **truth(kind, no_no=250, no_yes=150, yes_no=50, yes_yes=50)}
    right = {**rows(500), **truth(kind, no_no=400, no_yes=20, yes_no=20, yes_yes=60)}
    few = {**rows(99), **truth(kind, no_no=1, no_yes=49, yes_no=49)}
    chance = {**rows(100), **truth(kind, no_no=70, yes_no=30)}
    rare = {**rows(500), **truth(kind, no_no=410, no_yes=80, yes_yes=10)}
    common = {**rows(1000), **truth(kind, no_no=500, no_yes=400, yes_yes=100)}
    one_of_two = {**rows(500), **truth(kind, no_no=480, yes_no=20)}
    accuracy, f1 = limit("accuracy", 0.8), limit("f1_macro", 0.8)
    return (
        fires(alert, "accuracy", {**often_wrong, **accuracy}, {**MINE, **DAY, "metric": "accuracy"}),
        fires(alert, "F1", {**common, **f1}, {**MINE, **DAY, "metric": "f1_macro"}),
        silent(alert, "right enough", {**right, **accuracy}),
        silent(alert, "too few labels", {**few, **accuracy, **f1}),
        silent(alert, "no more than chance", {**chance, **accuracy}),
        silent(alert, "rows that are alike", {**often_wrong, **accuracy, **alike(60)}),
        silent(alert, "F1 of a rare class", {**rare, **f1}),
        silent(alert, "F1 of a class that never came", {**one_of_two, **f1}),
        silent(alert, "not the champion", other_version({**often_wrong, **accuracy, **f1})),
    )


def coverage(before: float, after: float, rows: str = "0+200x80") -> dict[str, str]:
    """Labels of 6 hours, in the first week and then."""
    metric = "servicio_ml_realised_confusion_total"
    name = labels(metric, **MINE, **TARGET, predicted="no", actual="no")
    return {
        labels("servicio_ml_season_observations_total", **MINE, **TARGET, season="all"): rows,
        name: f"0+{before}x28 {before * 28 + after}+{after}x50",
    }


def registered(days_ago: float) -> dict[str, str]:
    metric = "servicio_ml_champion_registered_timestamp_seconds"
    return {labels(metric, **MINE, **TARGET): always(-days_ago * 86400)}


def told(metric: str, value: float, **names: str) -> dict[str, str]:
    """A gauge that two servers tell."""
    return {labels(metric, **MODEL, **names, instance=each): always(value) for each in ("a", "b")}


FORTNIGHT = {"at": "15d", "step": "6h"}
MODELS = (
    *performance("PerformanceLow", "realised"),
    *performance("ExpectedPerformanceLow", "expected"),
    fires(
        "PerformanceLow", "absolute error", {**errors(100, 21), **limit("mae", 20)},
        {**MINE, **DAY, "metric": "mae"},
    ),
    silent("PerformanceLow", "small error", {**errors(100, 19), **limit("mae", 20)}),
    silent("PerformanceLow", "few errors", {**errors(99, 50), **limit("mae", 20)}),
    silent("PerformanceLow", "no labels", {**rows(500), **limit("accuracy", 0.8)}),
    fires("LabelCoverageLow", "labels stop", coverage(160, 0), MODEL, **FORTNIGHT),
    silent("LabelCoverageLow", "labels go on", coverage(160, 140), **FORTNIGHT),
    silent("LabelCoverageLow", "labels never came", coverage(0, 0), **FORTNIGHT),
    silent("LabelCoverageLow", "no traffic", coverage(160, 0, "0+200x28 5600+0x50"), **FORTNIGHT),
    fires("ChampionStale", "a year old", registered(365), MINE),
    silent("ChampionStale", "a month old", registered(30)),
    fires("ModelQuarantined", "it is", told("servicio_ml_quarantined", 1), MODEL),
    silent("ModelQuarantined", "it is not", told("servicio_ml_quarantined", 0)),
    fires("RetrainingBudgetSpent", "none left", told("servicio_ml_retraining_budget_remaining", 0), MODEL),
    silent("RetrainingBudgetSpent", "one left", told("servicio_ml_retraining_budget_remaining", 1)),
)  # fmt: skip


def requests(per_minute: float, status: str, route: str = "/predict", minutes: int = 400) -> dict[str, str]:
    names = {**TARGET, "method": "POST", "route": route, "status": status}
    return {labels("http_requests_total", **names): f"0+{per_minute}x{minutes}"}


def answered(per_minute: float, fast: float, route: str = "/predict", minutes: int = 400) -> dict[str, str]:
    """Requests, and how many of them took no longer than the objective."""
    names = {**TARGET, "method": "POST", "route": route}
    return {
        labels("http_request_duration_seconds_count", **names): f"0+{per_minute}x{minutes}",
        labels("http_request_duration_seconds_bucket", **names, le="0.1"): f"0+{fast}x{minutes}",
    }


def lost(values: str) -> dict[str, str]:
    return {
        labels("servicio_ml_prediction_log_dropped_total", **MODEL, **TARGET): values,
        labels("up", **TARGET): always(1),
    }


def unloaded(values: str) -> dict[str, str]:
    return {
        labels("servicio_ml_model_load_failures_total", **MODEL, **TARGET): values,
        labels("up", **TARGET): always(1),
    }


def up(instance: str, values: str) -> dict[str, str]:
    return {labels("up", instance=instance, job="servicio-ml"): values}


FINE = requests(100, "200")
SERVER = {"job": "servicio-ml"}
SERVICE = (
    fires("ServerDown", "the only one", up("a", always(0)), SERVER),
    fires("ServerDown", "gone from the discovery", up("a", "1+0x10"), SERVER),
    silent("ServerDown", "one of two", {**up("a", always(0)), **up("b", always(1))}),
    silent("ServerDown", "gone for good", up("a", "1+0x10"), at="90m"),
    fires("ModelNotReady", "nowhere", told("servicio_ml_model_ready", 0), MODEL),
    silent(
        "ModelNotReady", "in one of two",
        {
            labels("servicio_ml_model_ready", **MODEL, instance="a"): always(0),
            labels("servicio_ml_model_ready", **MODEL, instance="b"): always(1),
        },
    ),
    fires("ErrorBudgetBurn", "three of a hundred fail", {**FINE, **requests(3, "503")}, {}),
    fires("ErrorBudgetBurn", "all of a few fail", requests(1, "500"), {}),
    fires("ErrorBudgetBurn", "0.9 % fail for hours", {**FINE, **requests(0.9, "500")}, {}, at="6h"),
    silent("ErrorBudgetBurn", "none fails", FINE),
    silent("ErrorBudgetBurn", "the client's fault", {**FINE, **requests(50, "422"), **requests(9, "429")}),
    silent("ErrorBudgetBurn", "one failure", {labels("http_requests_total", status="500"): burst(1)}),
    silent("ErrorBudgetBurn", "probes", {**FINE, **requests(100, "503", "/health/ready")}),
    silent(
        "ErrorBudgetBurn", "it is over",
        {**FINE, labels("http_requests_total", **TARGET, status="500"): "0+20x10 200+0x400"},
        at="60m",
    ),
    fires("ErrorBudgetBurnSlow", "0.4 % fail", {**FINE, **requests(0.4, "500")}, {}, at="3h"),
    silent("ErrorBudgetBurnSlow", "0.05 % fail", {**FINE, **requests(0.05, "500")}, at="6h"),
    fires("LatencyBudgetBurn", "a fifth is slow", answered(100, 80), {}),
    silent("LatencyBudgetBurn", "one in a hundred is slow", answered(100, 99)),
    silent("LatencyBudgetBurn", "batches are slow", answered(100, 0, "/predict/batch")),
    silent("LatencyBudgetBurn", "a few are slow", answered(0.2, 0)),
    fires("LatencyBudgetBurnSlow", "one in twenty is slow", answered(100, 95), {}, at="3h"),
    silent("LatencyBudgetBurnSlow", "one in two hundred is slow", answered(200, 199), at="6h"),
    fires("PredictionsLost", "the first of all", lost("_x5 1+0x200"), MODEL, at="10m"),
    silent("PredictionsLost", "long ago", lost("_x5 1+0x200"), at="40m"),
    silent("PredictionsLost", "none", lost(always(0))),
    fires(
        "PredictionLogBacklog", "of two servers",
        {labels("servicio_ml_prediction_log_pending", instance=each): always(6_000) for each in "ab"}, {},
    ),
    silent(
        "PredictionLogBacklog", "it drains",
        {labels("servicio_ml_prediction_log_pending", **TARGET): "20000+0x5 100+0x200"},
    ),
    fires("StreamLagging", "thousands wait", told("servicio_ml_stream_lag", 5_000), MODEL),
    silent("StreamLagging", "some wait", told("servicio_ml_stream_lag", 500)),
    fires("ModelLoadFailing", "again and again", unloaded("0+1x200"), MODEL),
    silent("ModelLoadFailing", "long ago", unloaded("0+1x5 5+0x200")),
)  # fmt: skip


def step(name: str, *, failures: str = "", succeeded: str = "") -> dict[str, str]:
    """A pipeline step of a use case: its failures, and the time of its last success."""
    names = {"step": name, "use_case": "rain", **STATSD}
    series = {labels("up", **STATSD): always(1)}
    if failures:
        series[labels("servicio_ml_pipeline_runs_total", **names, outcome="failure")] = failures
    if succeeded:
        series[labels("servicio_ml_pipeline_success_timestamp_seconds", **names)] = succeeded
    return series


def decisions(rejected: str, promoted: str) -> dict[str, str]:
    metric, names = "servicio_ml_promotions_total", {"use_case": "rain", **STATSD}
    return {
        labels("up", **STATSD): always(1),
        labels(metric, **names, decision="rejected"): rejected,
        labels(metric, **names, decision="promoted"): promoted,
    }


def steps(name: str, title: str, late: float) -> tuple[Case, ...]:
    """What the three steps have in common; `late` in days."""
    mine = {"step": name, "use_case": "rain", **MODEL}
    failure, day = "_x10 1+0x200", 86400
    failed, too_late = f"{title}Failed", f"{title}Late"

    def succeeded(values: str, failures: str = "") -> dict[str, str]:
        return step(name, failures=failures, succeeded=values)

    overdue = -late * day - 1
    after = {"at": "60m"}
    return (
        fires(failed, "the first run", step(name, failures=failure), mine, **after),
        fires(failed, "the latest run", succeeded(always(-day), failure), mine, **after),
        fires(failed, "the exporter starts anew", step(name, failures="_x10 1+0x10"), mine, **after),
        silent(failed, "the retry succeeds", succeeded("_x20 1200+0x200", failure), **after),
        silent(failed, "the retry succeeds at once", succeeded("_x10 595+0x200", failure), **after),
        silent(failed, "no failure", succeeded(always(0)), **after),
        fires(too_late, "long ago", succeeded(always(overdue)), mine, **after),
        fires(too_late, "the exporter starts anew", succeeded(f"{overdue}+0x10"), mine, **after),
        silent(too_late, "lately", succeeded(always(-(late - 1) * day)), **after),
        silent(too_late, "it never ran", step(name, failures=failure), **after),
        silent(too_late, "given up", succeeded(always(-91 * day)), **after),
    )


RAIN = {"use_case": "rain", **MODEL}
PIPELINES = (
    *steps("etl", "Etl", 35),
    *steps("train", "Training", 35),
    *steps("report", "DriftReport", 2),
    fires("PromotionsRejected", "three times", decisions("0 1 1 2 2 3+0x200", "0+0x200"), RAIN),
    fires("PromotionsRejected", "from the first on", decisions("_ 1 1 2 2 3+0x200", "_"), RAIN),
    fires("PromotionsRejected", "after a promotion", decisions("2 2 3 4 5+0x200", "0 1 1 1+0x200"), RAIN),
    fires("PromotionsRejected", "the exporter starts anew", decisions("0 1 2 _x9 1+0x200", "0 0 0"), RAIN),
    silent("PromotionsRejected", "twice", decisions("0 1 1 2+0x200", "0+0x200")),
    silent("PromotionsRejected", "a promotion in between", decisions("0 1 2 2 3+0x200", "0 0 0 1+0x200")),
)  # fmt: skip

CASES = (*DRIFT, *MODELS, *SERVICE, *PIPELINES)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.alert}: {case.why}")
def test_an_alert(case: Case, tmp_path: Path) -> None:
    alert = ALERTS[case.alert]
    wanted = needed(case)
    state = {"alertname": alert.name, "alertstate": "firing"}
    common = {**state, "severity": alert.severity, "cause": alert.cause}
    query = labels("ALERTS", **state) + ' unless ALERTS{window=~"7d|30d"}'
    samples = {labels("ALERTS", **common, **each): 1.0 for each in case.firing}
    expected = Expected(query=query, at=case.at, samples=samples)
    assert run(wanted, case.series, [expected], tmp_path) == ""


def needed(case: Case) -> list[Group]:
    """The alert's group, with the one whose records it reads."""
    found = {each.name: each for each in groups(case.step)}
    group = found[GROUPS[case.alert]]
    return [found["drift"], group] if group.name == "models" else [group]


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_has_cases_of_both_kinds(name: str) -> None:
    mine = [case for case in CASES if case.alert == name]
    assert any(case.firing for case in mine), "none in which it fires"
    assert any(not case.firing for case in mine), "none in which it is silent"


@pytest.mark.parametrize("name", ALERTS)
def test_the_words_of_an_alert_name_labels_that_it_has(name: str) -> None:
    alert = ALERTS[name]
    text = "".join(alert.document()["annotations"].values())
    used = set(re.findall(r"\$labels\.(\w+)", text))
    given = [
        set(each) | {"severity", "cause"} for case in CASES if case.alert == name for each in case.firing
    ]
    # a field that the model does not know has no name of a feature
    assert all(used - {"feature"} <= each for each in given)


def test_every_alert_of_a_model_bears_its_name() -> None:
    without = {case.alert for case in CASES for each in case.firing if "model" not in each}
    assert without == {
        "ServerDown", "ErrorBudgetBurn", "ErrorBudgetBurnSlow", "LatencyBudgetBurn", "LatencyBudgetBurnSlow",
        "PredictionLogBacklog",
    }  # fmt: skip


def test_pages_are_about_what_a_prediction_is_worth() -> None:
    assert {alert.name for alert in ALERTS.values() if alert.severity == "page"} == {
        "ServerDown", "ModelNotReady", "ErrorBudgetBurn", "LatencyBudgetBurn", "PredictionsLost",
        "PerformanceLow", "ExpectedPerformanceLow",
    }  # fmt: skip
