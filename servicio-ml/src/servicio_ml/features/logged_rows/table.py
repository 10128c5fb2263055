"""Chunks of the prediction log as one Arrow table of decoded rows."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, repeat
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.prediction import Chunk, LabelledPrediction, format_prediction_ids
from servicio_ml.errors import LoggedRowsError
from servicio_ml.features.decoder import Column, decode_codes, decode_fields
from servicio_ml.features.encoder import Encoder
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
    convert_column,
    name_column,
)
from servicio_ml.features.outliers.outlier_model import OUTLIER_SCORE
from servicio_ml.features.output import POSITIVE

MICROSECONDS = 1_000_000
FLOAT32_BYTES = 4
Table = Any
"""Arrow table; pyarrow has no types."""


def build_table(
    chunks: Sequence[Chunk],
    versions: Mapping[int, LoggedVersion],
    columns: Any,
    truths: Mapping[str, LabelledPrediction],
) -> Table:
    """Decode chunks into a table, in their order.

    Args:
        chunks: Chunks of one model.
        versions: Versions by number, of at least these chunks.
        columns: Result of `build_columns` for these versions.
        truths: Ground truth by prediction id, also of other rows.

    Raises:
        LoggedRowsError: The rows are not those of their version.
    """
    by_version: dict[int, list[int]] = {}
    for i, chunk in enumerate(chunks):
        by_version.setdefault(chunk.version, []).append(i)
    tables = [
        _decode_version([chunks[i] for i in places], versions[number], columns, truths)
        for number, places in by_version.items()
    ]
    if len(tables) == 1:
        return tables[0]
    # each version is decoded at once; its rows then return to their places
    rows = np.array([chunk.rows for chunk in chunks])
    order = np.concatenate([np.repeat(places, rows[places]) for places in by_version.values()])
    return pa.concat_tables(tables).take(pa.array(np.argsort(order, kind="stable"))).combine_chunks()


def _decode_version(
    chunks: Sequence[Chunk], version: LoggedVersion, columns: Any, truths: Mapping[str, LabelledPrediction]
) -> Table:
    ids = list(chain.from_iterable(map(_list_ids, chunks)))
    matrix = _read_matrix(chunks, version)
    fields = decode_fields(version.schema, matrix)
    found = {
        ID: pa.array(ids, pa.string()),
        TIME: _build_times(chunks).cast(columns.field(TIME).type),
        VERSION: pa.array(np.full(len(ids), version.version, dtype=np.int64)),
        IDENTIFIER: pa.array(list(chain.from_iterable(map(_list_identifiers, chunks))), pa.string()),
        **{name_column(name): column for name, column in fields.items()},
        **_decode_answers(chunks, version),
        **_score_outliers(version, matrix),
        ACTUAL: _decode_actuals(version, [truths.get(each) for each in ids]),
    }
    arrays = [
        convert_column(found[each.name], each.type) if each.name in found else pa.nulls(len(ids), each.type)
        for each in columns
    ]
    return pa.Table.from_arrays(arrays, schema=columns)


def _score_outliers(version: LoggedVersion, matrix: npt.NDArray[np.float32]) -> dict[str, Column]:
    """Compute the outlier scores of logged rows: from the same numbers, so that none is stored."""
    if version.outliers is None:
        return {}
    whole = np.empty((len(matrix), len(version.schema.names)), dtype=np.float32)
    whole[:, : matrix.shape[1]] = matrix
    Encoder(version.schema).derive(whole)
    return {OUTLIER_SCORE: pa.array(version.outliers.compute_scores(whole))}


def _build_times(chunks: Sequence[Chunk]) -> Column:
    moments = np.array([round(chunk.at * MICROSECONDS) for chunk in chunks], dtype=np.int64)
    return pa.array(np.repeat(moments, [chunk.rows for chunk in chunks]))


def _read_matrix(chunks: Sequence[Chunk], version: LoggedVersion) -> npt.NDArray[np.float32]:
    width = len(version.schema.owners)
    # each chunk by itself: the sizes of two wrong ones could add up to a right one
    for chunk in chunks:
        if len(chunk.features) != chunk.rows * width * FLOAT32_BYTES:
            values = len(chunk.features) // (chunk.rows * FLOAT32_BYTES)
            problem = (
                f"they have {values} values each, and its schema {width}: the version is another one now"
            )
            raise LoggedRowsError(chunk.model, version.version, problem)
    joined = b"".join(chunk.features for chunk in chunks)
    return np.frombuffer(joined, dtype="<f4").reshape(-1, width)


def _list_ids(chunk: Chunk) -> Iterable[str]:
    places = np.frombuffer(chunk.places, dtype="<u4").tolist()
    first, last = places[0], places[-1]
    every = format_prediction_ids(chunk.key, first, last - first + 1)
    # with gaps when only a sample is logged
    return every if len(every) == len(places) else [every[place - first] for place in places]


def _list_identifiers(chunk: Chunk) -> Iterable[str | None]:
    return chunk.identifiers or repeat(None, chunk.rows)


def _decode_answers(chunks: Sequence[Chunk], version: LoggedVersion) -> dict[str, Column]:
    outcomes = np.frombuffer(b"".join(chunk.outcomes for chunk in chunks), dtype="<f8")
    labels = version.output.labels
    if not labels:
        return {PREDICTION: pa.array(outcomes)}
    answer = {PREDICTION: pa.array(outcomes.astype(np.int64)), LABEL: decode_codes(labels, outcomes)}
    joined = np.frombuffer(b"".join(chunk.probabilities for chunk in chunks), dtype="<f8")
    probabilities = joined.reshape(-1, len(labels))
    if version.is_binary:
        return {**answer, PROBABILITY: pa.array(probabilities[:, POSITIVE].copy())}
    each = [pa.array(column.copy()) for column in probabilities.T]
    return {**answer, PROBABILITIES: pa.StructArray.from_arrays(each, names=list(labels))}


def _decode_actuals(version: LoggedVersion, truths: Sequence[LabelledPrediction | None]) -> Column:
    values, labels = (
        np.array([np.nan if each is None else each.actual for each in truths]),
        version.output.labels,
    )
    return decode_codes(labels, values) if labels else pa.array(values, mask=np.isnan(values))
