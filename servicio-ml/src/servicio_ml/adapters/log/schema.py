"""The schema of a store: which revision it has, and Alembic when that is not the newest.

Alembic and SQLAlchemy take a fifth of a second and 20 MB: they are imported only when there is something to
migrate.
"""

from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection

VERSION_TABLE = "servicio_ml_log_version"
"""A name of its own: MLflow, or another program under Alembic, may share the database."""
READ_REVISION = f"SELECT version_num FROM {VERSION_TABLE}"  # noqa: S608  a constant


class Store(StrEnum):
    """The kinds of store, which are also the folders of their migrations."""

    JOURNAL = "journal"
    LABELS = "labels"
    DECISIONS = "decisions"
    POSTGRES = "postgres"


REVISIONS = {
    Store.JOURNAL: ("journal_1",),
    Store.LABELS: ("labels_1",),
    Store.DECISIONS: ("decisions_1",),
    Store.POSTGRES: ("postgres_1", "postgres_2", "postgres_3"),
}
"""Every revision that this program knows, the oldest first."""


class NewerSchemaError(Exception):
    """A store was made by a newer program; says so, for the message of one of our errors."""

    def __init__(self, found: str, store: Store) -> None:
        newest = REVISIONS[store][-1]
        super().__init__(
            f"its schema {found!r} is not known to this servicio-ml, whose newest is {newest!r}: "
            "run the newer servicio-ml that made it"
        )


def is_newest(found: str | None, store: Store) -> bool:
    """Whether a store needs no migration; `found` is its revision, None in an empty one.

    Raises:
        NewerSchemaError: This program does not know the revision.
    """
    if found is not None and found not in REVISIONS[store]:
        raise NewerSchemaError(found, store)
    return found == REVISIONS[store][-1]


def upgrade(store: Store, connect: Callable[[], Any], begin: str) -> None:
    """Bring a store to the newest schema, all of it in one transaction.

    Args:
        store: Its kind.
        connect: Gives a new DB-API connection, which is closed afterwards.
        begin: The first statement: it makes others wait who want to do the same.

    Raises:
        Exception: The driver's own error.
    """
    import sqlalchemy as sa  # noqa: PLC0415  see above

    dialect = "postgresql+psycopg" if store is Store.POSTGRES else "sqlite"
    engine = sa.create_engine(f"{dialect}://", creator=connect, poolclass=sa.NullPool)
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql(begin)
            _run(store, connection)
            connection.commit()
    except sa.exc.DBAPIError as error:
        # the caller knows the driver's errors
        raise (error.orig or error) from None


def _run(store: Store, connection: "Connection") -> None:
    from importlib.resources import files  # noqa: PLC0415  see above

    from alembic import command  # noqa: PLC0415  see above
    from alembic.config import Config  # noqa: PLC0415  see above

    # Alembic reads its options as ConfigParser does
    folder = str(files("servicio_ml.adapters.log.migrations")).replace("%", "%%")
    config = Config()
    config.set_main_option("script_location", folder)
    config.set_main_option("path_separator", "newline")
    config.set_main_option("version_locations", f"{folder}/{store}")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")
