"""Alerts about segments."""

from collections.abc import Iterator, Sequence

import monitoring.thresholds as limits
from monitoring.promql import SEGMENT, VERSION, filter_champions
from monitoring.rule import AlertRule, multiply_duration

WAIT_STEPS = 3
WINDOWED = f"{SEGMENT}, window"
LIMIT_TEXT = (
    "{{ with printf \"max(servicio_ml_segment_reference_loss{model='%s', version='%s', segment='%s', "
    "value='%s'})\" $labels.model $labels.version $labels.segment $labels.value | query }}"
    '{{ . | first | value | printf "%.3g" }}{{ end }}'
)
"""Loss on unseen rows, which Prometheus queries."""


def build_alerts(step: str, windows: Sequence[str]) -> Iterator[AlertRule]:
    """Build the alerts for these windows."""
    wanted = f'window=~"{"|".join(windows)}"'
    loss, found = f"segment:loss_realised:value{{{wanted}}}", f"segment:loss:deviations{{{wanted}}}"
    chance = f"on ({VERSION}) group_left () max by ({VERSION}) (servicio_ml_segment_deviations)"
    practical = f"on ({SEGMENT}) group_left () max by ({SEGMENT}) (servicio_ml_segment_loss_limit)"
    yield AlertRule(
        name="SegmentPerformanceLow",
        expr=filter_champions(
            f"({loss} > {practical}) and on ({WINDOWED}) ({found} > {chance}) "
            f"and on ({WINDOWED}) segment:labels:rows{{{wanted}}} >= {limits.MIN_SEGMENT_ROWS}"
        ),
        wait=multiply_duration(step, WAIT_STEPS),
        severity="ticket",
        cause="performance",
        summary="Model `{{ $labels.model }}`: it fails where {{ $labels.segment }} is {{ $labels.value }}",
        description="Model `{{ $labels.model }}` v{{ $labels.version }}, rows whose {{ $labels.segment }} is "
        "{{ $labels.value }}: by the ground truth of {{ $labels.window }} the error rate (of classes) or the "
        'mean absolute error (of numbers) is {{ $value | printf "%.3g" }}; on unseen rows it was '
        f"{LIMIT_TEXT}. See the runbook.",
    )
