"""Addresses of SQLite databases as SQLAlchemy reads them."""

from pathlib import Path

from sqlalchemy.engine import URL


def build_sqlite_url(database: Path) -> str:
    """Build the address of a SQLite database; its path must be absolute."""
    # `?`, `#` and `%` of a path would end or change the address. With the driver's name in it, MLflow does
    # not take the quoted path for a folder to create.
    return URL.create("sqlite+pysqlite", database=str(database)).render_as_string()
