"""Registered models in MLflow: versions and aliases."""

import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import mlflow
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.exceptions import MlflowException

from servicio_ml.adapters.mlflow.connection import (
    DATA,
    NOT_THERE,
    RESOURCE_EXISTS,
    Connection,
    delete_artifacts,
    read_artifact,
)
from servicio_ml.domain.ports import ModelVersion
from servicio_ml.errors import NoSuchModelError

MILLISECONDS = 1000


class MlflowRegistry:
    """The registry of one MLflow."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._client = connection, connection.client

    def register(self, model: str, artifact: Path, *, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        # a server registers nothing, and has neither pandas nor all of MLflow
        from servicio_ml.adapters.mlflow.flavour import write_flavour  # noqa: PLC0415

        with tempfile.TemporaryDirectory(prefix="servicio-ml-") as scratch, self._connection.told():
            folder = write_flavour(artifact, Path(scratch) / "model")
            self._ensure(model)
            experiment = self._client.get_run(run_id).info.experiment_id
            logged = self._client.create_logged_model(experiment, name=model, source_run_id=run_id)
            self._client.log_model_artifacts(logged.model_id, str(folder))
            self._client.finalize_logged_model(logged.model_id, "READY")
            made = self._client.create_model_version(
                model,
                source=f"models:/{logged.model_id}",
                run_id=run_id,
                model_id=logged.model_id,
                tags=dict(tags),
            )
        return _version(made)

    def _ensure(self, model: str) -> None:
        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != RESOURCE_EXISTS:
                raise

    def point(self, model: str, alias: str, version: int) -> None:
        self.version(model, version)
        with self._connection.told():
            self._client.set_registered_model_alias(model, alias, str(version))

    def resolve(self, model: str, alias: str) -> ModelVersion | None:
        with self._connection.told():
            try:
                return _version(self._client.get_model_version_by_alias(model, alias))
            except MlflowException as error:
                if error.error_code in NOT_THERE or "not found" in str(error):
                    return None
                raise

    def version(self, model: str, version: int) -> ModelVersion:
        with self._connection.told():
            try:
                return _version(self._client.get_model_version(model, str(version)))
            except MlflowException as error:
                if error.error_code not in NOT_THERE:
                    raise
        raise NoSuchModelError(model, f"version {version}", f"see `servicio-ml history {model}`")

    def delete(self, model: str, version: int) -> None:
        with self._connection.told():
            try:
                found = self._client.get_model_version(model, str(version))
            except MlflowException as error:
                if error.error_code in NOT_THERE:
                    return
                raise
            self._client.delete_model_version(model, str(version))
            if found.model_id:
                self._forget(found.model_id)

    def _forget(self, model_id: str) -> None:
        logged = self._client.get_logged_model(model_id)
        delete_artifacts(logged.artifact_location)
        self._client.delete_logged_model(model_id)

    def versions(self, model: str) -> Sequence[ModelVersion]:
        with self._connection.told():
            found = [_version(each) for each in self._client.search_model_versions(f"name='{model}'")]
            aliases: dict[int, list[str]] = {}
            for alias, version in self._aliases(model).items():
                aliases.setdefault(int(version), []).append(alias)
        return sorted(
            (_aliased(each, aliases.get(each.version, [])) for each in found), key=lambda each: -each.version
        )

    def _aliases(self, model: str) -> Mapping[str, str]:
        try:
            return dict(self._client.get_registered_model(model).aliases)
        except MlflowException as error:
            if error.error_code not in NOT_THERE:
                raise
            return {}

    def models(self) -> Sequence[str]:
        with self._connection.told():
            return sorted(each.name for each in self._client.search_registered_models())

    def notes(self, model: str) -> Mapping[str, str]:
        with self._connection.told():
            try:
                return dict(self._client.get_registered_model(model).tags)
            except MlflowException as error:
                if error.error_code in NOT_THERE:
                    return {}
                raise

    def note(self, model: str, key: str, value: str) -> None:
        with self._connection.told():
            self._client.set_registered_model_tag(model, key, value)

    def read(self, model: str, version: int, name: str) -> bytes:
        self.version(model, version)
        with self._connection.told():
            return read_artifact(artifact_uri=f"models:/{model}/{version}/{DATA}/{name}")

    def download(self, model: str, version: int) -> Path:
        self.version(model, version)
        scratch = tempfile.mkdtemp(prefix="servicio-ml-")
        try:
            with self._connection.told():
                uri = f"models:/{model}/{version}"
                return Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch)) / DATA
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise


def _version(found: MlflowVersion) -> ModelVersion:
    return ModelVersion(
        model=found.name,
        version=int(found.version),
        run_id=found.run_id or "",
        created=found.creation_timestamp / MILLISECONDS,
        aliases=tuple(sorted(found.aliases or ())),
        tags=dict(found.tags),
    )


def _aliased(version: ModelVersion, aliases: Sequence[str]) -> ModelVersion:
    return ModelVersion(
        model=version.model,
        version=version.version,
        run_id=version.run_id,
        created=version.created,
        aliases=tuple(sorted(aliases)),
        tags=version.tags,
    )
