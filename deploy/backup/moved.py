"""MLflow's embedded database names its artifacts by absolute paths, which change with the folder."""

import sqlite3
from contextlib import closing
from pathlib import Path

DATABASE = "mlflow.db"
COLUMNS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
SCHEMES = ("", "file://")


def move(state: Path, old: str, new: str) -> None:
    """Let the database of a restored folder name the artifacts where they are.

    Args:
        state: The folder that holds it now.
        old: The folder it was backed up from.
        new: The folder it will be in.
    """
    path = state / DATABASE
    if old == new or not path.is_file():
        return
    with closing(sqlite3.connect(path)) as connection, connection:
        for table, column in COLUMNS:
            for scheme in SCHEMES:
                connection.execute(
                    f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  our own names
                    f"WHERE substr({column}, 1, ?) = ?",
                    (scheme + new, len(scheme + old) + 1, len(scheme + old) + 1, f"{scheme}{old}/"),
                )
