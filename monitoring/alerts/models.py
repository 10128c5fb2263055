"""Alerts about a model's worth: its performance, its labels, its age, its retraining."""

from collections.abc import Iterator, Sequence

import monitoring.thresholds as limits
from monitoring.promql import DESIGN_EFFECT, VERSION, of_champions, ratio, total
from monitoring.rule import Alert, times

WAIT_STEPS = 3
DAY_SECONDS = 86400
WINDOWED = f"{VERSION}, window"


def alerts(step: str, windows: Sequence[str]) -> Iterator[Alert]:
    """All of them, over these windows."""
    wait, wanted = times(step, WAIT_STEPS), f'window=~"{"|".join(windows)}"'
    yield _realised(wait, wanted)
    yield _expected(wait, wanted)
    yield _coverage(wait, step)
    yield from _governed(wait)


def _realised(wait: str, wanted: str) -> Alert:
    rows = f"model:labels:rows{{{wanted}}}"
    found = (
        _accuracy("realised", rows, wanted),
        _f1("realised", wanted),
        _named(
            f"model:mae_realised:value{{{wanted}}} > on ({WINDOWED}) {_limit('mae', wanted)} "
            f"and on ({WINDOWED}) {rows} >= {limits.LEAST_ROWS}",
            "mae",
        ),
    )
    return Alert(
        name="PerformanceLow",
        expr=of_champions(" or ".join(found)),
        wait=wait,
        severity="page",
        cause="performance",
        summary="{{ $labels.model }} is worse than it may be",
        description="By the labels of {{ $labels.window }}, {{ $labels.metric }} of version "
        '{{ $labels.version }} is {{ $value | printf "%.3g" }}, beyond its limit.',
    )


def _expected(wait: str, wanted: str) -> Alert:
    rows = f"sum by ({WINDOWED}) (cell:expected:count{{{wanted}}})"
    found = (_accuracy("expected", rows, wanted), _f1("expected", wanted))
    return Alert(
        name="ExpectedPerformanceLow",
        expr=of_champions(" or ".join(found)),
        wait=wait,
        severity="page",
        cause="performance",
        summary="{{ $labels.model }} is expected to be worse than it may be",
        description="By its own probabilities, {{ $labels.metric }} of version {{ $labels.version }} over "
        '{{ $labels.window }} is {{ $value | printf "%.3g" }}, beyond its limit.',
    )


def _accuracy(kind: str, rows: str, wanted: str) -> str:
    limit = _limit("accuracy", wanted)
    deviation = f"sqrt({limit} * (1 - {limit}) / on ({WINDOWED}) {rows} * {DESIGN_EFFECT})"
    return _named(
        f"model:accuracy_{kind}:ratio{{{wanted}}} < on ({WINDOWED}) "
        f"({limit} - {limits.CONFIDENCE_DEVIATIONS} * {deviation}) "
        f"and on ({WINDOWED}) {rows} >= {limits.LEAST_ROWS}",
        "accuracy",
    )


def _f1(kind: str, wanted: str) -> str:
    rarest = f"min by ({WINDOWED}) (class:{kind}:rows{{{wanted}}})"
    return _named(
        f"model:f1_macro_{kind}:ratio{{{wanted}}} < on ({WINDOWED}) {_limit('f1_macro', wanted)} "
        f"and on ({WINDOWED}) {rarest} >= {limits.LEAST_ROWS}",
        "f1_macro",
    )


def _limit(metric: str, wanted: str) -> str:
    return f'sum by ({WINDOWED}) (model:performance_limit:value{{metric="{metric}", {wanted}}})'


def _named(expression: str, metric: str) -> str:
    return f'label_replace({expression}, "metric", "{metric}", "", "")'


def _coverage(wait: str, step: str) -> Alert:
    window = limits.COVERAGE_WINDOW

    def rows(before: str = "") -> str:
        return f"sum by (model) ({total('season:observations:increase5m', window, step, before)})"

    def coverage(before: str = "") -> str:
        earlier = f" offset {before}" if before else ""
        labels = f'sum by (model) (model:labels:rows{{window="{window}"}}{earlier})'
        return ratio(labels, rows(before))

    usual = f"(({coverage(window)}) >= {limits.COVERAGE_USUAL})"
    return Alert(
        name="LabelCoverageLow",
        expr=f"({coverage()}) < {limits.COVERAGE_LOSS} * {usual} "
        f"and {rows()} >= {limits.LEAST_ROWS} and {rows(window)} >= {limits.LEAST_ROWS}",
        wait=wait,
        severity="ticket",
        cause="labels",
        summary="Labels of {{ $labels.model }} no longer come",
        description=f"{{{{ $value | humanizePercentage }}}} of the rows of {window} have a label, less than "
        f"half of what the {window} before had.",
    )


def _governed(wait: str) -> Iterator[Alert]:
    stale = limits.STALE_DAYS * DAY_SECONDS
    yield Alert(
        name="ChampionStale",
        expr=f"time() - max by ({VERSION}) (servicio_ml_champion_registered_timestamp_seconds) > {stale}",
        wait=wait,
        severity="ticket",
        cause="governance",
        summary="The champion of {{ $labels.model }} is old",
        description="Version {{ $labels.version }} was registered {{ $value | humanizeDuration }} ago.",
    )
    yield Alert(
        name="ModelQuarantined",
        expr="max by (model) (servicio_ml_quarantined) == 1",
        wait="0s",
        severity="ticket",
        cause="governance",
        summary="{{ $labels.model }} is not retrained: its rows are not to be trusted",
        description="A sensor or schema break was told of; its cause has to be mended first.",
    )
    yield Alert(
        name="RetrainingBudgetSpent",
        expr="min by (model) (servicio_ml_retraining_budget_remaining) <= 0",
        wait="0s",
        severity="ticket",
        cause="governance",
        summary="{{ $labels.model }} has been retrained as often as it may be",
        description="Alerts start no more retrainings of it until the oldest is 30 days old.",
    )
