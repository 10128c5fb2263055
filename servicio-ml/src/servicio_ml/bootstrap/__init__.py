"""Wiring: the only package that chooses adapters, by the settings.

Each function imports its adapter itself, because a command must not load libraries that it does not use.
"""

from servicio_ml.bootstrap.drafter import create_drafter
from servicio_ml.bootstrap.logs import (
    SECONDS_PER_DAY,
    create_prediction_view,
    create_scratch_log,
    get_log_folder,
    open_decision_log,
    open_journal,
    open_prediction_log,
    open_traffic_plans,
    prepare_log,
    prune_log,
)
from servicio_ml.bootstrap.registry import (
    connect_mlflow,
    connect_model_history,
    connect_registry,
    connect_tracker,
    create_registry_link,
    open_model_files,
    open_model_history,
)
from servicio_ml.bootstrap.retrainer import (
    create_retrainer,
)
from servicio_ml.bootstrap.services import (
    connect_api_server,
    connect_broker,
    create_progress,
    create_stats,
    create_tracer_provider,
    load_explainer,
    open_metrics_history,
)
from servicio_ml.bootstrap.storage import (
    build_sqlite_url,
    build_study_url,
    create_s3_filesystem,
    fetch_original,
    open_lake,
    open_raw_files,
    open_source,
    open_store,
    use_environments,
    write_atomically,
    write_csv,
    write_text,
)

__all__ = [
    "SECONDS_PER_DAY",
    "build_sqlite_url",
    "build_study_url",
    "connect_api_server",
    "connect_broker",
    "connect_mlflow",
    "connect_model_history",
    "connect_registry",
    "connect_tracker",
    "create_drafter",
    "create_prediction_view",
    "create_progress",
    "create_registry_link",
    "create_retrainer",
    "create_s3_filesystem",
    "create_scratch_log",
    "create_stats",
    "create_tracer_provider",
    "fetch_original",
    "get_log_folder",
    "load_explainer",
    "open_decision_log",
    "open_journal",
    "open_lake",
    "open_metrics_history",
    "open_model_files",
    "open_model_history",
    "open_prediction_log",
    "open_raw_files",
    "open_source",
    "open_store",
    "open_traffic_plans",
    "prepare_log",
    "prune_log",
    "use_environments",
    "write_atomically",
    "write_csv",
    "write_text",
]
