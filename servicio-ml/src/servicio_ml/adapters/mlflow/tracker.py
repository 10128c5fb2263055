"""Runs in MLflow."""

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import mlflow
from mlflow.entities import Dataset, DatasetInput, InputTag, LifecycleStage, Metric, Param, RunTag
from mlflow.utils.mlflow_tags import MLFLOW_DATASET_CONTEXT, MLFLOW_PARENT_RUN_ID

from servicio_ml.adapters.mlflow.connection import Connection, delete_artifacts, read_artifact
from servicio_ml.domain.ports import Run, RunRecord
from servicio_ml.errors import RegistryError

MILLISECONDS = 1000
LONGEST_PARAM = 6000
PAGE = 1000
MOST_METRICS = 1000
"""Of one request to a server."""


class MlflowRun:
    """An open run."""

    def __init__(self, connection: Connection, run_id: str) -> None:
        self._connection, self._client, self.id = connection, connection.client, run_id

    def params(self, values: Mapping[str, object]) -> None:
        with self._connection.told():
            each = [Param(key, str(value)[:LONGEST_PARAM]) for key, value in values.items()]
            self._client.log_batch(self.id, params=each)

    def metrics(self, values: Mapping[str, float]) -> None:
        now = int(time.time() * MILLISECONDS)
        with self._connection.told():
            each = [Metric(key, float(value), now, 0) for key, value in values.items()]
            for start in range(0, len(each), MOST_METRICS):
                self._client.log_batch(self.id, metrics=each[start : start + MOST_METRICS])

    def tags(self, values: Mapping[str, str]) -> None:
        with self._connection.told():
            self._client.log_batch(self.id, tags=[RunTag(key, value) for key, value in values.items()])

    def artifact(self, source: Path, folder: str = "") -> None:
        with self._connection.told():
            if source.is_dir():
                self._client.log_artifacts(self.id, str(source), folder or None)
            else:
                self._client.log_artifact(self.id, str(source), folder or None)

    def dataset(self, name: str, *, digest: str, source: str, context: str, rows: int) -> None:
        entity = Dataset(
            name=name,
            digest=digest[:36],
            source_type="lake",
            source=source,
            profile=f'{{"num_rows": {rows}}}',
        )
        tags = [InputTag(MLFLOW_DATASET_CONTEXT, context)]
        with self._connection.told():
            self._client.log_inputs(self.id, [DatasetInput(entity, tags)])


class MlflowTracker:
    """Experiments and runs of one MLflow."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self._client = connection, connection.client

    @contextmanager
    def run(
        self,
        experiment: str,
        name: str,
        *,
        tags: Mapping[str, str] = {},
        parent: str = "",
        resume: str = "",
        stays: bool = False,
    ) -> Iterator[Run]:
        nested = {MLFLOW_PARENT_RUN_ID: parent} if parent else {}
        with self._connection.told():
            run_id = resume or self._create(experiment, name, {**tags, **nested})
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
            self._end(run_id, status)

    def _create(self, experiment: str, name: str, tags: Mapping[str, str]) -> str:
        found = self._connection.experiment(experiment)
        return str(self._client.create_run(found, run_name=name, tags=dict(tags)).info.run_id)

    def _end(self, run_id: str, status: str) -> None:
        if status == "RUNNING":
            return
        if status == "FINISHED":
            with self._connection.told():
                self._client.set_terminated(run_id, status)
            return
        # the error that ended the run is the one to tell
        with suppress(Exception):
            self._client.set_terminated(run_id, status)

    def runs(self, experiment: str, tags: Mapping[str, str]) -> Sequence[RunRecord]:
        query = " and ".join(f"tags.`{key}` = '{value}'" for key, value in tags.items())
        with self._connection.told():
            found = self._client.get_experiment_by_name(experiment)
            if found is None:
                return []
            every: list[mlflow.entities.Run] = []
            token = None
            while True:
                page = self._client.search_runs(
                    [found.experiment_id], query, order_by=["attributes.start_time DESC"],
                    max_results=PAGE, page_token=token,
                )  # fmt: skip
                every += page
                if not (token := page.token):
                    return [_record(run) for run in every]

    def find(self, run_id: str) -> RunRecord:
        with self._connection.told():
            found = self._client.get_run(run_id)
        if found.info.lifecycle_stage == LifecycleStage.DELETED:
            raise RegistryError(self._connection.url, f"run {run_id} is deleted")
        return _record(found)

    def delete(self, run_id: str) -> None:
        with self._connection.told():
            found = self._client.get_run(run_id)
            if found.info.lifecycle_stage == LifecycleStage.DELETED:
                return
            delete_artifacts(found.info.artifact_uri)
            self._client.delete_run(run_id)

    def artifact(self, run_id: str, path: str) -> Path:
        folder = tempfile.mkdtemp(prefix="servicio-ml-")
        with self._connection.told():
            return Path(
                mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path=path, dst_path=folder)
            )

    def artifacts(self, run_id: str, folder: str) -> Mapping[str, int]:
        found: dict[str, int] = {}
        waiting = [folder]
        with self._connection.told():
            while waiting:
                for each in self._client.list_artifacts(run_id, waiting.pop()):
                    if each.is_dir:
                        waiting.append(each.path)
                    else:
                        found[each.path] = each.file_size or 0
        return found

    def read(self, run_id: str, path: str) -> bytes:
        with self._connection.told():
            return read_artifact(run_id=run_id, artifact_path=path)


def _record(run: mlflow.entities.Run) -> RunRecord:
    ended = run.info.end_time
    return RunRecord(
        id=run.info.run_id,
        name=run.info.run_name,
        status=run.info.status,
        started=run.info.start_time / MILLISECONDS,
        ended=ended / MILLISECONDS if ended else None,
        tags=dict(run.data.tags),
        params=dict(run.data.params),
        metrics=dict(run.data.metrics),
    )
