"""Retrainer that starts the training DAG of a model over Airflow's REST API, version 2."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import httpx

from servicio_ml.domain.ports.retrainer import RetrainingEnd
from servicio_ml.errors import RetrainingError

TIMEOUT_SECONDS = 10
"""Timeout of each connection, read and write."""
MAX_SHOWN_CHARACTERS = 300
SUCCESS, ENDED_STATES = "success", frozenset({"success", "failed"})
"""States of an ended run."""


class AirflowRetrainer:
    """Runs of the DAGs `train_model_<model>`; the key of a retraining is the id of its run.

    Args:
        url: Address of Airflow's API server.
        user: User who may start runs.
        password_file: File with the user's password, read at each start because it may be rotated.
    """

    def __init__(self, url: str, user: str, password_file: Path) -> None:
        self._url, self._user, self._password_file = url.rstrip("/"), user, password_file

    def start(self, model: str, key: str, reason: str) -> str:
        dag = _get_dag(model)
        with self._connect(model, dag) as client:
            self._start_run(client, model, dag, {"dag_run_id": key, "conf": {"reason": reason}})
        return f"{self._url}/dags/{dag}/runs/{quote(key, safe=':')}"

    def find_end(self, model: str, reference: str) -> RetrainingEnd | None:
        dag, key = _get_dag(model), unquote(reference.rpartition("/")[2])
        with self._connect(model, dag) as client:
            path = f"/api/v2/dags/{quote(dag, safe='')}/dagRuns/{quote(key, safe='')}"
            response = client.get(self._url + path)
            if response.status_code == HTTPStatus.NOT_FOUND:
                return RetrainingEnd(error=f"Airflow has no run {key} of {dag} any more")
            state = self._read_document(response).get("state")
        if state not in ENDED_STATES:
            return None
        return RetrainingEnd(error="" if state == SUCCESS else f"{state}, see {reference}")

    @contextmanager
    def _connect(self, model: str, dag: str) -> Iterator[httpx.Client]:
        """Connect with a token, and translate the errors of Airflow."""
        try:
            # urllib followed redirects, and proxies that send http to https rely on it
            with httpx.Client(timeout=TIMEOUT_SECONDS, follow_redirects=True) as client:
                client.headers["Authorization"] = f"Bearer {self._fetch_token(client, model)}"
                yield client
        except httpx.HTTPStatusError as error:
            raise RetrainingError(model, self._describe_refusal(error.response, dag)) from error
        except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:
            problem = f"{error}; check SERVICIO_ML_AIRFLOW_URL and that Airflow is up"
            raise RetrainingError(model, f"Airflow at {self._url}: {problem}") from error

    def _start_run(self, client: httpx.Client, model: str, dag: str, run: dict[str, Any]) -> None:
        path = f"/api/v2/dags/{quote(dag, safe='')}"
        # Airflow queues runs of a paused DAG, and they would wait for ever
        if self._read_document(client.get(self._url + path)).get("is_paused"):
            raise RetrainingError(model, f"the DAG {dag} of {self._url} is paused; unpause it")
        # Airflow refuses a body without a logical date, though it may be null
        response = client.post(f"{self._url}{path}/dagRuns", json={**run, "logical_date": None})
        # the run exists: an earlier call started it and its answer was lost
        if response.status_code != HTTPStatus.CONFLICT:
            self._read_document(response)

    def _fetch_token(self, client: httpx.Client, model: str) -> str:
        try:
            password = self._password_file.read_text().strip()
        except (OSError, UnicodeError) as error:
            raise RetrainingError(model, f"SERVICIO_ML_AIRFLOW_PASSWORD_FILE: {error}") from error
        credentials = {"username": self._user, "password": password}
        token = self._read_document(client.post(f"{self._url}/auth/token", json=credentials)).get(
            "access_token"
        )
        if not isinstance(token, str):
            raise ValueError(f"{self._url}/auth/token answered without an access_token")  # noqa: TRY004  reported like other wrong answers
        return token

    def _read_document(self, response: httpx.Response) -> dict[str, Any]:
        response.raise_for_status()
        document = response.json()
        if not isinstance(document, dict):
            raise ValueError(f"{response.url} answered with no document of Airflow")  # noqa: TRY004  reported like other wrong answers
        return document

    def _describe_refusal(self, response: httpx.Response, dag: str) -> str:
        remedies: dict[int, str] = {
            HTTPStatus.UNAUTHORIZED: "check SERVICIO_ML_AIRFLOW_USER and the password in the file named by "
            "SERVICIO_ML_AIRFLOW_PASSWORD_FILE",
            HTTPStatus.FORBIDDEN: f"the user {self._user!r} needs the right to trigger DAGs",
            HTTPStatus.NOT_FOUND: f"it has no DAG {dag}; see its import errors and its dags folder",
        }
        # looked up by number: proxies answer with statuses that HTTPStatus does not know, such as 520
        remedy = remedies.get(response.status_code, "see the log of its API server")
        detail = response.text[:MAX_SHOWN_CHARACTERS]
        return f"Airflow at {self._url} answered {response.status_code} to {response.url}: {detail}; {remedy}"


def _get_dag(model: str) -> str:
    return f"train_model_{model}"
