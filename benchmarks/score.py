"""What offline scoring costs: `python benchmarks/score.py` prints a Markdown table.

`servicio-ml score` with the rain champion of SERVICIO_ML_STATE_DIR, or with one that is trained first, scores
a CSV file in the raw dialect and the same rows as typed Parquet: synthetic rows again and again, their
temperatures shifted a little each time. Beside it ONNX Runtime alone answers as many rows of their matrix,
with as many threads. Every case is a process of its own; the runs of all cases are interleaved and their
medians are shown.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from servicio_ml import bootstrap
from servicio_ml.features.artifact import MODEL as ONNX
from servicio_ml.features.artifact import Artifact, load_artifact
from servicio_ml.features.runtimes.scorer import OnnxScorer
from servicio_ml.features.synthetic.sampler import draw_rows
from servicio_ml.lifecycle.versions import find_version
from servicio_ml.pipeline.reading.batches import BATCH_ROWS, open_batches
from servicio_ml.pipeline.reading.file_format import InputSpec
from servicio_ml.pipeline.reading.input_file import inspect_file
from servicio_ml.settings import load_settings
from servicio_ml.use_cases.catalogue import find

RAIN = find("rain_australia")
BLOCK_ROWS = 145_460
MATRIX_ROWS = 1_000_000
"""Rows of the matrix that ONNX Runtime answers again and again: far larger than any cache."""
SHIFT = 0.01
SHIFTED = ("MinTemp", "MaxTemp", "Temp9am", "Temp3pm")
BYTES_PER_KILOBYTE, BYTES_PER_MEGABYTE = 1024, 1024**2
BLOCK, TEXT, TYPED, MODEL = "block.csv", "large.csv", "large.parquet", "model"
COMMAND = (sys.executable, "-c", "from servicio_ml.cli import main; main()")


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoringCost:
    """What one run took: seconds, and the peak resident memory in bytes."""

    seconds: float
    memory: float


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=3, help="of each case")
    arguments.add_argument("--rows", type=int, default=10_000_000, help="of the file")
    arguments.add_argument("--case", choices=("prepare", "raw"), help=argparse.SUPPRESS)
    arguments.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.case:
        print(json.dumps({"prepare": prepare, "raw": time_raw}[given.case](given.folder, given.rows)))
        return
    with tempfile.TemporaryDirectory(prefix="servicio-ml-benchmark-") as folder:
        # the installed libraries' bytecode is compiled once, as `make` does
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
        compare(Path(folder), given.runs, given.rows)


def compare(folder: Path, runs: int, rows: int) -> None:
    """Run every case and print the table."""
    if "SERVICIO_ML_STATE_DIR" not in os.environ:
        os.environ["SERVICIO_ML_STATE_DIR"] = str(folder / "state")
        for words in (["data", "sample"], ["etl"], ["train", "--candidate", "lightgbm", "--timeout", "60"]):
            run_child([*COMMAND, *words, RAIN.name])
    run_case(
        "prepare", folder, rows
    )  # a child's memory is counted from its parent's, which has to stay small
    text, typed = folder / TEXT, folder / TYPED
    score(folder / BLOCK, folder)  # compiles the bytecode
    found: dict[str, list[ScoringCost]] = {"raw": [], "csv": [], "parquet": []}
    for _ in range(runs):
        found["raw"].append(run_case("raw", folder, rows))
        found["csv"].append(score(text, folder))
        found["parquet"].append(score(typed, folder))
    sizes = {path: path.stat().st_size / BYTES_PER_MEGABYTE for path in (text, typed)}
    print(f"{rows:,} rows, {os.cpu_count()} cores, medians of {runs} interleaved runs\n")
    print("| what | seconds | rows/s | ÷ raw | peak memory, MB |\n|---|---|---|---|---|")
    best = statistics.median(cost.seconds for cost in found["raw"])
    show("ONNX Runtime alone, on the matrix", found["raw"], rows, best)
    show(f"`servicio-ml score`, typed Parquet ({sizes[typed]:,.0f} MB)", found["parquet"], rows, best)
    show(f"`servicio-ml score`, raw CSV ({sizes[text]:,.0f} MB)", found["csv"], rows, best)


def prepare(folder: Path, rows: int) -> float:
    """The champion's artifact and both files; seconds that it took."""
    started = time.perf_counter()
    _, registry = bootstrap.connect_mlflow(load_settings())
    info = find_version(registry, RAIN.name, "")
    downloaded = registry.download(info.model, info.version)
    shutil.copytree(downloaded, folder / MODEL)
    shutil.rmtree(downloaded.parent)
    enlarge_file(folder, rows)
    frames = prepare_case(folder, load_artifact(folder / MODEL))
    first = next(frames).to_arrow()
    with pq.ParquetWriter(folder / TYPED, first.schema) as writer:
        writer.write_table(first)
        for frame in frames:
            writer.write_table(frame.to_arrow())
    return time.perf_counter() - started


