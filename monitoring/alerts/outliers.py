"""Alert about rows that are unlike the training rows."""

from collections.abc import Iterator, Sequence

import monitoring.thresholds as limits
from monitoring.promql import DESIGN_EFFECT, VERSION, filter_champions
from monitoring.rule import AlertRule, multiply_duration, parse_milliseconds

WAIT_STEPS = 3
EXPECTED = f"max by ({VERSION}) (servicio_ml_outlier_expected_ratio)"


def build_alerts(step: str, windows: Sequence[str]) -> Iterator[AlertRule]:
    """Build the alert for all windows but the longest, which is what they are compared with."""
    usual = max(windows, key=parse_milliseconds)
    found = [_compare_share(window, usual) for window in windows if window != usual]
    if not found:
        return
    yield AlertRule(
        name="OutlierShareHigh",
        expr=filter_champions(" or ".join(found)),
        wait=multiply_duration(step, WAIT_STEPS),
        severity="ticket",
        cause="outliers",
        summary="Model `{{ $labels.model }}`: more rows than usual are outliers",
        description="Model `{{ $labels.model }}` v{{ $labels.version }}: {{ $value | humanizePercentage }} "
        "of the rows of {{ $labels.window }} are unlike the training rows, more than of those before and "
        "of the training rows. See the runbook.",
    )


def _compare_share(window: str, usual: str) -> str:
    """Compare the share of a window with what was usual before it: a share that stays high is no jump."""
    share, rows, before = (
        f'model:{name}{{window="{length}"}}{offset}'
        for name, length, offset in (
            ("outliers:ratio", window, ""),
            ("outlier_scores:rows", window, ""),
            ("outliers:ratio", usual, f" offset {window}"),
        )
    )
    # the greater of both: few rows before, or none, may have had no outlier
    earlier = f"max by ({VERSION}) ({before})"
    expected = f"({EXPECTED} > {earlier} or {earlier} > {EXPECTED} or {EXPECTED})"
    # a share of independent rows is binomial
    chance = f"sqrt({expected} * (1 - {expected}) / on ({VERSION}) {rows} * {DESIGN_EFFECT})"
    bound = f"clamp_min({limits.CONFIDENCE_DEVIATIONS} * {chance}, {limits.OUTLIER_EXCESS})"
    return (
        f"{share} and on ({VERSION}) ({share} - on ({VERSION}) {expected} > on ({VERSION}) {bound}) "
        f"and on ({VERSION}) {rows} >= {limits.MIN_ROWS}"
    )
