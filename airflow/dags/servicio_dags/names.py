"""The use cases that DAGs are made for, and what the DAGs call the things that start each other."""

import os
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from airflow.sdk import Asset

from servicio_ml.domain.use_case import UseCase
from servicio_ml.use_cases.catalogue import catalogue

START = datetime(2000, 1, 1, tzinfo=UTC)
"""No earlier month can be backfilled."""


def use_cases() -> Mapping[str, UseCase]:
    """Every use case by name, a user's own included."""
    own = os.environ.get("SERVICIO_ML_USE_CASES_DIR")
    return catalogue(Path(own) if own else None)


def lake(use_case: str) -> Asset:
    """The published data of a use case."""
    return Asset(f"lake/{use_case}")


def drift(use_case: str) -> Asset:
    """The news that drift harms the champion of a use case."""
    return Asset(f"drift/{use_case}")