def enlarge_file(folder: Path, rows: int) -> None:
    """A raw CSV of that many synthetic rows."""
    table = draw_rows(RAIN, min(BLOCK_ROWS, rows), np.random.default_rng(0))
    bootstrap.write_csv(folder / BLOCK, table.columns, header=table.named)
    texts = pl.read_csv(folder / BLOCK, infer_schema=False)
    with (folder / TEXT).open("wb") as file:
        for copy in range(-(-rows // len(texts))):
            numbers = pl.col(SHIFTED).cast(pl.Float64, strict=False)
            shifted = (numbers + copy * SHIFT).round(2).cast(pl.String).fill_null("NA")
            part = texts.head(rows - copy * len(texts)).with_columns(shifted)
            part.write_csv(file, include_header=copy == 0)


def prepare_case(folder: Path, artifact: Artifact) -> Iterator[pl.DataFrame]:
    """The CSV's typed rows."""
    source = inspect_file(folder / TEXT, TEXT)
    batches = open_batches(source, InputSpec(schema=artifact.encoder.schema, use_case=RAIN))
    return (
        batches.prepare(frame).select(artifact.encoder.schema.field_names) for frame in batches.raw_frames
    )


def score(source: Path, folder: Path) -> ScoringCost:
    """The whole command with its imports."""
    started = time.perf_counter()
    words = ["score", RAIN.name, "--input", str(source), "--output", str(folder / "out"), "--force"]
    memory, _ = run_child([*COMMAND, *words])
    return ScoringCost(seconds=time.perf_counter() - started, memory=memory)


def run_case(name: str, folder: Path, rows: int) -> ScoringCost:
    """This script in a process of its own, which times itself."""
    words = [sys.executable, __file__, "--case", name, "--folder", str(folder), "--rows", str(rows)]
    memory, output = run_child(words)
    return ScoringCost(seconds=json.loads(output.splitlines()[-1]), memory=memory)


def time_raw(folder: Path, rows: int) -> float:
    """Seconds that ONNX Runtime takes for this number of rows."""
    artifact = load_artifact(folder / MODEL)
    model = OnnxScorer(folder / MODEL / ONNX, threads=len(os.sched_getaffinity(0)))
    matrices, kept = [], 0
    for frame in prepare_case(folder, artifact):
        matrices.append(artifact.encoder.encode_frame(frame))
        kept += len(frame)
        if kept >= min(MATRIX_ROWS, rows):
            break
    matrix = np.concatenate(matrices)
    del matrices
    done, started = 0, time.perf_counter()
    while done < rows:
        start = done % (len(matrix) - BATCH_ROWS) if len(matrix) > BATCH_ROWS else 0
        done += len(model.score(matrix[start : start + min(BATCH_ROWS, rows - done)]))
    return time.perf_counter() - started


def run_child(words: Sequence[str]) -> tuple[float, str]:
    """Run a command to its end; its peak resident memory in bytes, and what it printed."""
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(words, stdout=output, stderr=output)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        printed = output.read()
    if process.returncode:
        raise SystemExit(printed)
    return usage.ru_maxrss * BYTES_PER_KILOBYTE, printed


def show(what: str, costs: Sequence[ScoringCost], rows: int, best: float) -> None:
    seconds = statistics.median(cost.seconds for cost in costs)
    memory = statistics.median(cost.memory for cost in costs) / BYTES_PER_MEGABYTE
    print(f"| {what} | {seconds:.1f} | {rows / seconds:,.0f} | {best / seconds:.2f} | {memory:,.0f} |")


if __name__ == "__main__":
    main()
