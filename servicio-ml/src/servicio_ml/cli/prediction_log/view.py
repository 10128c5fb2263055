"""`servicio-ml predictions-view`: a view of the logged predictions in PostgreSQL, with the fields by name."""

from typing import TYPE_CHECKING

from servicio_ml.cli.options import Debug, Json, UseCaseName
from servicio_ml.cli.prediction_log.versions import list_registered_versions, load_logged_version
from servicio_ml.cli.session import CommandSession, open_session
from servicio_ml.errors import ArtifactError, RegistryError

if TYPE_CHECKING:
    from servicio_ml.domain.ports.registry import Registry
    from servicio_ml.features.logged_rows.columns import LoggedVersion


def create_view(name: UseCaseName, as_json: Json = False, debug: Debug = False) -> None:
    """Create or refresh the view of a model's logged predictions in PostgreSQL.

    Run it again when a version has been registered: rows of versions that the view does not know have no
    values in their fields. Who may read the view still may.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap

        _, registry = bootstrap.connect_mlflow(here.settings)
        versions = _load_versions(here, registry, name)
        view = bootstrap.create_prediction_view(here.settings, name, versions)
        numbers = sorted(each.version for each in versions)
        here.print_line(f"view {view}: the predictions of {name} by {len(numbers)} versions")
        here.print_document({"model": name, "view": view, "versions": numbers})


def _load_versions(here: CommandSession, registry: "Registry", model: str) -> "list[LoggedVersion]":
    """Load every version that can be decoded.

    Raises:
        RegistryError: There is none.
    """
    found, problem = [], None
    for each in list_registered_versions(registry, model):
        try:
            found.append(load_logged_version(registry, model, each.version))
        except (ArtifactError, RegistryError) as error:
            # one of another origin has no schema, and never answered
            here.progress.warn(f"version {each.version} is left out: {error}")
            problem = error
    if problem is not None and not found:
        raise problem
    return found
