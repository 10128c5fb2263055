"""Retrainings by Airflow: its REST API, version 2, starts the DAG of a model."""

import json
from http import HTTPStatus
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote
from urllib.request import Request, urlopen

from servicio_ml.errors import RetrainingError

TIMEOUT_SECONDS = 10
SHOWN_CHARACTERS = 300


class AirflowRetrainer:
    """Runs of the DAGs `train_model_<model>`.

    Args:
        url: Of Airflow's API server.
        user: Who may start runs.
        password_file: Holds the user's password; read each time, it may be changed.
    """

    def __init__(self, url: str, user: str, password_file: Path) -> None:
        self._url, self._user, self._password_file = url.rstrip("/"), user, password_file

    def start(self, model: str, key: str, reason: str) -> str:
        dag = f"train_model_{model}"
        path = f"/api/v2/dags/{quote(dag, safe='')}"
        try:
            bearer = self._bearer(model)
            if self._asked(path, None, bearer).get("is_paused"):
                raise RetrainingError(model, f"the DAG {dag} of {self._url} is paused; unpause it")
            body = {"dag_run_id": key, "logical_date": None, "conf": {"reason": reason}}
            try:
                self._asked(f"{path}/dagRuns", body, bearer)
            except HTTPError as error:
                # begun before, by a call whose answer was lost
                if error.code != HTTPStatus.CONFLICT:
                    raise
                error.close()
        except HTTPError as error:
            raise RetrainingError(model, self._refused(error, dag)) from error
        except (OSError, HTTPException, ValueError) as error:
            problem = f"{error}; check SERVICIO_ML_AIRFLOW_URL and that Airflow is up"
            raise RetrainingError(model, f"Airflow at {self._url}: {problem}") from error
        return f"{self._url}/dags/{dag}/runs/{quote(key, safe=':')}"

    def _bearer(self, model: str) -> str:
        try:
            password = self._password_file.read_text().strip()
        except (OSError, UnicodeError) as error:
            raise RetrainingError(model, f"SERVICIO_ML_AIRFLOW_PASSWORD_FILE: {error}") from error
        answer = self._asked("/auth/token", {"username": self._user, "password": password}, "")
        token = answer.get("access_token")
        if not isinstance(token, str):
            raise ValueError(f"{self._url}/auth/token answered without an access_token")  # noqa: TRY004  told as such
        return token

    def _asked(self, path: str, body: object, bearer: str) -> dict[str, Any]:
        """The document of an answer; a body is posted, else it is got."""
        headers = {"Accept": "application/json", "Content-Type": "application/json"}
        if bearer:
            headers["Authorization"] = f"Bearer {bearer}"
        data = None if body is None else json.dumps(body).encode()
        request = Request(self._url + path, data, headers)  # noqa: S310  the setting takes http(s) only
        with urlopen(request, timeout=TIMEOUT_SECONDS) as answer:  # noqa: S310
            document = json.loads(answer.read())
        if not isinstance(document, dict):
            raise ValueError(f"{self._url}{path} answered with no document of Airflow")  # noqa: TRY004  told as such
        return document

    def _refused(self, error: HTTPError, dag: str) -> str:
        with error:
            told = error.read().decode(errors="replace")[:SHOWN_CHARACTERS]
        remedies: dict[int, str] = {
            HTTPStatus.UNAUTHORIZED: "check SERVICIO_ML_AIRFLOW_USER and the password in the file named by "
            "SERVICIO_ML_AIRFLOW_PASSWORD_FILE",
            HTTPStatus.FORBIDDEN: f"the user {self._user!r} needs the right to trigger DAGs",
            HTTPStatus.NOT_FOUND: f"it has no DAG {dag}; see its import errors and its dags folder",
        }
        remedy = remedies.get(error.code, "see the log of its API server")
        return f"Airflow at {self._url} answered {error.code} to {error.url}: {told}; {remedy}"
