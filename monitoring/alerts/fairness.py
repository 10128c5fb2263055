"""Alert about protected attributes whose groups are treated differently."""

from collections.abc import Iterator, Sequence

import monitoring.thresholds as limits
from monitoring.promql import filter_champions
from monitoring.rule import AlertRule, multiply_duration

WAIT_STEPS = 3
FIGURE = "model, version, segment, figure"
WINDOWED = f"{FIGURE}, window"


def build_alerts(step: str, windows: Sequence[str]) -> Iterator[AlertRule]:
    """Build the alert for these windows.

    The lower end of the highest rate is compared with the upper end of the lowest: each is exceeded by chance
    in one of a thousand windows, whatever the size of the group.
    """
    wanted = f'window=~"{"|".join(windows)}"'
    known = f"segment:rate:rows{{{wanted}}} >= {limits.MIN_ROWS}"
    lower_end, upper_end, maximum, minimum = (
        f"{side} by ({WINDOWED}) (segment:rate:{end}{{{wanted}}} and {known})"
        for side, end in (("max", "lower"), ("min", "upper"), ("max", "ratio"), ("min", "ratio"))
    )
    limit = f"on ({FIGURE}) group_left () max by ({FIGURE}) (servicio_ml_fairness_limit)"
    yield AlertRule(
        name="FairnessLimitBroken",
        expr=filter_champions(
            f"(({maximum}) - ({minimum})) and on ({WINDOWED}) (({lower_end}) - ({upper_end}) > {limit})"
        ),
        wait=multiply_duration(step, WAIT_STEPS),
        severity="ticket",
        cause="fairness",
        summary="Model `{{ $labels.model }}`: groups of {{ $labels.segment }} differ in {{ $labels.figure }}",
        description="Model `{{ $labels.model }}` v{{ $labels.version }}: over {{ $labels.window }} the "
        "{{ $labels.figure }} of two groups of {{ $labels.segment }} differs by "
        '{{ $value | printf "%.3g" }}, and by more than the limit of the promotion policy beyond chance. '
        "See the runbook.",
    )
