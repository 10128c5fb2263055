"""Look-alike rows as requests: what a raw file of a use case would ask its model."""

import tempfile
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

from servicio_ml.domain.use_case import UseCase
from servicio_ml.pipeline.ingest import read_rows, take_snapshot
from servicio_ml.pipeline.staging import stage


def typed_records(use_case: UseCase, source: Path, fields: Sequence[str]) -> list[dict[str, Any]]:
    """The rows of a raw file that can be used, by field name and typed as in a JSON request.

    Args:
        use_case: Whose file it is.
        source: The raw file.
        fields: Those that the model takes; one that the file lacks is left out.

    Raises:
        DataError: The file cannot be read, or no row of it can be used.
    """
    with tempfile.TemporaryDirectory(prefix="servicio-ml-sample-") as folder:
        snapshot = take_snapshot(source, source.name, Path(folder))
        staged = stage(snapshot, read_rows(snapshot, use_case), use_case, date.max)
        present = [column.field.name for column in staged.plan.columns if column.field.name in fields]
        rows = staged.kept.select(present).collect().to_dicts()
    return [
        {name: value.isoformat() if isinstance(value, date) else value for name, value in row.items()}
        for row in rows
    ]
