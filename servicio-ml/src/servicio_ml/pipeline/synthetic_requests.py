"""Rows of a raw file, synthetic or real, as requests to the model of its use case."""

import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl

from servicio_ml.domain.fields.identifier import IDENTIFIER
from servicio_ml.domain.use_case import UseCase
from servicio_ml.pipeline.etl.staging import stage
from servicio_ml.pipeline.reading.input_file import copy_input_file
from servicio_ml.pipeline.reading.raw_file import read_rows
from servicio_ml.pipeline.reading.transform import ROW_IDENTIFIER


def read_typed_records(use_case: UseCase, source: Path, names: Sequence[str]) -> list[dict[str, Any]]:
    """Read the usable rows of a raw file, by field name and typed as in a JSON request.

    Args:
        use_case: Use case of the file.
        source: The raw file.
        names: Fields that the model takes, and `IDENTIFIER` if its rows have one; a field that the file lacks
            is left out.

    Raises:
        DataError: The file cannot be read, or no row of it can be used.
    """
    with tempfile.TemporaryDirectory(prefix="servicio-ml-sample-") as folder:
        snapshot = copy_input_file(source, source.name, Path(folder))
        staged = stage(snapshot, read_rows(snapshot, use_case), use_case, date.max)
        sources = {column.field.name: column.field.name for column in staged.plan.columns}
        if use_case.identifier:
            sources[IDENTIFIER] = ROW_IDENTIFIER
        present = [pl.col(column).alias(name) for name, column in sources.items() if name in names]
        rows = staged.kept.select(present).collect().to_dicts()
    return [
        {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}
        for row in rows
    ]
