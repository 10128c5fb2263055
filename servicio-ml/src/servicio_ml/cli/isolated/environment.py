"""`servicio-ml environment`: make the environment of an isolated model on this machine."""

from pathlib import Path

from servicio_ml.cli.options import Debug, Json, ModelVersionOrAlias, UseCaseName
from servicio_ml.cli.session import open_session


def environment(
    name: UseCaseName, version: ModelVersionOrAlias = "", as_json: Json = False, debug: Debug = False
) -> None:
    """Make the Python environment that a version's isolated process needs on this machine.

    It is installed from the hashed requirements in the version's artifact, and once: a second call finds it.
    A model in ONNX needs none. Servers install nothing by themselves.
    """
    with open_session(as_json=as_json, debug=debug) as here:
        from servicio_ml import bootstrap
        from servicio_ml.features.artifact import download_artifact
        from servicio_ml.features.isolated.environments import ensure_environment
        from servicio_ml.lifecycle.versions import find_version

        _, registry = bootstrap.connect_mlflow(here.settings)
        info = find_version(registry, name, version)
        with download_artifact(registry, info.model, info.version) as folder:
            made: Path | None = ensure_environment(folder)
        shown = "it needs no environment" if made is None else str(made)
        here.print_line(f"{info.model} version {info.version}: {shown}")
        here.print_document(
            {"model": info.model, "version": info.version, "environment": None if made is None else str(made)}
        )
