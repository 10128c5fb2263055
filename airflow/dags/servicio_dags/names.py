"""The use cases that have DAGs, and the names of the assets that start other DAGs."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import Asset

from servicio_ml.domain.use_case import UseCase
from servicio_ml.use_cases.catalogue import load_catalogue

EARLIEST_MONTH = datetime(2000, 1, 1, tzinfo=UTC)
"""First month that a backfill can restate."""


def load_use_cases() -> Mapping[str, UseCase]:
    """Load every use case by name, including those of the user's own folder."""
    folder = os.environ.get("SERVICIO_ML_USE_CASES_DIR")
    return load_catalogue(Path(folder) if folder else None)


def create_lake_asset(use_case: str) -> Asset:
    """Create the asset for the published data of a use case."""
    return Asset(f"lake/{use_case}")


def create_drift_asset(use_case: str) -> Asset:
    """Create the asset that is updated when drift harms the champion of a use case."""
    return Asset(f"drift/{use_case}")
