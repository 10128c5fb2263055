"""The model registry in MLflow: versions and aliases."""

import hashlib
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import mlflow
import yaml
from mlflow.entities.model_registry import ModelVersion as MlflowVersion
from mlflow.exceptions import MlflowException

from servicio_ml.adapters.mlflow.connection import (
    DATA_FOLDER,
    LOADER_MODULE,
    NOT_FOUND_CODES,
    RESOURCE_EXISTS,
    MlflowConnection,
    delete_artifacts,
    read_artifact,
)
from servicio_ml.domain.ports.registry import ModelVersion
from servicio_ml.errors import ArtifactError, ForeignModelError, NoSuchModelError

MILLISECONDS = 1000
DIGEST_TAG = "artifact.sha256"
"""Tag of a version with the digest of its artifact: the golden rows miss a flipped bit of a rare branch."""


class MlflowRegistry:
    """The model registry of an MLflow."""

    def __init__(self, connection: MlflowConnection) -> None:
        self._connection, self._client = connection, connection.client

    def register(self, model: str, artifact: Path, *, run_id: str, tags: Mapping[str, str]) -> ModelVersion:
        # the API server registers no model, and has neither pandas nor the full MLflow installed
        from servicio_ml.adapters.mlflow.flavour import write_flavour  # noqa: PLC0415

        with (
            tempfile.TemporaryDirectory(prefix="servicio-ml-") as scratch,
            self._connection.translate_errors(),
        ):
            folder = write_flavour(artifact, Path(scratch) / "model")
            self._ensure_model(model)
            experiment = self._client.get_run(run_id).info.experiment_id
            # MLflow 3 keeps the files at a logged model, to which the version refers
            logged = self._client.create_logged_model(experiment, name=model, source_run_id=run_id)
            self._client.log_model_artifacts(logged.model_id, str(folder))
            self._client.finalize_logged_model(logged.model_id, "READY")
            made = self._client.create_model_version(
                model,
                source=f"models:/{logged.model_id}",
                run_id=run_id,
                model_id=logged.model_id,
                tags={**tags, DIGEST_TAG: compute_digest(artifact)},
            )
        return _build_version(made)

    def _ensure_model(self, model: str) -> None:
        try:
            self._client.create_registered_model(model)
        except MlflowException as error:
            if error.error_code != RESOURCE_EXISTS:
                raise

    def set_alias(self, model: str, alias: str, version: int) -> None:
        self.get_version(model, version)
        with self._connection.translate_errors():
            self._client.set_registered_model_alias(model, alias, str(version))

    def resolve(self, model: str, alias: str) -> ModelVersion | None:
        with self._connection.translate_errors():
            try:
                return _build_version(self._client.get_model_version_by_alias(model, alias))
            except MlflowException as error:
                if error.error_code in NOT_FOUND_CODES or "not found" in str(error):
                    return None
                raise

    def get_version(self, model: str, version: int) -> ModelVersion:
        return _build_version(self._get_version(model, version))

    def _get_version(self, model: str, version: int) -> MlflowVersion:
        with self._connection.translate_errors():
            try:
                return self._client.get_model_version(model, str(version))
            except MlflowException as error:
                if error.error_code not in NOT_FOUND_CODES:
                    raise
        raise NoSuchModelError(model, f"version {version}", f"see `servicio-ml history {model}`")

    def delete(self, model: str, version: int) -> None:
        with self._connection.translate_errors():
            try:
                found = self._client.get_model_version(model, str(version))
            except MlflowException as error:
                if error.error_code in NOT_FOUND_CODES:
                    return
                raise
            self._client.delete_model_version(model, str(version))
            if found.model_id:
                self._delete_logged_model(found.model_id)

    def _delete_logged_model(self, model_id: str) -> None:
        logged = self._client.get_logged_model(model_id)
        delete_artifacts(logged.artifact_location)
        self._client.delete_logged_model(model_id)

    def list_versions(self, model: str) -> Sequence[ModelVersion]:
        with self._connection.translate_errors():
            found = [_build_version(each) for each in self._client.search_model_versions(f"name='{model}'")]
            aliases: dict[int, list[str]] = {}
            for alias, version in self._read_aliases(model).items():
                aliases.setdefault(int(version), []).append(alias)
        return sorted(
            (_add_aliases(each, aliases.get(each.version, [])) for each in found),
            key=lambda each: -each.version,
        )

    def _read_aliases(self, model: str) -> Mapping[str, str]:
        try:
            return dict(self._client.get_registered_model(model).aliases)
        except MlflowException as error:
            if error.error_code not in NOT_FOUND_CODES:
                raise
            return {}

    def list_models(self) -> Sequence[str]:
        with self._connection.translate_errors():
            return sorted(each.name for each in self._client.search_registered_models())

    def get_model_tags(self, model: str) -> Mapping[str, str]:
        with self._connection.translate_errors():
            try:
                return dict(self._client.get_registered_model(model).tags)
            except MlflowException as error:
                if error.error_code in NOT_FOUND_CODES:
                    return {}
                raise

    def set_model_tag(self, model: str, key: str, value: str) -> None:
        with self._connection.translate_errors():
            self._client.set_registered_model_tag(model, key, value)

    def read(self, model: str, version: int, name: str) -> bytes:
        self.get_version(model, version)
        with self._connection.translate_errors():
            return read_artifact(artifact_uri=f"models:/{model}/{version}/{DATA_FOLDER}/{name}")

    def download(self, model: str, version: int) -> Path:
        # a version of another origin has no digest
        digest = self._get_version(model, version).tags.get(DIGEST_TAG, "")
        scratch = tempfile.mkdtemp(prefix="servicio-ml-")
        try:
            with self._connection.translate_errors():
                uri = f"models:/{model}/{version}"
                folder = Path(mlflow.artifacts.download_artifacts(artifact_uri=uri, dst_path=scratch))
            _refuse_foreign(folder, model, version)
            _refuse_damaged(folder / DATA_FOLDER, digest, f"{model} version {version}")
            return folder / DATA_FOLDER
        except BaseException:
            shutil.rmtree(scratch, ignore_errors=True)
            raise


