"""`servicio-ml predictions`: the logged predictions of a window, decoded."""

import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from servicio_ml.cli.options import (
    AnsweringVersion,
    Debug,
    PredictionsFile,
    RowLimit,
    Since,
    Until,
    UseCaseName,
)
from servicio_ml.cli.prediction_log.versions import list_registered_versions, load_logged_version
from servicio_ml.cli.session import CommandSession, open_session
from servicio_ml.errors import OutputError, format_names

if TYPE_CHECKING:
    from servicio_ml.domain.ports.registry import Registry
    from servicio_ml.features.logged_rows.formats import TableFormat
    from servicio_ml.features.logged_rows.read import PredictionQuery, PredictionTables


def write_predictions(
    name: UseCaseName,
    since: Since = "24h",
    until: Until = "",
    version: AnsweringVersion = None,
    limit: RowLimit = None,
    output: PredictionsFile = None,
    debug: Debug = False,
) -> None:
    """Write the logged predictions of a window: fields, answers and the ground truth that is known.

    A file is written as a whole or not at all. The columns are those of all versions that have answered.
    """
    with open_session(as_json=False, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.features.logged_rows.read import PredictionQuery
        from servicio_ml.serving.window import parse_period

        table_format = select_format(output)
        start, end = parse_period(since, until, time.time())
        _, registry = bootstrap.connect_mlflow(here.settings)
        query = PredictionQuery(model=name, start=start, end=end, version=version, limit=limit)
        opened = _open_predictions(here, registry, query)
        counted = CountedTables(opened.tables)
        write_predicted(opened.columns, counted, table_format, output)
        _report(here, name, counted.rows, output)


@dataclass(slots=True)
class CountedTables:
    """Tables whose rows are counted as they pass."""

    tables: Iterable[Any]
    rows: int = field(default=0)

    def __iter__(self) -> Iterator[Any]:
        for table in self.tables:
            self.rows += len(table)
            yield table


def select_format(output: Path | None) -> "TableFormat":
    """Select the format of a file by its suffix.

    Raises:
        OutputError: No format has it.
    """
    from servicio_ml.features.logged_rows.formats import CSV, FORMATS

    if output is None:
        return CSV
    for each in FORMATS:
        if output.suffix.lower() in each.suffixes:
            return each
    known = [suffix for each in FORMATS for suffix in each.suffixes]
    raise OutputError(output, f"its suffix is {output.suffix!r}, not one of {format_names(known)}")


def _open_predictions(
    here: CommandSession, registry: "Registry", query: "PredictionQuery"
) -> "PredictionTables":
    from servicio_ml import bootstrap
    from servicio_ml.features.logged_rows.read import open_predictions

    newest = list_registered_versions(registry, query.model)[0].version
    log = bootstrap.open_prediction_log(here.settings)
    return open_predictions(log, query, newest, partial(load_logged_version, registry, query.model))


def write_predicted(
    columns: Any, tables: Iterable[Any], table_format: "TableFormat", output: Path | None
) -> None:
    """Write tables to a file as a whole or not at all, or to standard output."""
    from servicio_ml import bootstrap
    from servicio_ml.features.logged_rows.formats import write_tables

    pieces = write_tables(tables, columns, table_format)
    if output is not None:
        with bootstrap.write_atomically(output) as temporary, temporary.open("wb") as file:
            file.writelines(pieces)
        return
    try:
        _write_to(sys.stdout.buffer, pieces)
    except BrokenPipeError:
        # the reader has enough, such as `head`; Python would complain once more when it flushes at the end
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _write_to(file: IO[bytes], pieces: Iterable[bytes]) -> None:
    file.writelines(pieces)
    file.flush()


def _report(here: CommandSession, name: str, rows: int, output: Path | None) -> None:
    if not rows:
        place = "the output" if output is None else str(output)
        here.progress.warn(f"no prediction of {name} is logged in the window; {place} has no rows")
    elif output is not None:
        here.print_line(f"{rows:,} predictions of {name} in {output}")
