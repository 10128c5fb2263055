"""Alerts about the rows: shifted, missing, or refused."""

from collections.abc import Iterator, Sequence

import monitoring.thresholds as limits
from monitoring.promql import DESIGN_EFFECT, VERSION, of_champions
from monitoring.rule import Alert, times

WAIT_STEPS = 3
REJECTED = f'feature:rejected:count{{window="{limits.REJECTED_WINDOW}"'


def alerts(step: str, windows: Sequence[str]) -> Iterator[Alert]:
    """All of them, over these windows."""
    wait, wanted = times(step, WAIT_STEPS), f'window=~"{"|".join(windows)}"'
    yield from _shifts(wait, wanted)
    yield _missing(wait, wanted)
    yield from _refused(wait)


def _shifts(wait: str, wanted: str) -> Iterator[Alert]:
    shifted = f"feature:psi:index{{%s, {wanted}}} >= feature:psi_threshold:index"
    yield Alert(
        name="FeatureDrift",
        expr=_enough(shifted % 'feature!="prediction"', wanted),
        wait=wait,
        severity="ticket",
        cause="drift",
        summary="{{ $labels.feature }} of {{ $labels.model }} has drifted",
        description="The stability index of {{ $labels.feature }} over {{ $labels.window }} is "
        '{{ $value | printf "%.3g" }}, beyond its threshold for that many rows '
        "(version {{ $labels.version }}).",
    )
    yield Alert(
        name="PredictionDrift",
        expr=_enough(shifted % 'feature="prediction"', wanted),
        wait=wait,
        severity="ticket",
        cause="drift",
        summary="The predictions of {{ $labels.model }} have drifted",
        description='Their stability index over {{ $labels.window }} is {{ $value | printf "%.3g" }}, '
        "beyond its threshold for that many rows (version {{ $labels.version }}).",
    )
    yield Alert(
        name="DataDrift",
        expr=_enough(f"model:drifted_features:ratio{{{wanted}}} >= {limits.DRIFTED_SHARE}", wanted),
        wait=wait,
        severity="ticket",
        cause="drift",
        summary="Many features of {{ $labels.model }} have drifted",
        description="{{ $value | humanizePercentage }} of the features have drifted over "
        "{{ $labels.window }} (version {{ $labels.version }}).",
    )


def _missing(wait: str, wanted: str) -> Alert:
    then = f"feature:missing_reference:ratio{{{wanted}}}"
    noise = f"1 / model:observations:rows{{{wanted}}} + model:reference_uncertainty:ratio"
    deviation = (
        f"sqrt({then} * (1 - {then}) * on ({VERSION}, window) group_left () ({noise}) * {DESIGN_EFFECT})"
    )
    excess = f'(feature:missing:ratio{{{wanted}, feature!="prediction"}} - {then})'
    return Alert(
        name="MissingValues",
        expr=_enough(
            f"({excess} > {limits.MISSING_EXCESS}) > {limits.MISSING_DEVIATIONS} * {deviation}", wanted
        ),
        wait=wait,
        severity="ticket",
        cause="sensor",
        summary="{{ $labels.feature }} of {{ $labels.model }} is missing more often",
        description="Over {{ $labels.window }} it is missing in {{ $value | humanizePercentage }} more "
        "of the rows than in training rows of the same season (version {{ $labels.version }}).",
    )


def _refused(wait: str) -> Iterator[Alert]:
    rows = f'sum by (model) (model:observations:rows{{window="{limits.REJECTED_WINDOW}"}})'
    refused = f"sum by (model) ({REJECTED}}})"
    came = f"(({rows} or 0 * {refused}) + {refused})"

    def often(reason: str) -> str:
        share = f"{REJECTED}, {reason}}} / on (model) group_left () {came} >= {limits.REJECTED_SHARE}"
        return f"({share}) and ({REJECTED}}} >= {limits.REJECTED_VALUES})"

    told = f"of the values that came in {limits.REJECTED_WINDOW}"
    yield Alert(
        name="UnseenLevels",
        expr=often('reason="level"'),
        wait=wait,
        severity="ticket",
        cause="schema",
        summary="{{ $labels.feature }} of {{ $labels.model }} comes with unknown levels",
        description=f"{{{{ $value | humanizePercentage }}}} {told} were refused: their level of "
        "{{ $labels.feature }} is none that the model knows.",
    )
    yield Alert(
        name="RejectedValues",
        expr=often('reason!="level"'),
        wait=wait,
        severity="ticket",
        cause="schema",
        summary="Requests to {{ $labels.model }} do not fit its schema",
        description=f"{{{{ $value | humanizePercentage }}}} {told} were refused: {{{{ $labels.feature }}}} "
        "{{ $labels.reason }}.",
    )


def _enough(expression: str, wanted: str) -> str:
    """Those about a champion with enough rows in the window."""
    rows = f"model:observations:rows{{{wanted}}} >= {limits.LEAST_ROWS}"
    return f"{of_champions(expression)} and on ({VERSION}, window) ({rows})"
