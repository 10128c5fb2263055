"""Alerts about a model's performance, ground truth, age and retraining."""

from collections.abc import Iterator, Sequence

import monitoring.thresholds as limits
from monitoring.promql import DESIGN_EFFECT, VERSION, compute_ratio, filter_champions, sum_over_window
from monitoring.rule import AlertRule, multiply_duration

WAIT_STEPS = 3
DAY_SECONDS = 86400
WINDOWED = f"{VERSION}, window"
LIMIT_TEXT = (
    "{{ range printf \"model:performance_limit:value{model='%s', version='%s', window='%s', metric='%s'}\" "
    "$labels.model $labels.version $labels.window $labels.metric | query }}"
    ' of {{ . | value | printf "%.3g" }}{{ end }}'
)
"""Limit of the alert's metric: the alert's own value is the metric, so Prometheus queries the limit."""


def build_alerts(step: str, windows: Sequence[str]) -> Iterator[AlertRule]:
    """Build the alerts for these windows."""
    wait, wanted = multiply_duration(step, WAIT_STEPS), f'window=~"{"|".join(windows)}"'
    yield _build_realised_alert(wait, wanted)
    yield _build_expected_alert(wait, wanted)
    yield _build_coverage_alert(wait, step)
    yield _build_interval_alert(wait, wanted)
    yield from _build_governance_alerts(wait)


def _build_realised_alert(wait: str, wanted: str) -> AlertRule:
    rows = f"model:labels:rows{{{wanted}}}"
    found = (
        _compare_accuracy("realised", rows, wanted),
        _compare_f1("realised", wanted),
        _compare_error("realised", rows, wanted),
    )
    return AlertRule(
        name="PerformanceLow",
        expr=filter_champions(" or ".join(found)),
        wait=wait,
        severity="page",
        cause="performance",
        summary="Model `{{ $labels.model }}`: {{ $labels.metric }} violates its limit",
        description="Model `{{ $labels.model }}` v{{ $labels.version }}: {{ $labels.metric }} is "
        '{{ $value | printf "%.3g" }} by the ground truth of {{ $labels.window }} and violates its limit'
        f"{LIMIT_TEXT}. See the runbook.",
    )


def _build_expected_alert(wait: str, wanted: str) -> AlertRule:
    rows = f"sum by ({WINDOWED}) (cell:expected:count{{{wanted}}})"
    errors = f"sum by ({WINDOWED}) (model:errors_expected:rows{{{wanted}}})"
    found = (
        _compare_accuracy("expected", rows, wanted),
        _compare_f1("expected", wanted),
        _compare_error("expected", errors, wanted),
    )
    return AlertRule(
        name="ExpectedPerformanceLow",
        expr=filter_champions(" or ".join(found)),
        wait=wait,
        severity="page",
        cause="performance",
        summary="Model `{{ $labels.model }}`: expected {{ $labels.metric }} violates its limit",
        description="Model `{{ $labels.model }}` v{{ $labels.version }}: expected {{ $labels.metric }} is "
        '{{ $value | printf "%.3g" }} over {{ $labels.window }}, before ground truth is known, and violates '
        f"its limit{LIMIT_TEXT}. See the runbook.",
    )


def _compare_accuracy(kind: str, rows: str, wanted: str) -> str:
    limit = _select_limit("accuracy", wanted)
    deviation = f"sqrt({limit} * (1 - {limit}) / on ({WINDOWED}) {rows} * {DESIGN_EFFECT})"
    return _add_metric_label(
        f"model:accuracy_{kind}:ratio{{{wanted}}} < on ({WINDOWED}) "
        f"({limit} - {limits.CONFIDENCE_DEVIATIONS} * {deviation}) "
        f"and on ({WINDOWED}) {rows} >= {limits.MIN_ROWS}",
        "accuracy",
    )


def _compare_f1(kind: str, wanted: str) -> str:
    rarest = f"min by ({WINDOWED}) (class:{kind}:rows{{{wanted}}})"
    chance = _compute_chance(f"model:f1_macro_{kind}:variance", wanted)
    return _add_metric_label(
        f"model:f1_macro_{kind}:ratio{{{wanted}}} < on ({WINDOWED}) "
        f"({_select_limit('f1_macro', wanted)} - on ({WINDOWED}) {chance}) "
        f"and on ({WINDOWED}) {rarest} >= {limits.MIN_ROWS}",
        "f1_macro",
    )


def _compare_error(kind: str, rows: str, wanted: str) -> str:
    chance = _compute_chance(f"model:mae_{kind}:variance", wanted)
    return _add_metric_label(
        f"model:mae_{kind}:value{{{wanted}}} > on ({WINDOWED}) "
        f"({_select_limit('mae', wanted)} + on ({WINDOWED}) {chance}) "
        f"and on ({WINDOWED}) {rows} >= {limits.MIN_ROWS}",
        "mae",
    )


def _compute_chance(variance: str, wanted: str) -> str:
    """Compute how far a metric may be beyond its limit by chance."""
    return f"{limits.CONFIDENCE_DEVIATIONS} * sqrt({variance}{{{wanted}}} * {DESIGN_EFFECT})"


