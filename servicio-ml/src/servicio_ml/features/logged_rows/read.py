"""Reading of the logged predictions of a window, in blocks of decoded rows with their ground truth."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.domain.prediction import Chunk, LabelledPrediction, Purpose
from servicio_ml.errors import LoggedRowsError, NoSuchModelError
from servicio_ml.features.logged_rows.columns import LoggedVersion, build_columns
from servicio_ml.features.logged_rows.table import Table, build_table
from servicio_ml.features.window_drift import merge_chunks

ANSWERS = (Purpose.ANSWER, Purpose.CANARY)
"""Purposes of the predictions that clients have received."""
BLOCK_ROWS = 4096
"""Minimum number of rows of a block: decoding it holds no other request up for long."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionQuery:
    """Selection of logged predictions.

    Attributes:
        model: Name of the model.
        start: Start of the window, in seconds since 1970, inclusive.
        end: End of the window, in seconds since 1970, exclusive.
        version: Version of the model; all of them when None.
        limit: Maximum number of rows, of which the oldest are read; all of them when None.
    """

    model: str
    start: float
    end: float
    version: int | None = None
    limit: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionTables:
    """Decoded predictions.

    Attributes:
        columns: Arrow schema of the tables, see `build_columns`.
        tables: Tables, the oldest rows first; the next one is read when it is asked for.
    """

    columns: Any
    tables: Iterator[Table]


def open_predictions(
    log: PredictionLog, query: PredictionQuery, newest: int, load: Callable[[int], LoggedVersion]
) -> PredictionTables:
    """Open the predictions of a window with their ground truth.

    The columns are those of the versions that have answered in it.

    Args:
        log: Prediction log.
        query: Selection.
        newest: Version whose columns a window without rows has.
        load: Loads a version; raises `NoSuchModelError` for one that is not registered any more.

    Raises:
        NoSuchModelError: The version that is asked for is unknown.
        LogError: The log cannot be read.
        LoggedRowsError: A version of the window is unknown; also from the tables, which may find another one.
    """
    if query.version is not None:
        versions = [load(query.version)]
    else:
        answering = sorted(log.list_versions(query.model, query.start, query.end, ANSWERS))
        versions = [_load_logged(query.model, each, load) for each in answering] or [load(newest)]
    columns = build_columns(query.model, versions)
    tables = _read_tables(log, query, {each.version: each for each in versions}, columns)
    return PredictionTables(columns=columns, tables=tables)


def _load_logged(model: str, version: int, load: Callable[[int], LoggedVersion]) -> LoggedVersion:
    try:
        return load(version)
    except NoSuchModelError as error:
        problem = "it is not registered any more, so that its fields are unknown; ask for others by a version"
        raise LoggedRowsError(model, version, f"{problem}, or for another time") from error


def _read_tables(
    log: PredictionLog, query: PredictionQuery, versions: Mapping[int, LoggedVersion], columns: Any
) -> Iterator[Table]:
    chunks = log.read_chunks(query.model, query.start, query.end, ANSWERS)
    if query.version is not None:
        chunks = (chunk for chunk in chunks if chunk.version == query.version)
    truths = TruthWindow(log.read_ground_truth(query.model, query.start, query.end))
    left = query.limit
    for block in merge_chunks(chunks, BLOCK_ROWS):
        _check_versions(block, versions)
        end = block[-1].at
        table = build_table(block, versions, columns, truths.read_until(end))
        truths.drop_before(end)
        if left is None:
            yield table
            continue
        yield table.slice(0, left)
        left -= len(table)
        if left <= 0:
            return


def _check_versions(block: Sequence[Chunk], known: Mapping[int, LoggedVersion]) -> None:
    for chunk in block:
        if chunk.version not in known:
            # the columns are those of the versions that were there at the start
            problem = "it is new since the others are being read; read the window again"
            raise LoggedRowsError(chunk.model, chunk.version, problem)


@dataclass(slots=True)
class TruthWindow:
    """Ground truth near the rows that are being read: both are read in the order of the predictions."""

    labelled: Iterator[LabelledPrediction]
    found: dict[str, LabelledPrediction] = field(default_factory=dict)
    following: LabelledPrediction | None = None

    def read_until(self, end: float) -> Mapping[str, LabelledPrediction]:
        """Return the ground truth by id of the predictions up to a time, inclusive."""
        while (each := self.following or next(self.labelled, None)) is not None:
            if each.prediction.at > end:
                self.following = each
                break
            self.found[each.prediction.id], self.following = each, None
        return self.found

    def drop_before(self, start: float) -> None:
        """Forget the ground truth of predictions before a time, whose rows have been read."""
        self.found = {key: each for key, each in self.found.items() if each.prediction.at >= start}
