"""Metric series as text in the OpenMetrics format."""

import math
from collections.abc import Iterable, Mapping
from typing import TextIO

from servicio_ml.domain.ports.metrics_history import NAME_LABEL, MetricSeries


def write_openmetrics(series: Iterable[MetricSeries], file: TextIO) -> int:
    """Write series as OpenMetrics text with timestamps, and return the number of samples."""
    lines = 0
    for each in series:
        head = format_metric(each.labels)
        file.writelines(
            f"{head} {_format_number(value)} {at!r}\n"
            for at, value in zip(each.times, each.values, strict=True)
        )
        lines += len(each.times)
    file.write("# EOF\n")
    return lines


def format_metric(labels: Mapping[str, str]) -> str:
    """Format a metric name with its labels, `name{label="value"}`."""
    pairs = ",".join(
        f'{name}="{_escape_label(value)}"' for name, value in labels.items() if name != NAME_LABEL
    )
    return f"{labels[NAME_LABEL]}{{{pairs}}}"


def _escape_label(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _format_number(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "NaN" if math.isnan(value) else f"{'+' if value > 0 else '-'}Inf"
