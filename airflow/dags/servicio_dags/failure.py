"""Telling a webhook, where one is set, that a task has failed for good."""

import json
from typing import Any
from urllib.request import Request, urlopen

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

WEBHOOK = "failure_webhook"
"""The connection: its host is the whole address, its password the bearer token, if there is one."""
TIMEOUT_SECONDS = 10


def tell(context: Any) -> None:
    """A callback for tasks."""
    _post(_document(context))


def _document(context: Any) -> dict[str, Any]:
    task = context["ti"]
    return {
        "dag_id": task.dag_id,
        "run_id": task.run_id,
        "task_id": task.task_id,
        "map_index": task.map_index,
        "try_number": task.try_number,
        "error": str(context.get("exception") or "lost"),
        "log": task.log_url,
    }


def _post(document: dict[str, Any]) -> None:
    try:
        webhook = Connection.get(WEBHOOK)
    except AirflowNotFoundException:
        return
    headers = {"Content-Type": "application/json"}
    if webhook.password:
        headers["Authorization"] = f"Bearer {webhook.password}"
    request = Request(webhook.host, json.dumps(document).encode(), headers)
    with urlopen(request, timeout=TIMEOUT_SECONDS):
        pass
