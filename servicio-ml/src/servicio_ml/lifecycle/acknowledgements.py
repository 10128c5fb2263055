"""Acknowledgements of drift: the rules of one, and the size of the drift that it accepts."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise

from servicio_ml.domain.drift import Acknowledgement, select_held
from servicio_ml.domain.policy import MAX_MISSING_EXCESS, MIN_EVALUATED_ROWS
from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.errors import RequestError, format_names
from servicio_ml.features.profile import ReferenceProfile
from servicio_ml.features.window_drift import (
    DriftColumn,
    WindowCounts,
    WindowDrift,
    count_rows,
    evaluate_drift,
)

DAY_SECONDS = 86_400
WINDOW_DAYS = (1, 7, 30)
"""Windows of the alerts, in days."""
MAX_DAYS = 366
"""Maximum duration of an acknowledgement, in days: after it, somebody looks again."""
PREDICTION = "prediction"
"""Name of the prediction among the features."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AcknowledgementRequest:
    """What a person asks for.

    Attributes:
        model: Name of the model.
        feature: Field, or `prediction`.
        until: Last day, `YYYY-MM-DD` (UTC).
        reason: Explanation for people.
        by: Who asks.
    """

    model: str
    feature: str
    until: str
    reason: str
    by: str


def measure_windows(
    reference: ReferenceProfile, log: PredictionLog, model: str, version: int, now: float
) -> list[WindowDrift]:
    """Measure the drift of the windows of the alerts that have enough rows.

    Raises:
        LogError: The log cannot be read.
    """
    return [
        evaluate_drift(reference, counts)
        for counts in _count_windows(reference, log, model, version, now)
        if counts.rows >= MIN_EVALUATED_ROWS
    ]


def build_acknowledgement(
    asked: AcknowledgementRequest, reference: ReferenceProfile, windows: Sequence[WindowDrift], now: float
) -> Acknowledgement:
    """Build an acknowledgement of a drift with its present size.

    Args:
        asked: What a person asks for.
        reference: Reference of the champion.
        windows: Drift of the windows of the alerts.
        now: Current time, in seconds since 1970.

    Raises:
        RequestError: The feature is unknown or has not drifted, the day is none or not ahead, or the reason
            is empty.
    """
    names = (*(bins.name for bins in reference.features), PREDICTION)
    if asked.feature not in names:
        raise RequestError(
            f"feature {asked.feature!r} is unknown", f"{asked.model} has {format_names(names)}"
        )
    if not asked.reason.strip():
        raise RequestError("reason is empty", "say why the drift is acceptable")
    until = parse_last_day(asked.until, now)
    psi, missing_excess = _measure_feature(asked, windows)
    return Acknowledgement(
        model=asked.model, feature=asked.feature, reason=asked.reason.strip(), by=asked.by, at=now,
        until=until, psi=psi, missing_excess=missing_excess,
    )  # fmt: skip


def _measure_feature(asked: AcknowledgementRequest, windows: Sequence[WindowDrift]) -> tuple[float, float]:
    """Measure the largest PSI and excess of missing values of a feature that has drifted."""
    found = [_find_column(each, asked.feature) for each in windows]
    excess = max((_compute_missing_excess(each) for each in found), default=0.0)
    if not any(each.drifted for each in found) and not excess > MAX_MISSING_EXCESS:
        days = format_names(f"{days}d" for days in WINDOW_DAYS)
        raise RequestError(
            f"feature {asked.feature!r} of {asked.model} has not drifted",
            f"there is nothing to acknowledge in the windows {days} with at least {MIN_EVALUATED_ROWS} rows",
        )
    return max(each.shift.psi for each in found if each.shift), max(excess, 0.0)


def build_end(
    model: str, feature: str, by: str, history: Sequence[Acknowledgement], now: float
) -> Acknowledgement:
    """Build the end of the acknowledgement that holds for a feature.

    Raises:
        RequestError: None holds.
    """
    held = {each.feature: each for each in select_held(history, now)}
    if feature not in held:
        raise RequestError(
            f"no acknowledgement of {feature!r} of {model} holds", f"there are those of {format_names(held)}"
        )
    return replace(held[feature], by=by, at=now, until=now)


def parse_last_day(text: str, now: float) -> float:
    """Parse the last day of an acknowledgement, and return its end, in seconds since 1970.

    Raises:
        RequestError: The text is no day, or the day has passed or is too far ahead.
    """
    today = datetime.fromtimestamp(now, UTC).date()
    latest = today + timedelta(days=MAX_DAYS)
    allowed = f"give a day from {today} to {latest} (UTC), YYYY-MM-DD"
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise RequestError(f"until {text!r} is no day", allowed) from None
    # `fromisoformat` also reads weeks and days without hyphens
    if day.isoformat() != text:
        raise RequestError(f"until {text!r} is no day", allowed)
    if not today <= day <= latest:
        raise RequestError(f"until {text!r} {'has passed' if day < today else 'is too far ahead'}", allowed)
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp() + DAY_SECONDS


def _count_windows(
    reference: ReferenceProfile, log: PredictionLog, model: str, version: int, now: float
) -> Iterator[WindowCounts]:
    """Count the rows of each window; a window adds its rows to those of the one before it."""
    total = count_rows(reference, ())
    for newer, older in pairwise((0, *WINDOW_DAYS)):
        start, end = now - older * DAY_SECONDS, now - newer * DAY_SECONDS
        added = count_rows(reference, log.read_rows(model, version, start, end))
        total = WindowCounts(
            columns=[before + more for before, more in zip(total.columns, added.columns, strict=True)],
            seasons=total.seasons + added.seasons,
        )
        yield total


def _find_column(drift: WindowDrift, name: str) -> DriftColumn:
    if name == PREDICTION:
        return drift.prediction
    return next(each for each in drift.features if each.name == name)


def _compute_missing_excess(column: DriftColumn) -> float:
    return float(column.counts[-1] / column.counts.sum() - column.shares[-1])
