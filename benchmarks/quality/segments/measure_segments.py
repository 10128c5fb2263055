"""Faults in one segment: found by the segment's alert, while the alerts about all rows stay silent.

A model is trained on earlier rows and answers the held-out ones, also those of one value of a segment with a
fault. Streams of 10,000 rows a month run through real days in their order (rain), or are drawn independently
(burn rate); the fault begins after 30 days. Labels come on the same day, and alerts are evaluated at the end
of a day, by the rules' own formulas. Years without a fault give the rate of false alarms.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from benchmarks.quality import report
from benchmarks.quality.expected.models import MonitoredModel, build_models
from benchmarks.quality.power.compare_power import build_plain_streams, draw_blocks
from benchmarks.quality.power.day_sums import sum_days
from benchmarks.quality.power.losses import HISTORY_DAYS
from benchmarks.quality.power.pages import SOURCES, find_pages
from benchmarks.quality.power.pool import Array, Pool, build_production_pool, draw_streams
from benchmarks.quality.segments.alerts import WatchedSegment, find_alerts, watch_segments
from benchmarks.quality.segments.faults import SegmentFault, add_faulty_rows

from servicio_ml.domain.fields.segment import Segment
from servicio_ml.features.performance.looks import compute_deviations

ROWS_PER_MONTH, YEAR_ROWS = 10_000, (1_000, 10_000)
STREAMS, FAULT_DAYS, SOON, YEARS = 200, 30, 7, 400
SEED = 23


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentStudy:
    """What is studied of a use case.

    Attributes:
        segments: Its segments.
        places: Segment and value of the rows with a fault.
        faults: Faults of them.
    """

    segments: Sequence[Segment]
    places: Sequence[tuple[str, str]]
    faults: Sequence[SegmentFault]


STUDIES: Mapping[str, SegmentStudy] = {
    "rain_australia": SegmentStudy(
        segments=(Segment(field="location", maximum=49), Segment(field="wind_gust_dir")),
        places=(("wind_gust_dir", "NNE"), ("location", "Hobart")),
        faults=(
            SegmentFault(name="humidity_3pm as a share", field="humidity_3pm", factor=0.01),
            SegmentFault(name="pressure_3pm 30 hPa low", field="pressure_3pm", shift=-30.0),
            SegmentFault(name="half of the labels flipped", flipped=0.5),
            SegmentFault(name="all labels flipped", flipped=1.0),
        ),
    ),
    "employee_burn_rate": SegmentStudy(
        segments=(Segment(field="company_type"), Segment(field="designation", edges=(1, 2, 3, 4, 5))),
        places=(("designation", "< 1"), ("designation", "4 to 5")),
        faults=(
            SegmentFault(name="mental_fatigue_score stuck at 5.9", field="mental_fatigue_score", value=5.9),
            SegmentFault(name="resource_allocation missing", field="resource_allocation", value=np.nan),
            SegmentFault(name="errors grow by half", growth=0.5),
            SegmentFault(name="errors double", growth=1.0),
        ),
    ),
}


def measure_segments(given: argparse.Namespace) -> None:
    """Write a line for each fault, and one for each number of rows a month without a fault."""
    lines = report.MarkdownTable(
        given.output, "use case", "segment", "share of rows", "fault", "loss before", "loss with it",
        "found in 7 / 30 days", "median days",
        "other values alert", "alerts about all rows",
    )  # fmt: skip
    years = report.MarkdownTable(
        given.output.with_suffix(".years.md"), "use case", "values", "limit", "rows a month", "years",
        "with a false alarm", "left out",
    )  # fmt: skip
    for name in given.names or STUDIES:
        model, study = next(build_models(name, given.data)), STUDIES[name]
        pool, watched = build_production_pool(model), watch_segments(model, study.segments)
        for place, fault in list_faults(study):
            lines.add(name, *measure_fault(model, pool, watched, place, fault))
        compared, beyond = count_values(watched), list_beyond(pool, watched)
        for per_month in YEAR_ROWS:
            share = measure_years(pool, watched, np.random.default_rng([SEED, per_month]), per_month)
            limit = f"{compute_deviations(compared):.2f}"
            left_out = ", ".join(beyond) or "–"
            years.add(name, compared, limit, f"{per_month:,}", YEARS, f"{share:.1%}", left_out)


def list_faults(study: SegmentStudy) -> Iterator[tuple[tuple[str, str], SegmentFault]]:
    return ((place, fault) for place in study.places for fault in study.faults)


def measure_fault(
    model: MonitoredModel, pool: Pool, watched: Sequence[WatchedSegment], place: tuple[str, str],
    fault: SegmentFault,
) -> list[str]:  # fmt: skip
    """Measure one fault: its cells of the table."""
    rng = np.random.default_rng(SEED)
    segment = next(each for each in watched if each.profile.field == place[0])
    value = segment.profile.values.index(place[1])
    affected = segment.assign(pool) == value
    both = add_faulty_rows(model, pool, fault, affected, rng)
    rows = draw_streams(pool, rng, STREAMS, HISTORY_DAYS + FAULT_DAYS, ROWS_PER_MONTH)
    late = np.arange(rows.shape[1])[:, None] >= HISTORY_DAYS
    rows = rows + len(pool.truth) * (late & affected[rows])
    mine, others = np.zeros(rows.shape[:1], dtype=bool), np.zeros(rows.shape[:1], dtype=bool)
    for each in watched:
        alerts = find_alerts(both, each, rows, compute_deviations(count_values(watched)))
        is_other = ~find_beyond(pool, each)
        if each is segment:
            mine, is_other[value] = alerts[..., value], False
        others |= alerts[..., is_other].any(axis=(1, 2))
    before, after = pool.losses[affected].mean(), both.losses[len(pool.truth) :][affected].mean()
    return [
        f"{place[0]}: {place[1]}", f"{affected.mean():.1%}", fault.name, f"{before:.3f}", f"{after:.3f}",
        *describe_found(mine), f"{others.mean():.1%}", f"{find_all_pages(model, both, rows):.0%}",
    ]  # fmt: skip


def describe_found(alerts: Array) -> tuple[str, str]:
    """Write the share of the streams that have an alert within 7 and 30 days, and the median days."""
    found = alerts.any(axis=1)
    days = np.where(found, alerts.argmax(axis=1) + 1, np.inf)
    median = f"{np.median(days[found]):.0f}" if found.any() else "–"
    return f"{(days <= SOON).mean():.0%} / {found.mean():.0%}", median


def find_all_pages(model: MonitoredModel, pool: Pool, rows: Array) -> float:
    """Find the share of the streams with a page about all rows."""
    sums, policy = sum_days(pool, build_plain_streams(pool, rows)), model.artifact.reference.policy
    pages = [find_pages(sums, policy, source).any(axis=1) for source in SOURCES]
    return float(np.any(pages, axis=0).mean())


def list_beyond(pool: Pool, watched: Sequence[WatchedSegment]) -> list[str]:
    """List the values whose loss over all held-out rows is beyond its limit: no alarm is false there."""
    return [
        f"{each.profile.field}: {value}"
        for each in watched
        for value, is_beyond in zip(each.profile.values, find_beyond(pool, each), strict=True)
        if is_beyond
    ]


def find_beyond(pool: Pool, segment: WatchedSegment) -> Array:
    """Find the values whose loss over all held-out rows is beyond its limit, `[values]`."""
    places, values = segment.assign(pool), len(segment.profile.values)
    rows = np.maximum(np.bincount(places, minlength=values), 1)
    return np.asarray(np.bincount(places, pool.losses, values) / rows > segment.limits)


def count_values(watched: Sequence[WatchedSegment]) -> int:
    return sum(sum(each.profile.is_compared) for each in watched)


def measure_years(
    pool: Pool, watched: Sequence[WatchedSegment], rng: np.random.Generator, per_month: int
) -> float:
    """Measure the share (0–1) of the years without a fault that have an alert of a value within its limit."""
    limit, found = compute_deviations(count_values(watched)), list[Array]()
    for rows in draw_blocks(pool, rng, YEARS, per_month):
        alerts = [
            find_alerts(pool, each, rows, limit)[..., ~find_beyond(pool, each)].any(axis=(1, 2))
            for each in watched
        ]
        found.append(np.any(alerts, axis=0))
    return float(np.concatenate(found).mean())
