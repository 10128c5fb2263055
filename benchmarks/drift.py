"""What drift of a window costs: `python -m benchmarks.drift` prints Markdown tables.

The rain champion of SERVICIO_ML_STATE_DIR, which is copied, or one that is trained first, is asked test rows
again and again; its answers go to a journal in large chunks. Then, by turns and each in a process of its own:

- our stability index, threshold and verdict of every column, read from the log;
- Evidently's `DataDriftPreset` as it comes, on the same rows as a pandas frame and the training rows; reading
  and its imports are not counted. Both use one processor.

Last, the whole commands `servicio-ml drift` and `servicio-ml report`, with their peak resident memory.
"""

import argparse
import json
import os
import random
import shutil
import statistics
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

import numpy as np
from benchmarks.score import BYTES_PER_MEGABYTE, COMMAND, RAIN, ScoringCost, run_child

from servicio_ml import bootstrap
from servicio_ml.domain.prediction import Chunk, Interface, Purpose, create_timed_key, format_prediction_ids
from servicio_ml.domain.prediction import GroundTruth as Truth
from servicio_ml.features.artifact import load_version
from servicio_ml.features.encoder import Matrix
from servicio_ml.features.window_drift import count_rows, evaluate_drift, read_blocks
from servicio_ml.lifecycle.versions import find_version
from servicio_ml.pipeline.drift.reference import read_rows
from servicio_ml.pipeline.drift.window import LoggedWindow
from servicio_ml.pipeline.training.dataset import read_true_values
from servicio_ml.settings import load_settings

