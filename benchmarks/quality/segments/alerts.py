"""The alert `SegmentPerformanceLow` of every day of streams, by the formula that its rules are tested by."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from benchmarks.quality.expected.models import MonitoredModel
from benchmarks.quality.power.losses import HISTORY_DAYS
from benchmarks.quality.power.pool import Array, Pool, get_days
from monitoring.thresholds import MIN_SEGMENT_ROWS

from servicio_ml.domain.fields.segment import Segment
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.features.performance.looks import WINDOW_DAYS
from servicio_ml.features.performance.loss_excess import LossReference, compute_loss_excess
from servicio_ml.features.performance.segments import SegmentProfile, UnseenLosses, build_segments


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WatchedSegment:
    """A segment with what its alert compares losses with.

    Attributes:
        profile: The segment, with the losses of the reference rows.
        reference: These losses by value, `[values]`.
        limits: Practical limit of the mean loss, `[values]`.
    """

    profile: SegmentProfile
    reference: LossReference
    limits: Array

    def assign(self, pool: Pool) -> Array:
        return self.profile.assign(pool.fields)


def watch_segments(model: MonitoredModel, segments: Sequence[Segment]) -> list[WatchedSegment]:
    """Build the segments of a model from its reference rows, as training does."""
    schema, rows = model.artifact.encoder.schema, model.reference
    matrix = model.artifact.encoder.encode_frame(rows.frame)
    has_classes, days = rows.predictions.probabilities is not None, get_days(model, rows)
    errors = np.abs(rows.truth - rows.predictions.outcomes)
    unseen = UnseenLosses(
        rows=np.arange(len(errors)), losses=(errors > 0).astype(float) if has_classes else errors,
        days=None if np.isnan(days).any() else days, is_share=has_classes,
    )  # fmt: skip
    policy = model.artifact.reference.policy
    found = build_segments(schema, segments, matrix, unseen, policy.design_effect)
    return [_watch(each, policy, has_classes=has_classes) for each in found]


def _watch(profile: SegmentProfile, policy: DriftPolicy, *, has_classes: bool) -> WatchedSegment:
    losses = np.array(profile.losses)
    limits = [
        1 - policy.compute_limit("accuracy", 1 - loss) if has_classes else policy.compute_limit("mae", loss)
        for loss in profile.losses
    ]
    # values with few reference rows are not compared
    rows = np.where(profile.is_compared, np.array(profile.rows, dtype=float), np.nan)
    return WatchedSegment(
        profile=profile, limits=np.array(limits),
        reference=LossReference(
            rows=rows, loss=losses, variance=None if has_classes else np.array(profile.variances),
            design_effect=profile.design_effect,
        ),
    )  # fmt: skip


def find_alerts(pool: Pool, segment: WatchedSegment, rows: Array, limit: float) -> Array:
    """Find the days after the history on which each value alerts, `[streams, days, values]`.

    Args:
        pool: Rows that streams are drawn from.
        segment: The segment.
        rows: Rows of the pool, `[streams, days, rows a day]`.
        limit: Standard errors beyond which a loss is no chance.
    """
    values = len(segment.profile.values)
    cells = np.arange(rows.shape[0] * rows.shape[1]).reshape(*rows.shape[:2], 1) * values
    places = (cells + segment.assign(pool)[rows]).ravel()
    losses = pool.losses[rows].ravel()
    shape = (*rows.shape[:2], values)
    sums = [
        np.bincount(places, weights, np.prod(shape)).reshape(shape) for weights in (None, losses, losses**2)
    ]
    found = np.zeros((shape[0], shape[1] - HISTORY_DAYS, values), dtype=bool)
    for days in WINDOW_DAYS:
        number, total, squares = (_sum_windows(each, days) for each in sums)
        found |= _compare(segment, number, total, squares, limit)
    return found


def _compare(segment: WatchedSegment, number: Array, losses: Array, squares: Array, limit: float) -> Array:
    counted = np.maximum(number, 1)
    mean = losses / counted
    excess = compute_loss_excess(counted, mean, squares / counted, segment.reference)
    return np.asarray((number >= MIN_SEGMENT_ROWS) & (mean > segment.limits) & (excess > limit))


def _sum_windows(values: Array, days: int) -> Array:
    """Sum the windows that end with each day after the history."""
    total = np.concatenate([np.zeros_like(values[:, :1]), np.cumsum(values, axis=1)], axis=1)
    end, last = HISTORY_DAYS + 1, total.shape[1]
    return np.asarray(total[:, end:] - total[:, end - days : last - days])
