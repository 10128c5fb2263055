"""Encoder: what one record and a million rows cost, for each use case.

    python benchmarks/encoder.py

Rows are look-alike ones; medians of interleaved rounds. Prints a Markdown table.
"""

import statistics
import timeit
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from servicio_ml.features.encoder import Encoder
from servicio_ml.use_cases.catalogue import catalogue

ROUNDS = 7
RECORDS = 2000
FRAME_ROWS = 100_000
MICROSECONDS = 1e6


def seconds(call: Callable[[], Any], times: int) -> float:
    """Seconds of one call, over several."""
    return timeit.timeit(call, number=times) / times


def main() -> None:
    encoders = {name: Encoder(use_case.schema) for name, use_case in catalogue().items()}
    records = {
        name: {each.name: each.example for each in encoder.schema.fields}
        for name, encoder in encoders.items()
    }
    frames = {name: pl.DataFrame([record] * FRAME_ROWS) for name, record in records.items()}
    one: dict[str, list[float]] = {name: [] for name in encoders}
    many: dict[str, list[float]] = {name: [] for name in encoders}
    for _ in range(ROUNDS):
        for name, encoder in encoders.items():
            record, frame = records[name], frames[name]
            one[name].append(seconds(partial(encoder.record, record), RECORDS))
            many[name].append(seconds(partial(encoder.frame, frame), 1))
    print("| use case | fields | columns | one record [µs] | frame [million rows/s] |")
    print("|---|---|---|---|---|")
    for name, encoder in encoders.items():
        record_time = statistics.median(one[name]) * MICROSECONDS
        rate = FRAME_ROWS / statistics.median(many[name]) / MICROSECONDS
        fields, columns = len(encoder.schema.fields), len(encoder.schema.names)
        print(f"| {name} | {fields} | {columns} | {record_time:.1f} | {rate:.2f} |")
    if not all(np.isfinite(encoders[name].record(records[name])).all() for name in encoders):
        raise SystemExit("an example was encoded as missing")


if __name__ == "__main__":
    main()
