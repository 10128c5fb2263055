"""Records of drift: shares of a window's rows by bin, those of the reference, and the stability index."""

from collections.abc import Iterator, Sequence

from monitoring.promql import VERSION, compute_growth, compute_ratio, read_last_sample, sum_over_window
from monitoring.rule import RecordingRule, parse_milliseconds

from servicio_ml.domain.drift import SMOOTHING

COLUMN = f"{VERSION}, feature"
BIN = f"{COLUMN}, bin"
SEASON = f"{VERSION}, season"
COMPLETE_SHARE = 0.999
"""Minimum sum of a column's reference shares (0–1) at which all seasons of the window are known."""


def build_base_records(step: str, windows: Sequence[str]) -> Iterator[RecordingRule]:
    """Build the counts of one step, and the reference shares of seasons with rows in the longest window."""
    values = compute_growth("servicio_ml_feature_observations_total", step)
    answers = compute_growth("servicio_ml_prediction_observations_total", step)
    named = f'label_replace({answers}, "feature", "prediction", "", "")'
    yield RecordingRule(
        name="bin:observations:increase5m", expr=f"sum by ({BIN}) ({values}) or sum by ({BIN}) ({named})"
    )
    rows = compute_growth("servicio_ml_season_observations_total", step)
    yield RecordingRule(name="season:observations:increase5m", expr=f"sum by ({SEASON}) ({rows})")
    values = compute_growth("servicio_ml_rejected_values_total", step)
    yield RecordingRule(
        name="feature:rejected:increase5m", expr=f"sum by (model, feature, reason) ({values})"
    )
    used = sum_over_window("season:observations:increase5m", max(windows, key=parse_milliseconds), step)
    # a restarted server exports no share of a season before it has rows of it again
    shares = "season_bin:reference:ratio"
    yield RecordingRule(
        name=shares,
        expr=f"max by ({BIN}, season) (servicio_ml_reference_ratio) "
        f"or ({read_last_sample(shares, step)} and on ({SEASON}) ({used} > 0))",
    )


def build_window_records(window: str, step: str) -> Iterator[RecordingRule]:
    """Build the records of one window."""
    mine = f'window="{window}"'
    for name, expression in {
        **_count_rows(mine, window, step),
        **_weigh_reference(mine),
        **_compare_with_reference(mine),
    }.items():
        yield RecordingRule(name=name, expr=expression, labels={"window": window})


def _count_rows(mine: str, window: str, step: str) -> dict[str, str]:
    count = f"bin:observations:count{{{mine}}}"
    bins, rows = f"count by ({COLUMN}) ({count})", f"(sum by ({COLUMN}) ({count}) > 0)"
    missing = f'sum by ({COLUMN}) (bin:observations:count{{{mine}, bin="missing"}})'
    return {
        "bin:observations:count": sum_over_window("bin:observations:increase5m", window, step),
        "season:observations:count": sum_over_window("season:observations:increase5m", window, step),
        "feature:rejected:count": sum_over_window("feature:rejected:increase5m", window, step),
        "model:observations:rows": f"sum by ({VERSION}) (season:observations:count{{{mine}}}) > 0",
        "bin:current:ratio": f"({count} + {SMOOTHING}) / on ({COLUMN}) group_left () "
        f"({rows} + {SMOOTHING} * {bins})",
        "feature:missing:ratio": f"{missing} / {rows}",
    }


def _weigh_reference(mine: str) -> dict[str, str]:
    weight = f"season:weight:ratio{{{mine}}}"
    weighed = f"season_bin:reference:ratio * on ({SEASON}) group_left () {weight}"
    rows = f"max by ({SEASON}) (servicio_ml_reference_rows)"
    return {
        "season:weight:ratio": f"season:observations:count{{{mine}}} "
        f"/ on ({VERSION}) group_left () model:observations:rows{{{mine}}}",
        "bin:reference:ratio": f"sum by ({BIN}) ({weighed}) "
        f"and on ({COLUMN}) (sum by ({COLUMN}) ({weighed}) > {COMPLETE_SHARE})",
        "model:reference_uncertainty:ratio": f"sum by ({VERSION}) ({weight} ^ 2 / on ({SEASON}) {rows})",
        "feature:missing_reference:ratio": f"sum by ({COLUMN}) "
        f'(bin:reference:ratio{{{mine}, bin="missing"}})',
    }


def _compare_with_reference(mine: str) -> dict[str, str]:
    now, then = f"bin:current:ratio{{{mine}}}", f"bin:reference:ratio{{{mine}}}"
    count = f"bin:observations:count{{{mine}}}"
    index = f'feature:psi:index{{{mine}, feature!="prediction"}}'
    limit = f"feature:psi_threshold:index{{{mine}}}"
    quantile = f"max by ({COLUMN}) (servicio_ml_drift_quantile)"
    minimum = f"max by ({VERSION}) (servicio_ml_drift_practical_psi)"
    noise = f"(1 / model:observations:rows{{{mine}}} + model:reference_uncertainty:ratio{{{mine}}})"
    chance = f"({quantile} * on ({VERSION}) group_left () {noise})"
    practical = f"(0 * {quantile} + on ({VERSION}) group_left () {minimum})"
    return {
        # an empty bin is no sign of a surplus: smoothing alone puts it above the reference
        "feature:psi:index": f"sum by ({COLUMN}) (({now} - {then}) * ln({now} / {then}) "
        f"and on ({BIN}) ({count} > 0 or {now} < {then}))",
        "feature:psi_threshold:index": f"{chance} > {practical} or {practical} and on ({VERSION}) {noise}",
        "model:drifted_features:ratio": compute_ratio(
            f"count by ({VERSION}) ({index} >= {limit})", f"count by ({VERSION}) ({index})"
        ),
    }
