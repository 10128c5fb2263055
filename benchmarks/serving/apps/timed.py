"""Our server with a clock around each step of a request: what `benchmarks/steps.py` loads.

The workers are spawned from this file, so that they have the clocks too. A worker writes the times of its
steps to `$BENCHMARK_STEPS` when it ends.
"""

import gc
import os
import time
from array import array
from collections import defaultdict
from functools import wraps
from pathlib import Path
from typing import Any

from servicio_ml.adapters.prediction_log.journal import SqliteJournal
from servicio_ml.api.protocol import FastPathProtocol
from servicio_ml.features.encoder import Encoder
from servicio_ml.features.output import OutputTransform
from servicio_ml.features.runtimes.tree_scorer import TreeScorer
from servicio_ml.serving.gateway import Gateway
from servicio_ml.serving.models.bin_counts import BinCounts
from servicio_ml.serving.models.request_decoder import Decoder
from servicio_ml.serving.prediction.predictor import Predictor
from servicio_ml.serving.prediction.recorder import Recorder

STEPS = (
    (FastPathProtocol, "data_received", "HTTP: parse, dispatch"),
    (Gateway, "handle_fast", "gateway: key, limits, target"),
    (Decoder, "decode_record", "decode and validate"),
    (Predictor, "_score_pending", "collect the requests of a turn"),
    (Encoder, "derive", "derived columns"),
    (TreeScorer, "score", "model"),
    (OutputTransform, "transform", "calibration and threshold"),
    (Recorder, "log", "log chunk"),
    (SqliteJournal, "write", "journal: commit"),
    (Recorder, "count", "metrics"),
    (BinCounts, "add", "drift counts"),
    (FastPathProtocol, "_respond", "write the response"),
    (Gateway, "record_call", "access log, request counts"),
)
"""Class, method and name of each step."""
COLLECTOR = "garbage collector"
times: "dict[str, array[float]]" = defaultdict(lambda: array("d"))
"""Seconds of each step without those of the steps within it."""
nested: list[float] = []
"""Seconds of the steps within each step that is open."""


def measure_step(kind: type, method: str, name: str) -> None:
    """Put a clock around a method."""
    original, clock, own = getattr(kind, method), time.perf_counter, times[name]

    @wraps(original)
    def run(*arguments: Any, **options: Any) -> Any:
        nested.append(0.0)
        started = clock()
        try:
            return original(*arguments, **options)
        finally:
            taken = clock() - started
            own.append(taken - nested.pop())
            if nested:
                nested[-1] += taken

    setattr(kind, method, run)


def watch_collector() -> None:
    """Measure the pauses of the garbage collector, which are part of the steps that they interrupt."""
    started = 0.0

    def note(phase: str, _: object) -> None:
        nonlocal started
        if phase == "start":
            started = time.perf_counter()
        elif times[STEPS[0][-1]]:  # not while the server starts
            times[COLLECTOR].append(time.perf_counter() - started)

    gc.callbacks.append(note)


def write_times() -> None:
    """Write what was measured; nothing by a process that has served no request."""
    if times[STEPS[0][-1]]:
        path = Path(os.environ["BENCHMARK_STEPS"]) / str(os.getpid())
        path.mkdir()
        for number, (name, values) in enumerate(times.items()):
            (path / f"{number:02d} {name.replace('/', ' ')}").write_bytes(values.tobytes())


def close_timed(self: Predictor) -> None:
    """Close the predictor of a worker that ends, and write the times."""
    close(self)
    write_times()


close = Predictor.close
for step in STEPS:
    measure_step(*step)
watch_collector()
# not when the process exits: uvicorn ends it by a signal
Predictor.close = close_timed  # type: ignore[method-assign]

if __name__ == "__main__":
    from servicio_ml.cli import main

    main()
