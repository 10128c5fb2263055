"""Fake of the calls of Airflow's REST API, version 2, that start runs of DAGs."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote

USER, PASSWORD = "admin", "a-password"
TOKEN = "a-token"  # noqa: S105  of a stand-in


@dataclass
class FakeAirflowApi:
    """A loopback server with DAGs, and the runs that were started.

    Attributes:
        url: Its address.
        dags: Those that it knows, and whether they are paused.
        runs: The bodies of the runs, by DAG and run id.
        forced_responses: Answers by path that are given instead: status and body.
        states: States of runs that are not queued any more, by DAG and run id.
        drops_responses: Whether runs are started without a response.
    """

    url: str = ""
    dags: dict[str, bool] = field(default_factory=dict)
    runs: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    states: dict[tuple[str, str], str] = field(default_factory=dict)
    forced_responses: dict[str, tuple[int, bytes]] = field(default_factory=dict)
    drops_responses: bool = False

    def respond(self, method: str, path: str, authorization: str, sent: dict[str, Any]) -> tuple[int, object]:
        """Status and document, as Airflow gives them."""
        if path == "/auth/token":
            known = sent == {"username": USER, "password": PASSWORD}
            return (201, {"access_token": TOKEN}) if known else (401, {"detail": "Invalid credentials"})
        if authorization != f"Bearer {TOKEN}":
            return 401, {"detail": "Not authenticated"}
        dag, *rest = path.removeprefix("/api/v2/dags/").split("/")
        if dag not in self.dags:
            return 404, {"detail": f"The Dag with ID: `{dag}` was not found"}
        if method == "GET" and not rest:
            return 200, {"dag_id": dag, "is_paused": self.dags[dag]}
        if method == "GET":
            return self._read_run(dag, unquote(rest[1]))
        assert (method, rest) == ("POST", ["dagRuns"])
        return self._start_run(dag, sent)

    def _read_run(self, dag: str, key: str) -> tuple[int, object]:
        if (dag, key) not in self.runs:
            return 404, {"detail": f"The DagRun with dag_id: `{dag}` and run_id: `{key}` was not found"}
        return 200, {"dag_id": dag, "dag_run_id": key, "state": self.states.get((dag, key), "queued")}

    def _start_run(self, dag: str, sent: dict[str, Any]) -> tuple[int, object]:
        if sent.keys() - {"dag_run_id", "conf", "note"} != {"logical_date"}:
            return 422, {"detail": [{"type": "missing", "loc": ["body", "logical_date"]}]}
        if (dag, sent["dag_run_id"]) in self.runs:
            return 409, {"detail": "DagRun already exists"}
        self.runs[dag, sent["dag_run_id"]] = sent
        return 200, {"dag_id": dag, "dag_run_id": sent["dag_run_id"], "state": "queued"}


@contextmanager
def serve_airflow_api(*dags: str) -> Iterator[FakeAirflowApi]:
    """The stand-in on a free loopback port, with DAGs that are not paused."""
    api = FakeAirflowApi(dags=dict.fromkeys(dags, False))

    class Handler(BaseHTTPRequestHandler):
        def _respond(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if self.path in api.forced_responses:
                status, body = api.forced_responses[self.path]
            else:
                header = self.headers.get("Authorization", "")
                status, document = api.respond(self.command, self.path, header, json.loads(raw or b"{}"))
                body = json.dumps(document).encode()
            if api.drops_responses and self.path.endswith("/dagRuns"):
                self.close_connection = True
                return
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_GET = do_POST = _respond  # noqa: N815  the names that http.server looks for

        def log_message(self, *_: object) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    api.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield api
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
