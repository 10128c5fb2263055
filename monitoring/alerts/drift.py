"""Alerts about the rows: drift, missing values and rejected values."""

from collections.abc import Iterator, Sequence

import monitoring.thresholds as limits
from monitoring.promql import DESIGN_EFFECT, VERSION, filter_champions
from monitoring.rule import AlertRule, multiply_duration

WAIT_STEPS = 3
REJECTED = f'feature:rejected:count{{window="{limits.REJECTED_WINDOW}"'


def build_alerts(step: str, windows: Sequence[str]) -> Iterator[AlertRule]:
    """Build the alerts for these windows."""
    wait, wanted = multiply_duration(step, WAIT_STEPS), f'window=~"{"|".join(windows)}"'
    yield from _build_drift_alerts(wait, wanted)
    yield _build_missing_alert(wait, wanted)
    yield from _build_rejection_alerts(wait)


def _build_drift_alerts(wait: str, wanted: str) -> Iterator[AlertRule]:
    shifted = f"feature:psi:index{{%s, {wanted}}} >= feature:psi_threshold:index"
    yield AlertRule(
        name="FeatureDrift",
        expr=_require_rows(shifted % 'feature!="prediction"', wanted),
        wait=wait,
        severity="ticket",
        cause="drift",
        summary="Model `{{ $labels.model }}`: feature `{{ $labels.feature }}` has drifted",
        description="Model `{{ $labels.model }}` v{{ $labels.version }}: "
        "the population stability index (PSI) of "
        '`{{ $labels.feature }}` is {{ $value | printf "%.3g" }} over {{ $labels.window }} and exceeds its '
        "threshold for this number of rows. See the runbook.",
    )
    yield AlertRule(
        name="PredictionDrift",
        expr=_require_rows(shifted % 'feature="prediction"', wanted),
        wait=wait,
        severity="ticket",
        cause="drift",
        summary="Model `{{ $labels.model }}`: the predictions have drifted",
        description="Model `{{ $labels.model }}` v{{ $labels.version }}: "
        "the population stability index (PSI) of "
        'the predictions is {{ $value | printf "%.3g" }} over {{ $labels.window }} and exceeds its threshold '
        "for this number of rows. See the runbook.",
    )
    yield AlertRule(
        name="DataDrift",
        expr=_require_rows(f"model:drifted_features:ratio{{{wanted}}} >= {limits.DRIFTED_SHARE}", wanted),
        wait=wait,
        severity="ticket",
        cause="drift",
        summary="Model `{{ $labels.model }}`: many features have drifted",
        description="Model `{{ $labels.model }}` v{{ $labels.version }}: {{ $value | humanizePercentage }} "
        "of its features have drifted over {{ $labels.window }}; the limit is "
        f"{limits.DRIFTED_SHARE:.0%}. See the runbook.",
    )


def _build_missing_alert(wait: str, wanted: str) -> AlertRule:
    then = f"feature:missing_reference:ratio{{{wanted}}}"
    noise = f"1 / model:observations:rows{{{wanted}}} + model:reference_uncertainty:ratio"
    deviation = (
        f"sqrt({then} * (1 - {then}) * on ({VERSION}, window) group_left () ({noise}) * {DESIGN_EFFECT})"
    )
    excess = f'(feature:missing:ratio{{{wanted}, feature!="prediction"}} - {then})'
    return AlertRule(
        name="MissingValues",
        expr=_require_rows(
            f"({excess} > {limits.MISSING_EXCESS}) > {limits.MISSING_DEVIATIONS} * {deviation}", wanted
        ),
        wait=wait,
        severity="ticket",
        cause="sensor",
        summary="Model `{{ $labels.model }}`: feature `{{ $labels.feature }}` is missing more often",
        description="Model `{{ $labels.model }}` v{{ $labels.version }}: the share of rows without "
        "`{{ $labels.feature }}` over {{ $labels.window }} exceeds that of the training rows of the same "
        f"season by {{{{ $value | humanizePercentage }}}}; the limit is {limits.MISSING_EXCESS:.0%}. "
        "Check its source; see the runbook.",
    )


def _build_rejection_alerts(wait: str) -> Iterator[AlertRule]:
    rows = f'sum by (model) (model:observations:rows{{window="{limits.REJECTED_WINDOW}"}})'
    refused = f"sum by (model) ({REJECTED}}})"
    came = f"(({rows} or 0 * {refused}) + {refused})"

    def compare_rejections(reason: str) -> str:
        share = f"{REJECTED}, {reason}}} / on (model) group_left () {came} >= {limits.REJECTED_SHARE}"
        return f"({share}) and ({REJECTED}}} >= {limits.REJECTED_VALUES})"

    period = f"over {limits.REJECTED_WINDOW}"
    limit = f"the limit is {limits.REJECTED_SHARE:.0%}"
    yield AlertRule(
        name="UnseenLevels",
        expr=compare_rejections('reason="level"'),
        wait=wait,
        severity="ticket",
        cause="schema",
        summary="Model `{{ $labels.model }}`: feature `{{ $labels.feature }}` has unknown levels",
        description="Model `{{ $labels.model }}` rejected {{ $value | humanizePercentage }} of the rows "
        f"{period} because it does not know their level of `{{{{ $labels.feature }}}}`; {limit}. "
        "See the runbook.",
    )
    yield AlertRule(
        name="RejectedValues",
        expr=compare_rejections('reason!="level"'),
        wait=wait,
        severity="ticket",
        cause="schema",
        summary="Model `{{ $labels.model }}`: values of `{{ $labels.feature }}` violate the schema",
        description="Model `{{ $labels.model }}` rejected {{ $value | humanizePercentage }} of the rows "
        f"{period} because of `{{{{ $labels.feature }}}}` (reason: {{{{ $labels.reason }}}}); {limit}. "
        "See the runbook.",
    )


def _require_rows(expression: str, wanted: str) -> str:
    """Restrict an expression to champions with enough rows in the window."""
    rows = f"model:observations:rows{{{wanted}}} >= {limits.MIN_ROWS}"
    return f"{filter_champions(expression)} and on ({VERSION}, window) ({rows})"
