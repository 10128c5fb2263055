"""Artifact locations in MLflow's embedded database, which are absolute and change with the state folder."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import unquote

DATABASE, ARTIFACTS = "mlflow.db", "mlflow-artifacts"
FILE_SCHEME = "file://"
LOCATIONS = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "storage_location"),
    ("model_versions", "source"),
)
"""Tables and columns that hold the address of an artifact."""


def relocate_artifacts(state: Path) -> str:
    """Let the database of a state folder name its artifacts below this folder.

    Args:
        state: Absolute path of the state folder.

    Returns:
        The folder that the database named before; empty when nothing had to be changed.
    """
    address = state.as_uri()
    with closing(sqlite3.connect(state / DATABASE)) as connection, connection:
        former = next(_list_former_addresses(connection, address), "")
        for table, column in LOCATIONS if former else ():
            connection.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) "  # noqa: S608  our own names
                f"WHERE substr({column}, 1, ?) = ?",
                (address, len(former) + 1, len(former) + 1, f"{former}/"),
            )
    return unquote(former.removeprefix(FILE_SCHEME))


def _list_former_addresses(connection: sqlite3.Connection, address: str) -> Iterator[str]:
    for name, location in connection.execute("SELECT name, artifact_location FROM experiments"):
        # experiments of a server have a location of another form, which does not name the folder
        former = str(location).removesuffix(f"/{ARTIFACTS}/{name}")
        if former.startswith(FILE_SCHEME) and former not in {address, location}:
            yield former
