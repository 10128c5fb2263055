"""Encoder: what one record and a million rows cost, for each use case.

    python benchmarks/encoder.py

Rows are synthetic; medians of interleaved rounds. Prints a Markdown table.
"""

import statistics
import timeit
from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
import polars as pl

from servicio_ml.features.encoder import Encoder
from servicio_ml.use_cases.catalogue import load_catalogue

ROUNDS = 7
RECORDS = 2000
FRAME_ROWS = 100_000
MICROSECONDS = 1e6


def measure_seconds(call: Callable[[], Any], times: int) -> float:
    """Seconds of one call, over several."""
    return timeit.timeit(call, number=times) / times


def main() -> None:
    encoders = {name: Encoder(use_case.schema) for name, use_case in load_catalogue().items()}
    records = {
        name: {each.name: each.example for each in encoder.schema.fields}
        for name, encoder in encoders.items()
    }
    frames = {name: pl.DataFrame([record] * FRAME_ROWS) for name, record in records.items()}
    one: dict[str, list[float]] = defaultdict(list)
    many: dict[str, list[float]] = defaultdict(list)
    for name in [*encoders] * ROUNDS:
        encoder = encoders[name]
        one[name].append(measure_seconds(partial(encoder.encode_record, records[name]), RECORDS))
        many[name].append(measure_seconds(partial(encoder.encode_frame, frames[name]), 1))
    _print_table(encoders, one, many)
    if not all(np.isfinite(encoders[name].encode_record(records[name])).all() for name in encoders):
        raise SystemExit("an example was encoded as missing")


def _print_table(
    encoders: Mapping[str, Encoder], one: Mapping[str, list[float]], many: Mapping[str, list[float]]
) -> None:
    print("| use case | fields | columns | one record [µs] | frame [million rows/s] |")
    print("|---|---|---|---|---|")
    for name, encoder in encoders.items():
        record_time = statistics.median(one[name]) * MICROSECONDS
        rate = FRAME_ROWS / statistics.median(many[name]) / MICROSECONDS
        fields, columns = len(encoder.schema.fields), len(encoder.schema.names)
        print(f"| {name} | {fields} | {columns} | {record_time:.1f} | {rate:.2f} |")


if __name__ == "__main__":
    main()