def compute_digest(folder: Path) -> str:
    """Compute the SHA-256 of an artifact folder, over the names and the bytes of its files."""
    digest = hashlib.sha256()
    for path in sorted(each for each in folder.rglob("*") if each.is_file()):
        digest.update(f"{path.relative_to(folder)}\0{path.stat().st_size}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _refuse_damaged(folder: Path, digest: str, name: str) -> None:
    # a version that was registered in another way has no digest
    if digest and compute_digest(folder) != digest:
        problem = "its files are not those that were registered: their SHA-256 differs"
        raise ArtifactError(name, f"{problem}; restore them from a backup, or train again")


def _refuse_foreign(folder: Path, model: str, version: int) -> None:
    flavours = _read_flavours(folder)
    ours = flavours.get("python_function", {}).get("loader_module") == LOADER_MODULE
    # a damaged model of this platform has the folder still, and is refused by the file that it lacks
    if not ours and not (folder / DATA_FOLDER).is_dir():
        kind = f"an MLflow model ({', '.join(sorted(flavours))})" if flavours else "a folder of files"
        raise ForeignModelError(model, version, kind)


def _read_flavours(folder: Path) -> Mapping[str, Mapping[str, Any]]:
    """Read the flavours of an MLflow model; empty without a readable MLmodel file."""
    try:
        flavours: Mapping[str, Mapping[str, Any]] = yaml.safe_load((folder / "MLmodel").read_text())[
            "flavors"
        ]
    except (OSError, ValueError, KeyError, TypeError, yaml.YAMLError):
        return {}
    return flavours


def _build_version(found: MlflowVersion) -> ModelVersion:
    return ModelVersion(
        model=found.name,
        version=int(found.version),
        run_id=found.run_id or "",
        created=found.creation_timestamp / MILLISECONDS,
        aliases=tuple(sorted(found.aliases or ())),
        tags={name: value for name, value in found.tags.items() if name != DIGEST_TAG},
    )


def _add_aliases(version: ModelVersion, aliases: Sequence[str]) -> ModelVersion:
    return ModelVersion(
        model=version.model,
        version=version.version,
        run_id=version.run_id,
        created=version.created,
        aliases=tuple(sorted(aliases)),
        tags=version.tags,
    )
