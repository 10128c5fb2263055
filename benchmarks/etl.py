"""What the ETL costs: `python benchmarks/etl.py` prints a Markdown table.

Every case is a process of its own; the runs of all cases are interleaved and their medians are shown. The
raw file is `weatherAUS.csv` in SERVICIO_ML_DATA_DIR, or as many synthetic rows where it is not there. The
large file repeats it with slightly shifted numbers.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import narwhals as nw
import numpy as np
import pandas as pd
import polars as pl

from servicio_ml import bootstrap
from servicio_ml.domain.schema import Field
from servicio_ml.features.synthetic.sampler import draw_rows
from servicio_ml.pipeline.reading.columns import plan_labelled_read
from servicio_ml.pipeline.reading.dialects import map_columns
from servicio_ml.pipeline.reading.input_file import copy_input_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.transform import transform
from servicio_ml.use_cases.catalogue import find

RAIN = find("rain_australia")
PERIOD = "2019-12"
ORIGINAL_ROWS = 145_460
ROWWISE_ROWS = 5_000
SHIFT = 0.01
SHIFTED = ("MinTemp", "MaxTemp", "Pressure9am", "Pressure3pm", "Temp9am", "Temp3pm")
BYTES_PER_KILOBYTE, BYTES_PER_MEGABYTE = 1024, 1024**2
COMMAND = "from servicio_ml.cli import main; main()"


@dataclass(frozen=True, slots=True, kw_only=True)
class EtlCost:
    """What one run took: seconds, and the peak resident memory in bytes."""

    seconds: float
    memory: float


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=5, help="of each case but the large file")
    arguments.add_argument("--rows", type=int, default=10_000_000, help="of the large file; 0 leaves it out")
    arguments.add_argument("--case", choices=("transform", "row by row"), help=argparse.SUPPRESS)
    arguments.add_argument("--source", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.case:
        seconds = {"transform": time_transform, "row by row": time_rows}[given.case](given.source)
        print(json.dumps(seconds))
        return
    with tempfile.TemporaryDirectory(prefix="servicio-ml-benchmark-") as folder:
        # the installed libraries' bytecode is compiled once, as `make` does
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
        compare(Path(folder), given.runs, given.rows)


def compare(folder: Path, runs: int, large_rows: int) -> None:
    """Run every case and print the table."""
    source = find_raw_file(folder)
    rows = len(pl.read_csv(source, infer_schema=False))
    few = folder / "few.csv"
    pl.read_csv(source, infer_schema=False).head(ROWWISE_ROWS).write_csv(few)
    build_command(source, folder / "unmeasured")  # compiles the bytecode
    fresh = build_command(source, folder)
    found: dict[str, list[EtlCost]] = {"command": [], "transform": [], "row by row": []}
    for _ in range(runs):
        found["command"].append(build_command(source, folder))
        found["transform"].append(run_case("transform", source))
        found["row by row"].append(run_case("row by row", few))
    print(f"{rows:,} rows, {os.cpu_count()} cores, medians of {runs} interleaved runs\n")
    print("| what | seconds | peak memory, MB |\n|---|---|---|")
    show("`servicio-ml etl`, whole, MLflow in SQLite", compute_median(found["command"]))
    show("the same, the first time (SQLite is made)", fresh)
    transformed, by_row = compute_median(found["transform"]), compute_median(found["row by row"])
    show("its transform alone, in the process", transformed)
    show(f"pandas row by row, {ROWWISE_ROWS:,} rows", by_row)
    if large_rows:
        large = enlarge_file(source, folder, large_rows)
        show(f"`servicio-ml etl`, whole, {large_rows:,} rows", build_command(large, folder))
    ratio = (by_row.seconds / ROWWISE_ROWS) / (transformed.seconds / rows)
    print(f"\nPer row, the transform takes 1/{ratio:,.0f} of pandas row by row.")


def find_raw_file(folder: Path) -> Path:
    """The original, or as many synthetic rows."""
    original = Path(os.environ.get("SERVICIO_ML_DATA_DIR", ""), "weatherAUS.csv")
    if original.is_file():
        return original
    print("no weatherAUS.csv in SERVICIO_ML_DATA_DIR: synthetic rows are used\n")
    table = draw_rows(RAIN, ORIGINAL_ROWS, np.random.default_rng(0))
    bootstrap.write_csv(folder / "sample.csv", table.columns, header=table.named)
    return folder / "sample.csv"


def enlarge_file(source: Path, folder: Path, rows: int) -> Path:
    """A file of that many rows: the source again and again, some numbers shifted a little each time."""
    texts, target = pl.read_csv(source, infer_schema=False), folder / "large.csv"
    with target.open("wb") as file:
        for copy in range(-(-rows // len(texts))):
            numbers = pl.col(SHIFTED).cast(pl.Float64, strict=False)
            shifted = (numbers + copy * SHIFT).round(2).cast(pl.String).fill_null("NA")
            part = texts.head(rows - copy * len(texts)).with_columns(shifted)
            part.write_csv(file, include_header=copy == 0)
    return target


def build_command(source: Path, folder: Path) -> EtlCost:
    """The whole command with its imports, in a state folder that stays."""
    words = ["etl", RAIN.name, "--source", str(source), "--period", PERIOD]
    started = time.perf_counter()
    memory, _ = run_child(
        [sys.executable, "-c", COMMAND, *words], {"SERVICIO_ML_STATE_DIR": str(folder / "state")}
    )
    return EtlCost(seconds=time.perf_counter() - started, memory=memory)


def run_case(name: str, source: Path) -> EtlCost:
    """This script in a process of its own, which times itself."""
    memory, output = run_child([sys.executable, __file__, "--case", name, "--source", str(source)], {})
    return EtlCost(seconds=json.loads(output.splitlines()[-1]), memory=memory)


def run_child(words: Sequence[str], settings: Mapping[str, str]) -> tuple[float, str]:
    """Run a command to its end; its peak resident memory in bytes, and what it printed."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output, env={**os.environ, **settings})
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    if process.returncode:
        raise SystemExit(printed)
    return usage.ru_maxrss * BYTES_PER_KILOBYTE, printed


