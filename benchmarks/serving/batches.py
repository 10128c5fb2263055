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
from benchmarks.serving.load import RefusedError
from benchmarks.serving.model import BATCH_ROWS, Floats
from benchmarks.serving.processes import OK, post
from benchmarks.serving.servers import ARROW, JSON, PEERS, Body, Read, arrow, columns, ours, records
from benchmarks.serving.stand import Stand, Up, same

ALL = slice(0, BATCH_ROWS)
PEERS_WITH_BATCHES = ("mlflow", "mlserver-lightgbm")
RAW = "ONNX Runtime alone, one thread"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One way to send many rows."""

    name: str
    up: Up
    path: str
    body: bytes
    content_type: str
    read: Callable[[bytes], Floats]


def measure(stand: Stand, names: set[str], rounds: int) -> dict[str, list[float]]:
    """Rows per second of each case in each round, and of the model alone on the servers' processor.

    Args:
        stand: Where.
        names: Of the peers that may take part.
        rounds: Of all cases in turn.

    Raises:
        RefusedError: An answer is wrong.
    """
    found: dict[str, list[float]] = {}
    before = os.sched_getaffinity(0)
    try:
        with ExitStack() as stack:
            cases = _cases(stand, stack, names)
            for turn in range(1 + rounds):
                rates = {RAW: _raw(stand)}
                os.sched_setaffinity(0, {int(stand.client)})
                rates |= {case.name: _rate(stand, case) for case in cases}
                if turn:  # what the first request loads is not measured
                    for name, rate in rates.items():
                        found.setdefault(name, []).append(rate)
    finally:
        os.sched_setaffinity(0, before)
    return found


def _cases(stand: Stand, stack: ExitStack, names: set[str]) -> list[Case]:
    mine = stack.enter_context(stand.up(ours(1), stand.server))
    path = f"{mine.server.path}/batch"

    def own(name: str, body: Body, content_type: str, read: Callable[[bytes], Floats]) -> Case:
        made = body(stand.models, ALL)
        return Case(name=name, up=mine, path=path, body=made, content_type=content_type, read=read)

    cases = [
        own("JSON records", records, JSON, _records),
        own("JSON columns", columns, JSON, _columns),
        own("Arrow", arrow, ARROW, _arrow),
    ]
    for server in PEERS:
        if server.read is not None and server.name in names.intersection(PEERS_WITH_BATCHES):
            up, body = stack.enter_context(stand.up(server, stand.server)), server.body(stand.models, ALL)
            read = partial(_read, server.read)
            cases.append(
                Case(name=server.title, up=up, path=server.path, body=body, content_type=JSON, read=read)
            )
    for case in cases:
        case.up.running.hold()
    return cases


def _rate(stand: Stand, case: Case) -> float:
    case.up.running.go_on()
    begun = time.perf_counter()
    status, text = post(case.up.running.port, case.path, case.body, case.content_type)
    taken = time.perf_counter() - begun
    case.up.running.hold()
    if status != OK:
        raise RefusedError(f"{case.name}: {status}: {text[:300]!r}")
    same(case.name, case.read(text), stand.expected(case.up.server.kind))
    return BATCH_ROWS / taken


def _raw(stand: Stand) -> float:
    os.sched_setaffinity(0, {int(stand.server)})
    begun = time.perf_counter()
    stand.models.artifact.scores(stand.models.matrix)
    return BATCH_ROWS / (time.perf_counter() - begun)


def _read(read: Read, text: bytes) -> Floats:
    return read(json.loads(text))


def _records(text: bytes) -> Floats:
    return np.array([row["probability"] for row in json.loads(text)["predictions"]])


def _columns(text: bytes) -> Floats:
    return np.array(json.loads(text)["predictions"]["probability"])


def _arrow(text: bytes) -> Floats:
    table = pa.ipc.open_stream(io.BytesIO(text)).read_all()
    return np.asarray(table["probability"])


def medians(found: dict[str, list[float]]) -> dict[str, float]:
    return {name: statistics.median(rates) for name, rates in found.items()}
