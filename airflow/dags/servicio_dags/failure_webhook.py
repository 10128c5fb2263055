"""Notifies a webhook, if one is configured, when a task has failed after its last retry."""

import json
from typing import Any
from urllib.request import Request, urlopen

from airflow.sdk import Connection
from airflow.sdk.exceptions import AirflowNotFoundException

WEBHOOK = "failure_webhook"
"""Airflow connection: `host` is the complete URL, `password` the optional bearer token."""
TIMEOUT_SECONDS = 10


def notify_failure(context: Any) -> None:
    """Post a failed task to the webhook; the `on_failure_callback` of every task."""
    _post_document(_build_document(context))


def _build_document(context: Any) -> dict[str, Any]:
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


def _post_document(document: dict[str, Any]) -> None:
    try:
        webhook = Connection.get(WEBHOOK)
    # the webhook is optional
    except AirflowNotFoundException:
        return
    headers = {"Content-Type": "application/json"}
    if webhook.password:
        headers["Authorization"] = f"Bearer {webhook.password}"
    request = Request(webhook.host, json.dumps(document).encode(), headers)
    with urlopen(request, timeout=TIMEOUT_SECONDS):
        pass
