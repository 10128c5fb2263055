"""Journal, prediction log and decision log."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from servicio_ml.domain.ports.decision_log import DecisionLog
from servicio_ml.domain.ports.journal import Journal
from servicio_ml.domain.ports.prediction_log import PredictionLog
from servicio_ml.domain.ports.traffic_plans import TrafficPlanStore
from servicio_ml.errors import SettingsError
from servicio_ml.settings import Settings

if TYPE_CHECKING:
    from servicio_ml.adapters.prediction_log.journal import AlternatingJournal, SqliteJournal
    from servicio_ml.adapters.prediction_log.maintainer import JournalMaintainer
    from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase
    from servicio_ml.adapters.prediction_log.scratch_log import ScratchLog
    from servicio_ml.features.logged_rows.columns import LoggedVersion

SECONDS_PER_DAY = 86_400


def open_journal(settings: Settings, *, shared: str = "") -> Journal:
    """Open the journal of this process with its maintainer; with a name, one that several processes write."""
    from servicio_ml.adapters.prediction_log.journal import AlternatingJournal, SqliteJournal
    from servicio_ml.adapters.prediction_log.maintainer import MaintainedJournal

    folder = get_log_folder(settings)
    opened = SqliteJournal.open_shared(folder, shared) if shared else AlternatingJournal(folder)
    return MaintainedJournal(opened, _create_maintainer(settings, opened))


def _create_maintainer(
    settings: Settings, journal: "SqliteJournal | AlternatingJournal"
) -> "JournalMaintainer":
    from servicio_ml.adapters.prediction_log.maintainer import JournalMaintainer, RetentionLimits

    database = _open_log_database(settings)
    keep = RetentionLimits(
        max_age_seconds=settings.log_retention_days * SECONDS_PER_DAY, max_bytes=settings.log_max_bytes
    )
    shipper = None
    if database is not None:
        from servicio_ml.adapters.prediction_log.postgres.shipper import Shipper

        shipper = Shipper(database)
    return JournalMaintainer(get_log_folder(settings), journal, keep, shipper, time.time)


def open_prediction_log(settings: Settings) -> PredictionLog:
    """Open the prediction log: SQLite by default, PostgreSQL by setting."""
    database = _open_log_database(settings)
    if database is not None:
        from servicio_ml.adapters.prediction_log.postgres.log import PostgresPredictionLog

        return PostgresPredictionLog(database, get_log_folder(settings))
    from servicio_ml.adapters.prediction_log.sqlite_log import SqlitePredictionLog

    return SqlitePredictionLog(get_log_folder(settings))


def create_prediction_view(settings: Settings, model: str, versions: "Sequence[LoggedVersion]") -> str:
    """Create or replace the view of a model's predictions in PostgreSQL, and return its name.

    Raises:
        SettingsError: The log is not in PostgreSQL.
        LogError: The server cannot be reached or refuses.
    """
    from servicio_ml.adapters.prediction_log.postgres.view import create_view

    database = _open_log_database(settings)
    if database is None:
        problem = "it is empty, and the view is made in PostgreSQL; `servicio-ml predictions` reads every log"
        raise SettingsError("SERVICIO_ML_LOG_URL", problem)
    return create_view(database, model, versions)


def prepare_log(settings: Settings) -> None:
    """Migrate the log before the workers open it, so that none of them loads Alembic."""
    from contextlib import ExitStack, closing

    from servicio_ml.adapters.prediction_log.journal import AlternatingJournal

    open_prediction_log(settings)
    open_decision_log(settings)
    # all open together: each worker takes journal files of its own
    with ExitStack() as stack:
        for _ in range(settings.workers):
            stack.enter_context(closing(AlternatingJournal(get_log_folder(settings))))


def open_decision_log(settings: Settings) -> DecisionLog:
    """Open the decision log, which is stored beside the prediction log."""
    database = _open_log_database(settings)
    if database is not None:
        from servicio_ml.adapters.decision_log.postgres import PostgresDecisionLog

        return PostgresDecisionLog(database)
    from servicio_ml.adapters.decision_log.sqlite import SqliteDecisionLog

    return SqliteDecisionLog(get_log_folder(settings))


def open_traffic_plans(settings: Settings) -> TrafficPlanStore:
    """Open the traffic plans, which are stored beside the decision log."""
    from servicio_ml.adapters.traffic_plans.store import SqlTrafficPlans

    database = _open_log_database(settings)
    if database is not None:
        from servicio_ml.adapters.traffic_plans.postgres import PostgresPlanDatabase

        return SqlTrafficPlans(PostgresPlanDatabase(database))
    from servicio_ml.adapters.traffic_plans.sqlite import SqlitePlanDatabase

    return SqlTrafficPlans(SqlitePlanDatabase(get_log_folder(settings)))


def create_scratch_log() -> "ScratchLog":
    """Create a journal and log in memory, for this process only."""
    from servicio_ml.adapters.prediction_log.scratch_log import ScratchLog

    return ScratchLog()


def prune_log(settings: Settings) -> None:
    """Delete expired rows of the prediction log, as every server does."""
    from servicio_ml.adapters.prediction_log.journal import SqliteJournal

    # a journal of its own: the maintainer needs one, and the server's are locked
    journal = SqliteJournal.open_exclusive(get_log_folder(settings))
    try:
        maintainer = _create_maintainer(settings, journal)
        maintainer.run_cycle()
        maintainer.stop()
    finally:
        journal.close()


def get_log_folder(settings: Settings) -> Path:
    """Return the folder of the journals of this machine."""
    return settings.state_dir / "log"


def _open_log_database(settings: Settings) -> "LogDatabase | None":
    # the local log needs no server: PostgreSQL's driver is not even imported then
    if not settings.log_url:
        return None
    from servicio_ml.adapters.prediction_log.postgres.database import LogDatabase

    return LogDatabase(settings.log_url)
