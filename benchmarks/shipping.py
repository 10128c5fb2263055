"""Shipping predictions to PostgreSQL: the project's COPY encoder beside psycopg's and ADBC's.

    PYTHONPATH=tests python -m benchmarks.shipping

Each encoder brings the same chunks to the table as the journal maintainer does: COPY into a temporary table,
then INSERT … ON CONFLICT DO NOTHING, in one transaction. Medians of interleaved rounds. Processor time is
that of this process, which answers requests meanwhile. Starts a temporary PostgreSQL; ADBC is measured if
`adbc-driver-postgresql` is installed. Prints a Markdown table.
"""

import statistics
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any
from uuid import UUID

import numpy as np
import psycopg
import pyarrow as pa

from prediction_chunks import NOW, build_chunk
from servers import start_postgres_server
from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase, PgConnection
from servicio_ml.adapters.prediction_log.postgres.pg_binary import build_ids, build_packed_dtype, to_timestamp
from servicio_ml.adapters.prediction_log.postgres.shipper import (
    COPY,
    CREATE_INCOMING,
    INSERT_INCOMING,
    _copy_chunks,
)
from servicio_ml.domain.prediction import Chunk
from servicio_ml.errors import LogError

ROUNDS = 5
WIDTH, CLASSES = 20, 2
MICROSECONDS = 1e6
START_ATTEMPTS = 100
ADBC = "adbc_driver_postgresql"
COLUMN_TYPES = [
    "uuid",
    "timestamptz",
    "text",
    "int4",
    "text",
    "text",
    "float4[]",
    "float8",
    "float8[]",
    "bytea",
]
LOADS = {"4,096 chunks of 1 row": (4096, 1), "8 chunks of 4,096 rows": (8, 4096)}

Encoder = Callable[[Sequence[Chunk]], None]


def build_rows(chunks: Sequence[Chunk]) -> Iterator[tuple[object, ...]]:
    """The rows of chunks as psycopg takes them."""
    for each in chunks:
        ids, packed = build_ids_of(each), build_packed(each)
        features = np.frombuffer(each.features, "<f4").reshape(each.rows, -1).tolist()
        probabilities = np.frombuffer(each.probabilities, "<f8").reshape(each.rows, -1).tolist()
        outcomes = np.frombuffer(each.outcomes, "<f8").tolist()
        at, protocol, purpose = to_timestamp(each.at), str(each.protocol), str(each.purpose)
        for i in range(each.rows):
            yield (
                UUID(bytes=ids[i].tobytes()), at, each.model, each.version, protocol, purpose, features[i],
                outcomes[i], probabilities[i], packed[i].tobytes(),
            )  # fmt: skip


def build_ids_of(each: Chunk) -> Any:
    keys = np.frombuffer(each.key * each.rows, np.uint8).reshape(each.rows, -1)
    return build_ids(np.frombuffer(each.places, "<u4"), keys)


def build_packed(each: Chunk) -> Any:
    table = np.empty(each.rows, build_packed_dtype(WIDTH, CLASSES))
    table["features"] = np.frombuffer(each.features, "<f4").reshape(each.rows, -1)
    table["outcome"] = np.frombuffer(each.outcomes, "<f8")
    table["probabilities"] = np.frombuffer(each.probabilities, "<f8").reshape(each.rows, -1)
    return table


