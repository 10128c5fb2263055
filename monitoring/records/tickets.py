"""Records of tickets about the rows: what is open, how large it is, and when it was last raised.

A drift or a loss of values that lasts is one ticket of its model. The ticket is raised again on the day on
which a feature joins, or reaches a level that it has not had within `TICKET_MEMORY`.
"""

from collections.abc import Iterator, Sequence
from math import log2

import monitoring.thresholds as limits
from monitoring.promql import DESIGN_EFFECT, VERSION, filter_champions
from monitoring.rule import RecordingRule, multiply_duration

COLUMN = f"{VERSION}, feature"
DRIFT, MISSING = "feature:drift_open:index", "feature:missing_open:ratio"
IMPACT = "feature:drift_open:impact"
DRIFTED_SHARE = "model:drift_open:ratio"
FEATURES, PREDICTION = 'feature!="prediction"', 'feature="prediction"'
ACKNOWLEDGED = "servicio_ml_acknowledged_psi"
TICKETS = {
    "FeatureDrift": ("feature_drift", "feature:drift_open:level", FEATURES),
    "PredictionDrift": ("prediction_drift", "feature:drift_open:level", PREDICTION),
    "MissingValues": ("missing_values", "feature:missing_open:level", FEATURES),
}
"""Name of each ticket in records, the levels that it is raised by, and the columns that it is about."""
# a date as a number, because a label can be made of a value, and must not change within a day
TODAY = "(scalar(year()) * 10000 + scalar(month()) * 100 + scalar(day_of_month()))"


def build_ticket_records(step: str, windows: Sequence[str]) -> Iterator[RecordingRule]:
    """Build the records; `windows` are those of the alerts."""
    wanted = f'window=~"{"|".join(windows)}"'
    minimum = f"on (model, version) group_left () max by ({VERSION}) (servicio_ml_drift_practical_psi)"
    importance = f"on ({COLUMN}) max by ({COLUMN}) (servicio_ml_feature_importance)"
    for name, expression in {
        # before the drift: a column that loses its values drifts too, but that is one ticket
        MISSING: f"max by ({COLUMN}) ({build_missing_excess(wanted)})",
        DRIFT: f"max by ({COLUMN}) ({build_open_drift(wanted)}) unless on ({COLUMN}) {MISSING}",
        # without importances, as in models of earlier releases, the index alone is the weight
        IMPACT: f"{DRIFT} * {importance} or {DRIFT}",
        DRIFTED_SHARE: f"max by ({VERSION}) ("
        f"count by ({VERSION}, window) ({build_open_drift(wanted, FEATURES)}) "
        f"/ count by ({VERSION}, window) (feature:psi:index{{{FEATURES}, {wanted}}}))",
        "feature:missing_open:level": compute_level(
            MISSING, f"{limits.MISSING_EXCESS}", limits.MISSING_GROWTH
        ),
        "feature:drift_open:level": compute_level(DRIFT, minimum, limits.DRIFT_GROWTH),
        **{build_raised_name(alert): _find_raised_day(alert, step) for alert in TICKETS},
    }.items():
        yield RecordingRule(name=name, expr=expression)


def build_open_drift(wanted: str, columns: str = "") -> str:
    """Select the drifted columns of the windows whose drift is not acknowledged."""
    chosen = ", ".join(filter(None, (wanted, columns)))
    drifted = f"feature:psi:index{{{chosen}}} >= feature:psi_threshold:index"
    return _omit_acknowledged(require_rows(drifted, wanted), ACKNOWLEDGED)


def build_lasting_share() -> str:
    """Select the share of drifted features that is beyond its limit, or was so and has hardly fallen.

    One feature at its threshold is enough to carry the share over its limit and back: without the hold, each
    time would be a new alert, and would ask for a retraining.
    """
    limit, hold = limits.DRIFTED_SHARE, limits.TICKET_HOLD
    held = (
        f"{DRIFTED_SHARE} >= {limits.DRIFTED_SHARE_END} and max_over_time({DRIFTED_SHARE}[{hold}]) >= {limit}"
    )
    return f"{DRIFTED_SHARE} >= {limit} or ({held})"


def build_missing_excess(wanted: str) -> str:
    """Select the excess of missing values of the windows that is significant and not acknowledged."""
    then = f"feature:missing_reference:ratio{{{wanted}}}"
    noise = f"1 / model:observations:rows{{{wanted}}} + model:reference_uncertainty:ratio"
    deviation = (
        f"sqrt({then} * (1 - {then}) * on ({VERSION}, window) group_left () ({noise}) * {DESIGN_EFFECT})"
    )
    excess = f"(feature:missing:ratio{{{wanted}, {FEATURES}}} - {then})"
    significant = f"({excess} > {limits.MISSING_EXCESS}) > {limits.MISSING_DEVIATIONS} * {deviation}"
    return _omit_acknowledged(require_rows(significant, wanted), "servicio_ml_acknowledged_missing_ratio")


def require_rows(expression: str, wanted: str) -> str:
    """Restrict an expression to champions with enough rows in the window."""
    rows = f"model:observations:rows{{{wanted}}} >= {limits.MIN_ROWS}"
    return f"{filter_champions(expression)} and on ({VERSION}, window) ({rows})"


def compute_level(size: str, minimum: str, growth: float) -> str:
    """Compute the level of a size: 1 from the minimum on, 2 from `growth` times the minimum on, and so on."""
    return f"floor(log2({size} / {minimum}) / {log2(growth):g}) + 1"


def build_raised_name(alert: str) -> str:
    """Build the name of the record with the day on which a ticket was raised."""
    return f"model:{TICKETS[alert][0]}_raised:day"


def select_acknowledged(metric: str = ACKNOWLEDGED) -> str:
    """Select the acknowledged size of each feature of a model."""
    # a restarted server needs a while until it has read the acknowledgements
    return f"max by (model, feature) (last_over_time({metric}[{limits.ACKNOWLEDGED_MEMORY}]))"


def _omit_acknowledged(found: str, metric: str) -> str:
    """Omit what is at most `ACKNOWLEDGED_GROWTH` times as large as it was when it was acknowledged."""
    limit = f"{limits.ACKNOWLEDGED_GROWTH} * {select_acknowledged(metric)}"
    return f"({found}) unless (({found}) <= on (model, feature) group_left () ({limit}))"


def _find_raised_day(alert: str, step: str) -> str:
    _, level, columns = TICKETS[alert]
    # from half a step ago on, so that the newest sample is that of the evaluation before this one
    past = (
        f"max_over_time({level}{{{columns}}}[{limits.TICKET_MEMORY}] offset {multiply_duration(step, 0.5)})"
    )
    raised = f"{level}{{{columns}}} unless {level} <= {past}"
    return f"max by ({VERSION}) (0 * ({raised}) + {TODAY})"
