"""Write grafana/dashboards/*.json: `python -m grafana.generate`."""

import json
from pathlib import Path
from typing import Any

from grafana.board import PREFIX, to_document
from grafana.boards.airflow import build_airflow_board
from grafana.boards.drift import build_drift_board
from grafana.boards.model import build_model_board
from grafana.boards.object_store import build_object_store_board
from grafana.boards.overview import build_overview_board
from grafana.boards.pipelines import build_pipelines_board
from grafana.boards.postgresql import build_postgresql_board
from grafana.boards.service import build_service_board
from grafana.boards.stream import build_stream_board

FOLDER = Path(__file__).parent / "dashboards"
BOARDS = (
    build_overview_board,
    build_service_board,
    build_model_board,
    build_drift_board,
    build_pipelines_board,
    build_airflow_board,
    build_stream_board,
    build_postgresql_board,
    build_object_store_board,
)


def build_documents() -> dict[str, dict[str, Any]]:
    """File name to the JSON of its dashboard."""
    made = (to_document(each().build()) for each in BOARDS)
    return {f"{each['uid'].removeprefix(PREFIX)}.json": each for each in made}


def to_text(made: dict[str, Any]) -> str:
    """Format a document for the repository: indented, so that a change shows as few changed lines."""
    return json.dumps(made, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    found = build_documents()
    for stale in {path.name for path in FOLDER.glob("*.json")} - found.keys():
        (FOLDER / stale).unlink()
    for name, made in found.items():
        (FOLDER / name).write_text(to_text(made), encoding="utf-8")


if __name__ == "__main__":
    main()
