"""Ten thousand rows a request."""

import io
import json
import os
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa
from benchmarks.serving.load import MeasurementError
from benchmarks.serving.model import BATCH_ROWS, Floats
from benchmarks.serving.processes import OK, post
from benchmarks.serving.rounds import leave_out, start_or_leave_out
from benchmarks.serving.servers import (
    ARROW,
    JSON,
    PEERS,
    Body,
    Read,
    build_arrow,
    build_columns,
    build_our_server,
    build_records,
)
from benchmarks.serving.stand import Stand, Up, check_answers

ALL = slice(0, BATCH_ROWS)
PEERS_WITH_BATCHES = ("mlflow", "mlserver-lightgbm")
RAW = "ONNX Runtime alone, one thread"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchCase:
    """One way to send many rows."""

    name: str
    up: Up
    path: str
    body: bytes
    content_type: str
    read: Callable[[bytes], Floats]


def measure(stand: Stand, names: set[str], rounds: int) -> dict[str, list[float]]:
    """Rows per second of each batch_case in each round, and of the model alone on the servers' processor.

    Args:
        stand: Machine and folders to measure with.
        names: Names of the peers that may take part.
        rounds: Number of rounds; each measures all cases in turn.

    Raises:
        MeasurementError: An answer is wrong.
    """
    found: dict[str, list[float]] = {}
    before = os.sched_getaffinity(0)
    try:
        with ExitStack() as stack:
            cases = _list_cases(stand, stack, names)
            for turn in range(1 + rounds):
                rates = {RAW: _measure_raw(stand)}
                os.sched_setaffinity(0, {int(stand.client)})
                rates |= _compute_rates(stand, cases)
                if turn:  # what the first request loads is not measured
                    for name, rate in rates.items():
                        found.setdefault(name, []).append(rate)
    finally:
        os.sched_setaffinity(0, before)
    return found


def _list_cases(stand: Stand, stack: ExitStack, names: set[str]) -> list[BatchCase]:
    mine = stack.enter_context(stand.start(build_our_server(1), stand.server))
    path = f"{mine.server.path}/batch"

    def build_own_case(
        name: str, body: Body, content_type: str, read: Callable[[bytes], Floats]
    ) -> BatchCase:
        made = body(stand.models, ALL)
        return BatchCase(name=name, up=mine, path=path, body=made, content_type=content_type, read=read)

    cases = [
        build_own_case("JSON records", build_records, JSON, _build_records_body),
        build_own_case("JSON columns", build_columns, JSON, _list_columns),
        build_own_case("Arrow", build_arrow, ARROW, _build_arrow_body),
    ]
    for server in PEERS:
        if server.read is not None and server.name in names.intersection(PEERS_WITH_BATCHES):
            up = start_or_leave_out(stack, stand, server)
            if up is None:
                continue
            body, read = server.body(stand.models, ALL), partial(_read, server.read)
            cases.append(
                BatchCase(name=server.title, up=up, path=server.path, body=body, content_type=JSON, read=read)
            )
    for batch_case in cases:
        batch_case.up.running.hold()
    return cases


def _compute_rates(stand: Stand, cases: list[BatchCase]) -> dict[str, float]:
    """Rows per second of each case; one of a peer that fails is left out."""
    found = {}
    for batch_case in cases:
        try:
            found[batch_case.name] = _compute_rate(stand, batch_case)
        except (MeasurementError, OSError) as error:
            leave_out(batch_case.up.server, error)
    return found


def _compute_rate(stand: Stand, batch_case: BatchCase) -> float:
    batch_case.up.running.resume()
    started = time.perf_counter()
    status, text = post(batch_case.up.running.port, batch_case.path, batch_case.body, batch_case.content_type)
    taken = time.perf_counter() - started
    batch_case.up.running.hold()
    if status != OK:
        raise MeasurementError(f"{batch_case.name}: {status}: {text[:300]!r}")
    check_answers(batch_case.name, batch_case.read(text), stand.compute_expected(batch_case.up.server.kind))
    return BATCH_ROWS / taken


def _measure_raw(stand: Stand) -> float:
    os.sched_setaffinity(0, {int(stand.server)})
    model, matrix = stand.models.onnx, stand.models.matrix
    started = time.perf_counter()
    model.score(matrix)
    return BATCH_ROWS / (time.perf_counter() - started)


def _read(read: Read, text: bytes) -> Floats:
    return read(json.loads(text))


def _build_records_body(text: bytes) -> Floats:
    return np.array([row["probability"] for row in json.loads(text)["predictions"]])


def _list_columns(text: bytes) -> Floats:
    return np.array(json.loads(text)["predictions"]["probability"])


def _build_arrow_body(text: bytes) -> Floats:
    table = pa.ipc.open_stream(io.BytesIO(text)).read_all()
    return np.asarray(table["probability"])


def compute_medians(found: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(rates) for name, rates in found.items()}
