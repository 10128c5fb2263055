"""Expected performance of shifted segments beside the realised one: ours, the reference's, NannyML's."""

import argparse
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks.quality import report
from benchmarks.quality.expected import metrics
from benchmarks.quality.expected.models import MonitoredModel, build_models
from benchmarks.quality.expected.run_nannyml import estimate
from benchmarks.quality.expected.segments import MIN_ROWS, SEGMENTS, find_segments

from servicio_ml.domain.policy import MIN_EVALUATED_ROWS
from servicio_ml.features.performance.error_sums import ErrorSums

COLUMNS = ("use case", "segment", "rows", "metric", "realised", "reference", "ours", "NannyML")
SUMMARY = (
    "use case", "metric", "segments", "of them shifted", "mean distance of the reference", "of ours",
    "of NannyML", "ours within 10 %", "NannyML within 10 %",
)  # fmt: skip
SOURCES = 4
SHIFTED, CLOSE = 0.2, 0.1
"""Distance of the reference from the realised error of a shifted segment, and of a good estimate."""
SHIFTED_SHARE = 0.02
"""Distance of the reference from a realised share, such as an accuracy, of a shifted segment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentResult:
    """A metric of a segment.

    Attributes:
        segment: Its name.
        rows: Number of its rows.
        metric: Name of the metric.
        realised: Value by the truth.
        estimates: Value of the reference, of ours and of NannyML.
        chance: Standard error of a realised mean absolute error; 0 for the other metrics.
    """

    segment: str
    rows: int
    metric: str
    realised: float
    estimates: tuple[float, ...]
    chance: float = 0.0

    @property
    def distances(self) -> tuple[float, ...]:
        """Distance of each estimate from the realised value; for an error as a share of it."""
        unit = self.realised if self.metric in metrics.NUMBERS else 1.0
        return tuple((each - self.realised) / unit for each in self.estimates)

    def describe_realised(self) -> str:
        """Write the realised value, with its standard error as a share of it."""
        return f"{self.realised:.4g}" + (f" ± {self.chance / self.realised:.1%}" if self.chance else "")

    def describe_estimates(self) -> list[str]:
        """Write each estimate with its distance from the realised value."""
        pairs = zip(self.estimates, self.distances, strict=True)
        return [f"{value:.4g} ({gap:+.1%})" for value, gap in pairs]

    @property
    def is_shifted(self) -> bool:
        limit = SHIFTED if self.metric in metrics.NUMBERS else SHIFTED_SHARE
        return abs(self.distances[0]) >= limit


@dataclass(frozen=True, slots=True, kw_only=True)
class SegmentValues:
    """Values by metric of one model's rows of a segment.

    Attributes:
        rows: Number of the rows.
        metrics: Metrics that it has enough rows for.
        sources: Values by the truth, of the reference, of ours and of NannyML.
    """

    rows: int
    metrics: tuple[str, ...]
    sources: tuple[Mapping[str, float], ...]


def compare_expected(given: argparse.Namespace) -> None:
    lines = report.MarkdownTable(given.output, *COLUMNS)
    found = {}
    for name in given.names or SEGMENTS:
        found[name] = list(compare_use_case(name, given.data))
        for each in found[name]:
            lines.add(
                name, each.segment, each.rows, each.metric, each.describe_realised(),
                *each.describe_estimates(),
            )  # fmt: skip
    summary = report.MarkdownTable(given.output.with_suffix(".summary.md"), *SUMMARY)
    for name, results in found.items():
        for metric in dict.fromkeys(each.metric for each in results):
            summary.add(name, metric, *summarize([each for each in results if each.metric == metric]))


def summarize(results: Sequence[SegmentResult]) -> Iterator[object]:
    """Summarize the shifted segments of a metric."""
    shifted = [each for each in results if each.is_shifted]
    yield from (len(results), len(shifted))
    if not shifted:
        yield from ("–",) * (len(SUMMARY) - 4)
        return
    gaps = np.abs(np.array([each.distances for each in shifted]))
    yield from (f"{value:.1%}" for value in gaps.mean(axis=0))
    if results[0].metric in metrics.NUMBERS:
        yield from (f"{(gaps[:, place] <= CLOSE).sum()} of {len(shifted)}" for place in (1, 2))
    else:
        yield from ("–", "–")


def compare_use_case(name: str, data: Path) -> Iterator[SegmentResult]:
    """Compare every large segment of a use case, over all its models."""
    found: dict[str, list[SegmentValues]] = {}
    for model in build_models(name, data):
        for segment, values in measure_segments(model).items():
            found.setdefault(segment, []).append(values)
    for segment, parts in found.items():
        rows = sum(each.rows for each in parts)
        if rows < MIN_ROWS:
            continue
        chance = compute_chance(rows, parts)
        for metric in parts[0].metrics:
            realised, *estimates = (compute_pooled(metric, parts, source) for source in range(SOURCES))
            yield SegmentResult(
                segment=segment, rows=rows, metric=metric, realised=realised, estimates=tuple(estimates),
                chance=chance if metric == "mae" else 0.0,
            )  # fmt: skip


def compute_chance(rows: int, parts: Sequence[SegmentValues]) -> float:
    """Compute the standard error of the mean absolute error of a segment's rows; 0 for classes."""
    if "mae" not in parts[0].sources[0]:
        return 0.0
    sums = ErrorSums(
        rows=rows,
        absolute=rows * compute_pooled("mae", parts, 0),
        squared=rows * compute_pooled("rmse", parts, 0) ** 2,
    )
    return float(sums.mae_variance**0.5)


def measure_segments(model: MonitoredModel) -> dict[str, SegmentValues]:
    """Measure and estimate each segment of a model's production rows."""
    # the rows of a regression pool over its models
    minimum = MIN_ROWS if model.use_case.target.labels else 1
    segments = {
        segment: rows
        for segment, rows in find_segments(model.use_case.name, model.production.frame)
        if len(rows) >= minimum
    }
    names = metrics.list_metrics(model)
    with tempfile.TemporaryDirectory(prefix="expected-") as scratch:
        theirs = estimate(model, segments, names, Path(scratch))
    every = np.arange(len(model.reference.truth))
    reference = metrics.compute_values(metrics.sum_realised(model, model.reference, every))
    return {
        segment: SegmentValues(
            rows=len(rows),
            metrics=tuple(name for name in names if name != "f1" or has_enough_rows(model, rows)),
            sources=(
                {
                    **metrics.compute_values(metrics.sum_realised(model, model.production, rows)),
                    **metrics.compute_exact_auc(model.production, rows),
                },
                reference,
                metrics.compute_values(metrics.sum_expected(model, rows)),
                theirs[segment],
            ),
        )
        for segment, rows in segments.items()
    }


def has_enough_rows(model: MonitoredModel, rows: metrics.Rows) -> bool:
    """Check that each class has as many rows as the alert about F1 needs."""
    classes = len(model.use_case.target.labels)
    counts = np.bincount(model.production.truth[rows].astype(int), minlength=classes)
    return bool(counts.min() >= MIN_EVALUATED_ROWS)


def compute_pooled(metric: str, parts: Sequence[SegmentValues], source: int) -> float:
    """Pool the values of several models by their rows, those of the RMSE by their squares."""
    power = 2 if metric == "rmse" else 1
    rows = [each.rows for each in parts]
    values = [each.sources[source][metric] ** power for each in parts]
    return float(np.average(values, weights=rows) ** (1 / power))
