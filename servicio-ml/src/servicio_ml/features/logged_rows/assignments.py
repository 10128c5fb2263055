"""Assignments and outcomes of an experiment as a table: which version answered, and what became of it."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa

from servicio_ml.domain.experiments.experiment import Experiment
from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.domain.prediction import LabelledPrediction, Purpose
from servicio_ml.features.logged_rows.columns import (
    ACTUAL,
    ID,
    LABEL,
    PREDICTION,
    PROBABILITIES,
    PROBABILITY,
    TIME,
    VERSION,
    LoggedVersion,
    build_columns,
)
from servicio_ml.features.logged_rows.read import BLOCK_ROWS, PredictionTables, TruthWindow
from servicio_ml.features.logged_rows.table import MICROSECONDS, Table, build_table
from servicio_ml.features.window_drift import merge_chunks

PHASE, SHARE, ACTUAL_TIME = "phase", "share", "actual_time"
KEPT = (ID, TIME, VERSION, IDENTIFIER, PREDICTION, LABEL, PROBABILITY, PROBABILITIES, ACTUAL)
ADDED = ((PHASE, pa.int64()), (SHARE, pa.float64()), (ACTUAL_TIME, pa.timestamp("us", "UTC")))


def open_assignments(
    log: PredictionLog, experiment: Experiment, now: float, load: Callable[[int], LoggedVersion]
) -> PredictionTables:
    """Open the answers of an experiment, the oldest first.

    A row has its prediction, as in the logged predictions, and: the number of the phase, from 0; the share of
    the clients that its version had in it; and when the ground truth was received.

    Args:
        log: Prediction log.
        experiment: Experiment.
        now: Time in seconds since 1970.
        load: Loads a version.

    Raises:
        NoSuchModelError: A version is not registered any more.
        LogError: The log cannot be read; also from the tables.
    """
    versions = {version: load(version) for version in experiment.versions}
    columns = build_columns(experiment.model, list(versions.values()))
    kept = [columns.field(name) for name in KEPT if name in columns.names]
    added = [pa.field(name, kind) for name, kind in ADDED]
    tables = _read_tables(log, experiment, now, versions, columns)
    return PredictionTables(columns=pa.schema([*kept, *added], columns.metadata), tables=tables)


def _read_tables(
    log: PredictionLog,
    experiment: Experiment,
    now: float,
    versions: Mapping[int, LoggedVersion],
    columns: Any,
) -> Iterator[Table]:
    window = (experiment.model, experiment.since, now if experiment.ended_at is None else experiment.ended_at)
    chunks = (chunk for chunk in log.read_chunks(*window, (Purpose.CANARY,)) if chunk.version in versions)
    truths = TruthWindow(log.read_ground_truth(*window))
    for block in merge_chunks(chunks, BLOCK_ROWS):
        end = block[-1].at
        found = truths.read_until(end)
        table = build_table(block, versions, columns, found)
        times = np.repeat([chunk.at for chunk in block], [chunk.rows for chunk in block])
        yield _add_columns(table, experiment, times.tolist(), found)
        truths.drop_before(end)


def _add_columns(
    table: Table, experiment: Experiment, times: Sequence[float], truths: Mapping[str, LabelledPrediction]
) -> Table:
    phases = [experiment.find_phase(at) for at in times]
    versions = table[VERSION].to_pylist()
    received = [truths.get(each) for each in table[ID].to_pylist()]
    values = (
        phases,
        [
            None if phase is None else experiment.get_share(version, phase)
            for version, phase in zip(versions, phases, strict=True)
        ],
        [None if each is None else round(each.at * MICROSECONDS) for each in received],
    )
    table = table.select([name for name in KEPT if name in table.column_names])
    for (name, kind), each in zip(ADDED, values, strict=True):
        table = table.append_column(pa.field(name, kind), pa.array(each, kind))
    return table
