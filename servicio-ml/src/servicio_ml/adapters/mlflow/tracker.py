"""Runs in MLflow."""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID

from servicio_ml.adapters.mlflow.connection import MlflowConnection, delete_artifacts, read_artifact
from servicio_ml.domain.ports.tracker import FinishedRun, Run
from servicio_ml.errors import RegistryError

MILLISECONDS = 1000
MAX_PARAM_LENGTH = 6000
PAGE_SIZE = 1000
MAX_METRICS = 1000
"""Maximum number of metrics in one request to a server."""


class MlflowRun:
    """An open run."""

    def __init__(self, connection: MlflowConnection, run_id: str) -> None:
        self._connection, self._client, self.id = connection, connection.client, run_id

    def log_params(self, values: Mapping[str, object]) -> None:
        with self._connection.translate_errors():
            each = [Param(key, str(value)[:MAX_PARAM_LENGTH]) for key, value in values.items()]
            self._client.log_batch(self.id, params=each)

    def log_metrics(self, values: Mapping[str, float]) -> None:
        now = int(time.time() * MILLISECONDS)
        with self._connection.translate_errors():
            each = [Metric(key, float(value), now, 0) for key, value in values.items()]
            # the REST API refuses larger batches
            for start in range(0, len(each), MAX_METRICS):
                self._client.log_batch(self.id, metrics=each[start : start + MAX_METRICS])

    def set_tags(self, values: Mapping[str, str]) -> None:
        with self._connection.translate_errors():
            self._client.log_batch(self.id, tags=[RunTag(key, value) for key, value in values.items()])

    def log_artifact(self, source: Path, folder: str = "") -> None:
        with self._connection.translate_errors():
            if source.is_dir():
                self._client.log_artifacts(self.id, str(source), folder or None)
            else:
                self._client.log_artifact(self.id, str(source), folder or None)

    def log_dataset(self, name: str, *, digest: str, source: str, context: str, rows: int) -> None:
        entity = Dataset(
            name=name,
            digest=digest[:36],
            source_type="lake",
            source=source,
            profile=f'{{"num_rows": {rows}}}',
        )
        tags = [InputTag(MLFLOW_DATASET_CONTEXT, context)]
        with self._connection.translate_errors():
            self._client.log_inputs(self.id, [DatasetInput(entity, tags)])


class MlflowTracker:
    """Experiments and runs of an MLflow."""

    def __init__(self, connection: MlflowConnection) -> None:
        self._connection, self._client = connection, connection.client

    @contextmanager
    def open_run(
        self,
        experiment: str,
        name: str,
        *,
        tags: Mapping[str, str] = {},
        parent: str = "",
        resume: str = "",
        stays: bool = False,
    ) -> Iterator[Run]:
        # a tag makes a run nested; the client has no argument for it
        nested = {MLFLOW_PARENT_RUN_ID: parent} if parent else {}
        with self._connection.translate_errors():
            run_id = resume or self._create_run(experiment, name, {**tags, **nested})
            if resume:
                self._client.update_run(run_id, status="RUNNING")
        status = "KILLED"
        try:
            yield MlflowRun(self._connection, run_id)
            status = "RUNNING" if stays else "FINISHED"
        except Exception:
            status = "FAILED"
            raise
        finally:
            self._end_run(run_id, status)

    def _create_run(self, experiment: str, name: str, tags: Mapping[str, str]) -> str:
        found = self._connection.get_or_create_experiment(experiment)
        return str(self._client.create_run(found, run_name=name, tags=dict(tags)).info.run_id)

    def _end_run(self, run_id: str, status: str) -> None:
        if status == "RUNNING":
            return
        if status == "FINISHED":
            with self._connection.translate_errors():
                self._client.set_terminated(run_id, status)
            return
        # the error that ended the run is more important
        with suppress(Exception):
            self._client.set_terminated(run_id, status)

    def find_runs(self, experiment: str, tags: Mapping[str, str]) -> Sequence[FinishedRun]:
        query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        with self._connection.translate_errors():
            found = self._client.get_experiment_by_name(experiment)
            if found is None:
                return []
            every: list[mlflow.entities.Run] = []
            token = None
            while True:
                page = self._client.search_runs(
                    [found.experiment_id], query, order_by=["attributes.start_time DESC"],
                    max_results=PAGE_SIZE, page_token=token,
                )  # fmt: skip
                every += page
                if not (token := page.token):
                    return [_build_record(run) for run in every]

    def get_run(self, run_id: str) -> FinishedRun:
        with self._connection.translate_errors():
            found = self._client.get_run(run_id)
        if found.info.lifecycle_stage == LifecycleStage.DELETED:
            raise RegistryError(self._connection.url, f"run {run_id} is deleted")
        return _build_record(found)

    def delete_run(self, run_id: str) -> None:
        with self._connection.translate_errors():
            found = self._client.get_run(run_id)
            if found.info.lifecycle_stage == LifecycleStage.DELETED:
                return
            delete_artifacts(found.info.artifact_uri)
            self._client.delete_run(run_id)

    def list_artifacts(self, run_id: str, folder: str) -> Mapping[str, int]:
        found: dict[str, int] = {}
        # MLflow lists one folder at a time
        waiting = [folder]
        with self._connection.translate_errors():
            while waiting:
                for each in self._client.list_artifacts(run_id, waiting.pop()):
                    if each.is_dir:
                        waiting.append(each.path)
                    else:
                        found[each.path] = each.file_size or 0
        return found

    def read_artifact(self, run_id: str, path: str) -> bytes:
        with self._connection.translate_errors():
            return read_artifact(run_id=run_id, artifact_path=path)


def _build_record(run: mlflow.entities.Run) -> FinishedRun:
    ended = run.info.end_time
    return FinishedRun(
        id=run.info.run_id,
        name=run.info.run_name,
        status=run.info.status,
        started=run.info.start_time / MILLISECONDS,
        ended=ended / MILLISECONDS if ended else None,
        tags=dict(run.data.tags),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
    )