CHUNK_ROWS = 10_000
LABELLED_SHARE = 0.1
HOUR = 3600.0
WINDOW = ("--window", "1d")


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--runs", type=int, default=3, help="of each case")
    arguments.add_argument("--rows", type=int, default=1_000_000, help="in the log")
    arguments.add_argument("--case", choices=("fill", "ours", "evidently"), help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.case:
        print(json.dumps(CASES[given.case](given.rows)))
        return
    with tempfile.TemporaryDirectory(prefix="servicio-ml-benchmark-") as folder:
        # the installed libraries' bytecode is compiled once, as `make` does
        os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
        os.environ["PYTHONPYCACHEPREFIX"] = f"{folder}/bytecode"
        prepare(Path(folder))
        compare(given.runs, given.rows)


def prepare(folder: Path) -> None:
    """A state of our own with a champion and an empty log."""
    given, state = os.environ.get("SERVICIO_ML_STATE_DIR"), folder / "state"
    os.environ["SERVICIO_ML_STATE_DIR"] = str(state)
    if given:
        shutil.copytree(given, state, ignore=shutil.ignore_patterns("log", "reports"))
        return
    for words in (["data", "sample"], ["etl"], ["train", "--candidate", "lightgbm", "--timeout", "60"]):
        run_child([*COMMAND, *words, RAIN.name])


def compare(runs: int, rows: int) -> None:
    """Run every case by turns and print the tables."""
    filled = run_case("fill", rows)
    found: dict[str, list[float]] = {"ours": [], "evidently": []}
    commands: dict[str, list[ScoringCost]] = {"drift": [], "report": []}
    for _ in range(runs):
        for name, seconds in found.items():
            seconds.append(run_case(name, rows))
        for name, costs in commands.items():
            costs.append(build_command(name))
    print(f"{rows:,} rows, {os.cpu_count()} cores, medians of {runs} interleaved runs; ", end="")
    print(f"the log was written in {filled:.1f} s\n")
    ratios = [other / own for own, other in zip(found["ours"], found["evidently"], strict=True)]
    own, other = (statistics.median(found[name]) for name in ("ours", "evidently"))
    print("| drift of every column | processor seconds | ÷ ours |\n|---|---|---|")
    print(f"| PSI, threshold and verdict from the log | {own:.2f} | 1 |")
    ratio = statistics.median(ratios)
    print(f"| Evidently `DataDriftPreset` on a frame in memory | {other:.1f} | {ratio:.0f} |\n")
    print("| command | seconds | peak memory, MB |\n|---|---|---|")
    for name, costs in commands.items():
        took = statistics.median(cost.seconds for cost in costs)
        memory = statistics.median(cost.memory for cost in costs) / BYTES_PER_MEGABYTE
        print(f"| `servicio-ml {name}` | {took:.1f} | {memory:,.0f} |")


def fill(rows: int) -> float:
    """Write this number of scored rows, some with their truth, to the log; seconds that it took."""
    window = open_window()
    store, settings = bootstrap.open_lake(load_settings()), load_settings()
    frame = read_rows(store, window.info, "test")
    frame = frame[np.random.default_rng(0).integers(0, len(frame), rows)]
    matrix, truth = window.artifact.encoder.encode_frame(frame), read_true_values(RAIN.target, frame)
    fields = len(window.artifact.encoder.schema.fields)
    bits, at = random.Random(0).getrandbits, time.time() - HOUR  # noqa: S311  ids, no secrets
    ids: list[str] = []
    started = time.perf_counter()
    with closing(bootstrap.open_journal(settings)) as journal:
        for start in range(0, rows, CHUNK_ROWS):
            part = matrix[start : start + CHUNK_ROWS]
            made = build_chunk(window, part[:, :fields], part, create_timed_key(at, bits), at)
            journal.write([made])
            ids += format_prediction_ids(made.key, 0, len(part))
    labelled = round(rows * LABELLED_SHARE)
    truths = [
        Truth(prediction_id=each, actual=float(actual), at=time.time())
        for each, actual in zip(ids[:labelled], truth[:labelled], strict=True)
    ]
    window.log.add_ground_truth(truths)
    return time.perf_counter() - started


def build_chunk(window: LoggedWindow, fields: Matrix, matrix: Matrix, key: bytes, at: float) -> Chunk:
    """Rows with the champion's answers."""
    answers = window.artifact.predict(matrix)
    given = answers.probabilities
    return Chunk(
        key=key, at=at, model=RAIN.name, version=window.info.version, protocol=Interface.REST,
        purpose=Purpose.ANSWER, rows=len(matrix),
        places=np.arange(len(matrix), dtype="<u4").tobytes(),
        features=np.ascontiguousarray(fields, dtype="<f4").tobytes(),
        outcomes=answers.outcomes.astype("<f8").tobytes(),
        probabilities=b"" if given is None else given.astype("<f8").tobytes(),
    )  # fmt: skip


def open_window() -> LoggedWindow:
    """The window that holds every row of the log."""
    settings = load_settings()
    _, registry = bootstrap.connect_mlflow(settings)
    info = find_version(registry, RAIN.name, "")
    return LoggedWindow(
        info=info,
        artifact=load_version(registry, info),
        log=bootstrap.open_prediction_log(settings),
        start=0,
        end=time.time(),
    )


def time_ours(rows: int) -> float:
    """Processor seconds of the indices of all columns, from the log."""
    window = open_window()
    started = time.process_time()
    found = evaluate_drift(
        window.artifact.reference, count_rows(window.artifact.reference, window.read_chunks())
    )
    taken = time.process_time() - started
    if found.rows != rows:
        raise SystemExit(f"{found.rows} rows were counted, not {rows}")
    return taken


def time_evidently(rows: int) -> float:
    """Processor seconds of Evidently's preset on the same rows."""
    bootstrap.load_explainer()  # with the imports, and without its warnings
    from evidently import Report  # noqa: PLC0415  after its adapter
    from evidently.presets import DataDriftPreset  # noqa: PLC0415

    from servicio_ml.adapters.evidently import frames  # noqa: PLC0415

    window = open_window()
    schema = window.artifact.encoder.schema
    matrix = np.concatenate([part for part, _ in read_blocks(window.read_chunks())])
    trained = window.artifact.encoder.encode_frame(
        read_rows(bootstrap.open_lake(load_settings()), window.info, "train")
    )
    now, then = (frames.build_rows(schema, each) for each in (matrix, trained))
    names = [each.name for each in schema.fields if each.name not in now.select_dtypes("datetime")]
    both = (frames.build_dataset(schema, now, names), frames.build_dataset(schema, then, names))
    del matrix, trained
    started = time.process_time()
    Report([DataDriftPreset()]).run(*both)
    taken = time.process_time() - started
    if len(now) != rows:
        raise SystemExit(f"{len(now)} rows were read, not {rows}")
    return taken


CASES = {"fill": fill, "ours": time_ours, "evidently": time_evidently}


def run_case(name: str, rows: int) -> float:
    """This script in a process of its own, which times itself."""
    words = [sys.executable, "-m", "benchmarks.drift", "--case", name, "--rows", str(rows)]
    _, output = run_child(words)
    return float(json.loads(output.splitlines()[-1]))


def build_command(name: str) -> ScoringCost:
    """A whole command with its imports."""
    started = time.perf_counter()
    memory, _ = run_child([*COMMAND, name, RAIN.name, *WINDOW])
    return ScoringCost(seconds=time.perf_counter() - started, memory=memory)


if __name__ == "__main__":
    main()
