"""Writes grafana/dashboards/*.json: `python -m grafana.generate`."""

import json
from pathlib import Path
from typing import Any

from grafana.board import PREFIX, document
from grafana.boards.drift import drift
from grafana.boards.model import model
from grafana.boards.object_store import object_store
from grafana.boards.overview import overview
from grafana.boards.pipelines import pipelines
from grafana.boards.postgresql import postgresql
from grafana.boards.service import service
from grafana.boards.stream import stream

FOLDER = Path(__file__).parent / "dashboards"
BOARDS = (overview, service, model, drift, pipelines, stream, postgresql, object_store)


def documents() -> dict[str, dict[str, Any]]:
    """File name to the JSON of its dashboard."""
    made = (document(each().build()) for each in BOARDS)
    return {f"{each['uid'].removeprefix(PREFIX)}.json": each for each in made}


def text(made: dict[str, Any]) -> str:
    """As it is committed: a later change shows as few changed lines."""
    return json.dumps(made, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


def main() -> None:
    FOLDER.mkdir(exist_ok=True)
    found = documents()
    for stale in {path.name for path in FOLDER.glob("*.json")} - found.keys():
        (FOLDER / stale).unlink()
    for name, made in found.items():
        (FOLDER / name).write_text(text(made), encoding="utf-8")


if __name__ == "__main__":
    main()