def build_table(chunks: Sequence[Chunk]) -> pa.Table:
    """The rows of chunks as ADBC takes them."""
    counts = [each.rows for each in chunks]
    rows = sum(counts)

    def join(name: str) -> bytes:
        return b"".join(getattr(each, name) for each in chunks)

    def repeat(values: Sequence[object], kind: pa.DataType) -> pa.Array:
        return pa.array(np.repeat(np.array(values), counts), kind)

    def split(values: bytes, dtype: str, width: int) -> pa.Array:
        offsets = np.arange(0, rows * width + 1, width, dtype=np.int32)
        return pa.ListArray.from_arrays(pa.array(offsets), pa.array(np.frombuffer(values, dtype)))

    def cut(values: bytes) -> pa.Array:
        kind = pa.binary(len(values) // rows)
        return pa.FixedSizeBinaryArray.from_buffers(kind, rows, [None, pa.py_buffer(values)]).cast(
            pa.binary()
        )

    keys = np.repeat(np.frombuffer(join("key"), np.uint8).reshape(len(chunks), -1), counts, axis=0)
    return pa.table({
        "prediction_id": cut(build_ids(np.frombuffer(join("places"), "<u4"), keys).tobytes()),
        "at": repeat([round(each.at * MICROSECONDS) for each in chunks], pa.timestamp("us", "UTC")),
        "model": repeat([each.model for each in chunks], pa.string()),
        "version": repeat([each.version for each in chunks], pa.int32()),
        "protocol": repeat([str(each.protocol) for each in chunks], pa.string()),
        "purpose": repeat([str(each.purpose) for each in chunks], pa.string()),
        "features": split(join("features"), "<f4", WIDTH),
        "outcome": pa.array(np.frombuffer(join("outcomes"), "<f8")),
        "probabilities": split(join("probabilities"), "<f8", CLASSES),
        "packed": cut(np.concatenate([build_packed(each) for each in chunks]).tobytes()),
    })  # fmt: skip


def create_own(connection: PgConnection) -> Encoder:
    """The project's: rows are filled into a template by NumPy."""

    def send(chunks: Sequence[Chunk]) -> None:
        with connection.transaction():
            _copy_chunks(chunks, connection)

    return send


def create_psycopg(connection: PgConnection) -> Encoder:
    """Psycopg's binary COPY, a value at a time."""

    def send(chunks: Sequence[Chunk]) -> None:
        with connection.transaction(), connection.cursor() as cursor:
            cursor.execute(CREATE_INCOMING)
            with cursor.copy(COPY.encode()) as copy:
                copy.set_types(COLUMN_TYPES)
                for row in build_rows(chunks):
                    copy.write_row(row)
            cursor.execute(INSERT_INCOMING.encode())

    return send


def create_adbc(url: str) -> Encoder:
    """ADBC's bulk ingestion of an Arrow table, over a connection of its own."""
    import adbc_driver_postgresql.dbapi as adbc  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

    connection = adbc.connect(url)

    def send(chunks: Sequence[Chunk]) -> None:
        with connection.cursor() as cursor:
            cursor.execute(CREATE_INCOMING)
            cursor.adbc_ingest("incoming", build_table(chunks), mode="append", temporary=True)
            cursor.execute(INSERT_INCOMING)
        connection.commit()

    return send


def measure(send: Encoder, count: int, rows: int) -> tuple[float, float]:
    """Elapsed and processor time of one transaction, in microseconds a row."""
    chunks = [build_chunk(NOW + i, rows, width=WIDTH, classes=CLASSES) for i in range(count)]
    start, cpu_start = time.perf_counter(), time.process_time()
    send(chunks)
    elapsed, cpu = time.perf_counter() - start, time.process_time() - cpu_start
    return elapsed / (count * rows) * MICROSECONDS, cpu / (count * rows) * MICROSECONDS


def main() -> None:
    print("| load | encoder | elapsed, µs a row | processor time of the process, µs a row |")
    print("|---|---|---|---|")
    with start_postgres_server() as server:
        url = server.build_url()
        database = LogDatabase(url)
        # a server that has just started refuses its first connections
        pause = threading.Event()
        for _ in range(START_ATTEMPTS):
            try:
                database.run_in_transaction(lambda _: None)
                break
            except LogError:
                pause.wait(0.2)
        connection = psycopg.connect(url, autocommit=True, prepare_threshold=None)
        encoders = {"own": create_own(connection), "psycopg": create_psycopg(connection)}
        if find_spec(ADBC):
            encoders["ADBC"] = create_adbc(url)
        for load, (count, rows) in LOADS.items():
            times: dict[str, list[tuple[float, float]]] = {name: [] for name in encoders}
            for _ in range(ROUNDS):
                for name, send in encoders.items():
                    times[name].append(measure(send, count, rows))
                    connection.execute("TRUNCATE prediction")
            for name, pairs in times.items():
                elapsed, cpu = (statistics.median(each) for each in zip(*pairs, strict=True))
                print(f"| {load} | {name} | {elapsed:.1f} | {cpu:.1f} |")
        connection.close()


if __name__ == "__main__":
    main()
