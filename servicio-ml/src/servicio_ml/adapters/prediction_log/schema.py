"""Schema revisions of the stores, and their upgrade by Alembic.

Alembic and SQLAlchemy take 0.2 s and 20 MB, so they are imported only when a store needs an upgrade.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

VERSION_TABLE = "servicio_ml_log_version"
"""Not Alembic's default name: MLflow, or another program with Alembic, may share the database."""
READ_REVISION = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608  a constant


class StoreKind(StrEnum):
    """Kind of a store; also the name of the folder of its migrations."""

    JOURNAL = "journal"
    LABELS = "labels"
    DECISIONS = "decisions"
    POSTGRES = "postgres"


REVISIONS = {
    StoreKind.JOURNAL: ("journal_1", "journal_2"),
    StoreKind.LABELS: ("labels_1",),
    StoreKind.DECISIONS: ("decisions_1", "decisions_2", "decisions_3"),
    StoreKind.POSTGRES: tuple(f"postgres_{number}" for number in range(1, 7)),
}
"""Revisions that this program knows, oldest first."""


class NewerSchemaError(Exception):
    """Error for a store that a newer program has written."""

    def __init__(self, found: str, store: StoreKind) -> None:
        newest = REVISIONS[store][-1]
        super().__init__(
            f"its schema {found!r} is newer than {newest!r}, the newest that this servicio-ml knows: "
            "run the newer servicio-ml that wrote it"
        )


def is_newest(found: str | None, store: StoreKind) -> bool:
    """Whether a store with the revision `found` (None when empty) needs no upgrade.

    Raises:
        NewerSchemaError: This program does not know the revision.
    """
    if found is not None and found not in REVISIONS[store]:
        raise NewerSchemaError(found, store)
    return found == REVISIONS[store][-1]


def upgrade(store: StoreKind, connect: Callable[[], Any], begin_statement: str) -> None:
    """Upgrade a store to the newest schema in one transaction.

    Args:
        store: Kind of the store.
        connect: Opens a DB-API connection, which is closed afterwards.
        begin_statement: First statement, which makes concurrent upgrades wait.

    Raises:
        Exception: Error of the driver.
    """
    import sqlalchemy as sa  # noqa: PLC0415  see above

    dialect = "postgresql+psycopg" if store is StoreKind.POSTGRES else "sqlite"
    engine = sa.create_engine(f"{dialect}://", creator=connect, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(begin_statement)
            _run_migrations(store, connection)
            connection.commit()
    except sa.exc.DBAPIError as error:
        # the caller handles the errors of the driver
        raise (error.orig or error) from None


def _run_migrations(store: StoreKind, connection: "Connection") -> None:
    from importlib.resources import files  # noqa: PLC0415  see above

    from alembic import command  # noqa: PLC0415  see above
    from alembic.config import Config  # noqa: PLC0415  see above

    # Alembic reads its options as ConfigParser does
    folder = str(files("servicio_ml.adapters.prediction_log.migrations")).replace("%", "%%")
    config = Config()
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{folder}/{store}")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
