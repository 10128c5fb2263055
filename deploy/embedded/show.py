"""What a terminal is shown: the parts and their addresses, how they do, what became of them."""

import json
import re
import shlex
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from deploy.embedded.keeper import State
from deploy.embedded.part import Part, Platform
from deploy.embedded.settings import Places

READ_BYTES = 64 * 1024
"""Of the end of a log."""
END_LINES = 12
UNFOLDED = 200
"""Characters of a line of a table that goes to a file or another program."""
BAD = re.compile(r"error|critical|fatal|panic|exception|traceback", re.IGNORECASE)
HARMLESS = re.compile(r"level\"?[=:] ?\"?(info|debug)|\bINFO\b", re.IGNORECASE)
SHOWN_CHARACTERS = 100
SHOWN_FIELDS = 5
"""Of a record to try, besides those that must be given."""
ANSWER_SECONDS = 5.0


def table(title: str, columns: list[str], rows: Iterator[list[str]]) -> None:
    """Print a table."""
    made = Table(title=title, title_justify="left")
    for column in columns:
        made.add_column(column, overflow="fold")
    for row in rows:
        made.add_row(*row)
    Console(width=None if sys.stdout.isatty() else UNFOLDED).print(made, highlight=False, markup=False)


def addresses(platform: Platform, states: Mapping[str, State]) -> None:
    """What runs where, and what is missing."""
    table(
        "servicio-ml runs on this machine",
        ["part", "state", "address"],
        ([part.title, _short(states.get(part.name)), part.url or part.ready] for part in platform.parts),
    )
    if platform.missing:
        table("not here", ["part", "why"], ([each.title, each.why] for each in platform.missing))


def standing(platform: Platform, states: Mapping[str, State], places: Places) -> None:
    """How each part does."""
    table(
        "servicio-ml",
        ["part", "state", "pid", "up for", "address", "last error"],
        (_row(part, states.get(part.name), places) for part in platform.parts),
    )


def _row(part: Part, state: State | None, places: Places) -> list[str]:
    runs = state is not None and state.pid > 0
    return [
        part.name,
        _short(state),
        str(state.pid) if state and runs else "",
        str(timedelta(seconds=state.seconds)) if state and runs else "",
        part.url or part.ready,
        last_error(places.log(part.name)),
    ]


def _short(state: State | None) -> str:
    if state is None:
        return "stopped"
    # what supervisord calls starting may answer already: it has not run for long
    word = "just started" if state.state == "STARTING" else state.state.lower()
    return word + (f": {state.why}" if state.why else "")


def end_of(path: Path) -> list[str]:
    """The last lines of a log."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - READ_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def last_error(path: Path) -> str:
    """The last line of a log that tells of something bad, cut; empty when there is none."""
    bad = [line for line in end_of(path) if BAD.search(line) and not HARMLESS.search(line)]
    return bad[-1].strip()[:SHOWN_CHARACTERS] if bad else ""


def crashed(part: Part, what: str, places: Places) -> None:
    """Name a part that has ended, with the end of its log and what to do."""
    log = places.log(part.name)
    print(f"\n{part.title} {what}; the end of {log}:", file=sys.stderr)
    for line in end_of(log)[-END_LINES:]:
        print(f"  {line}", file=sys.stderr)
    print(f"  all of it: make logs PART={part.name}", file=sys.stderr, flush=True)


def to_try(api: str, model: str) -> str:
    """A command that asks a model; empty when it does not answer."""
    try:
        answer = httpx.get(f"{api}/models/{model}/schema", timeout=ANSWER_SECONDS).raise_for_status()
    except httpx.HTTPError:
        return ""
    record = json.dumps(_record(answer.json()["fields"]), ensure_ascii=False)
    url = f"{api}/models/{model}/predict"
    return f"curl --header 'Content-Type: application/json' {url} --data {shlex.quote(record)}"


def _record(fields: list[dict[str, Any]]) -> dict[str, Any]:
    """An example: what must be given, and a few more."""
    needed = [each for each in fields if not each["nullable"]]
    others = [each for each in fields if each["nullable"] and each["kind"] != "category"]
    return {each["name"]: each["example"] for each in [*needed, *others[:SHOWN_FIELDS]]}