def time_transform(source: Path) -> float:
    """Seconds from the raw file to a typed Parquet file."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        raw = read_rows(copy_input_file(source, source.name, Path(folder)), RAIN)
        reading = plan_labelled_read(RAIN, map_columns(RAIN, raw.dialect), raw.dialect)
        rows = transform(nw.from_native(raw.frame), RAIN, reading, last_day=date.max).to_native()
        rows.sink_parquet(Path(folder, "typed.parquet"), engine="streaming")
        return time.perf_counter() - started


def time_rows(source: Path) -> float:
    """Seconds of the same, as one would write it at first: a function applied to each row of a frame."""
    started = time.perf_counter()
    texts = pd.read_csv(source, dtype=str, keep_default_na=False)
    with tempfile.TemporaryDirectory() as folder:
        texts.apply(_clean, axis=1).to_parquet(Path(folder, "typed.parquet"))
    return time.perf_counter() - started


def _clean(row: pd.Series) -> pd.Series:
    found: dict[str, object] = {}
    reasons: list[str] = []
    for field in RAIN.schema.fields:
        text = row[field.column].strip()
        value, faults = (None, []) if text in RAIN.missing else _clean_value(field, text)
        reasons.extend(faults)
        if value is None and not field.nullable:
            reasons.append(f"{field.name}: it is missing")
        found[field.name] = value
    label = row[RAIN.target.column].strip()
    found[RAIN.target.name] = label if label in RAIN.target.labels else None
    found["reason"] = "; ".join(reasons)
    return pd.Series(found)


def _clean_value(field: Field, text: str) -> tuple[object, list[str]]:
    """The value of a field, and what is wrong with it."""
    try:
        value = _read_value(field.kind.value, text)
    except ValueError:
        return None, [f"{field.name}: {text!r} cannot be read"]
    if field.levels and value not in field.levels:
        return value, [f"{field.name}: {text!r} is no level"]
    if not isinstance(value, float):
        return value, []
    if value in field.parse.missing_numbers:
        return None, []
    in_range = (field.minimum or -np.inf) <= value <= (field.maximum or np.inf)
    return value, [] if in_range else [f"{field.name}: {text!r} is out of range"]


def _read_value(kind: str, text: str) -> object:
    if kind == "date":
        return date.fromisoformat(text)
    return text if kind == "category" else float(text)


def compute_median(costs: Sequence[EtlCost]) -> EtlCost:
    return EtlCost(
        seconds=statistics.median(cost.seconds for cost in costs),
        memory=statistics.median(cost.memory for cost in costs),
    )


def show(what: str, cost: EtlCost) -> None:
    print(f"| {what} | {cost.seconds:.2f} | {cost.memory / BYTES_PER_MEGABYTE:,.0f} |")


if __name__ == "__main__":
    main()