def _select_limit(metric: str, wanted: str) -> str:
    return f'sum by ({WINDOWED}) (model:performance_limit:value{{metric="{metric}", {wanted}}})'


def _add_metric_label(expression: str, metric: str) -> str:
    return f'label_replace({expression}, "metric", "{metric}", "", "")'


def _build_coverage_alert(wait: str, step: str) -> AlertRule:
    window = limits.COVERAGE_WINDOW

    def sum_rows(before: str = "") -> str:
        return f"sum by (model) ({sum_over_window('season:observations:increase5m', window, step, before)})"

    def divide_labels(before: str = "") -> str:
        earlier = f" offset {before}" if before else ""
        labels = f'sum by (model) (model:labels:rows{{window="{window}"}}{earlier})'
        return compute_ratio(labels, sum_rows(before))

    usual = f"(({divide_labels(window)}) >= {limits.COVERAGE_USUAL})"
    return AlertRule(
        name="LabelCoverageLow",
        expr=f"({divide_labels()}) < {limits.COVERAGE_LOSS} * {usual} "
        f"and {sum_rows()} >= {limits.MIN_ROWS} and {sum_rows(window)} >= {limits.MIN_ROWS}",
        wait=wait,
        severity="ticket",
        cause="labels",
        summary="Model `{{ $labels.model }}`: ground truth arrives for fewer rows",
        description=f"Model `{{{{ $labels.model }}}}`: {{{{ $value | humanizePercentage }}}} of the rows of "
        f"{window} have ground truth, less than {limits.COVERAGE_LOSS:.0%} of the share of the {window} "
        "before. Check its source; see the runbook.",
    )


def _build_interval_alert(wait: str, wanted: str) -> AlertRule:
    rows, realised, expected = (
        f"model:{name}{{{wanted}}}"
        for name in ("intervals:rows", "interval_coverage:ratio", "interval_coverage_expected:ratio")
    )
    # a share of independent rows is binomial; intervals that are too wide are as wrong as narrow ones
    chance = f"sqrt({expected} * (1 - {expected}) / on ({WINDOWED}) {rows} * {DESIGN_EFFECT})"
    bound = f"clamp_min({limits.CONFIDENCE_DEVIATIONS} * {chance}, {limits.INTERVAL_DEVIATION})"
    return AlertRule(
        name="IntervalCoverageWrong",
        expr=filter_champions(
            f"{realised} and on ({WINDOWED}) abs({realised} - on ({WINDOWED}) {expected}) > on ({WINDOWED}) "
            f"{bound} and on ({WINDOWED}) {rows} >= {limits.MIN_ROWS}"
        ),
        wait=wait,
        severity="ticket",
        cause="performance",
        summary="Model `{{ $labels.model }}`: its intervals do not cover as often as they say",
        description="Model `{{ $labels.model }}` v{{ $labels.version }}: by the ground truth of "
        "{{ $labels.window }}, intervals or sets of 90 % hold {{ $value | humanizePercentage }} of the "
        "truths; those of its calibration rows held a share from which this is further than chance. See the "
        "runbook.",
    )


def _build_governance_alerts(wait: str) -> Iterator[AlertRule]:
    stale = limits.STALE_DAYS * DAY_SECONDS
    yield AlertRule(
        name="ChampionStale",
        expr=f"time() - max by ({VERSION}) (servicio_ml_champion_registered_timestamp_seconds) > {stale}",
        wait=wait,
        severity="ticket",
        cause="governance",
        summary="Model `{{ $labels.model }}`: the champion is stale",
        description="Model `{{ $labels.model }}` v{{ $labels.version }} was registered "
        f"{{{{ $value | humanizeDuration }}}} ago; the limit is {limits.STALE_DAYS} days. Retrain it; see "
        "the runbook.",
    )
    yield AlertRule(
        name="ModelQuarantined",
        expr="max by (model) (servicio_ml_quarantined) == 1",
        wait="0s",
        severity="ticket",
        cause="governance",
        summary="Model `{{ $labels.model }}` is in quarantine and is not retrained",
        description="A sensor or schema alert of `{{ $labels.model }}` says that its rows are unreliable. "
        "Remove the cause, then end the quarantine; see the runbook.",
    )
    yield AlertRule(
        name="RetrainingRejected",
        expr="time() - max by (model) (servicio_ml_retraining_rejected_timestamp_seconds)"
        f" < {limits.REJECTED_SHOWN_SECONDS}",
        wait="0s",
        severity="ticket",
        cause="governance",
        summary="Model `{{ $labels.model }}`: a retraining did not help",
        description="The challenger of a retraining that alerts have started was rejected: the champion of "
        "`{{ $labels.model }}` stays. See the runbook.",
    )
    yield AlertRule(
        name="RetrainingBudgetSpent",
        expr="min by (model) (servicio_ml_retraining_budget_remaining) <= 0",
        wait="0s",
        severity="ticket",
        cause="governance",
        summary="Model `{{ $labels.model }}`: the retraining budget is spent",
        description="Alerts start no retraining of `{{ $labels.model }}` until the oldest one is 30 days "
        "old. See the runbook.",
    )
