"""Versions of a model, by which its logged predictions are decoded."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from servicio_ml.domain.ports.registry import ModelVersion, Registry
from servicio_ml.errors import NoSuchModelError, format_names

if TYPE_CHECKING:
    from servicio_ml.features.logged_rows.columns import LoggedVersion


def list_registered_versions(registry: Registry, model: str) -> Sequence[ModelVersion]:
    """List the versions of a model, the newest first; at least one.

    Raises:
        NoSuchModelError: There is none.
    """
    versions = registry.list_versions(model)
    if not versions:
        remedy = f"registered are {format_names(registry.list_models())}"
        raise NoSuchModelError(model, "registered version", remedy)
    return versions


def load_logged_version(registry: Registry, model: str, version: int) -> "LoggedVersion":
    """Load how a version encodes rows and what it answers.

    Raises:
        NoSuchModelError: There is no such version.
        ArtifactError: The version is damaged.
    """
    from servicio_ml.features.artifact import read_row_documents
    from servicio_ml.features.logged_rows.columns import LoggedVersion

    found = read_row_documents(registry, model, version)
    return LoggedVersion(version=version, schema=found.schema, output=found.output, outliers=found.outliers)
