"""Output for a terminal: the components with their addresses and states, crashes, and an example request."""

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

from deploy.embedded.components.component import Component, EmbeddedPlatform
from deploy.embedded.processes.supervisord import ProcessState
from deploy.embedded.settings import StatePaths

READ_BYTES = 64 * 1024
"""Number of bytes that are read from the end of a log."""
END_LINES = 12
FILE_WIDTH = 200
"""Width of a table that goes to a file or another program, in characters."""
ERROR_PATTERN = re.compile(r"error|critical|fatal|panic|exception|traceback", re.IGNORECASE)
INFO_PATTERN = re.compile(r"level\"?[=:] ?\"?(info|debug)|\bINFO\b", re.IGNORECASE)
ERROR_CHARACTERS = 100
OPTIONAL_FIELDS = 5
"""Number of optional fields in an example request."""
TIMEOUT_SECONDS = 5.0


def print_table(title: str, columns: list[str], rows: Iterator[list[str]]) -> None:
    """Print a table."""
    table = Table(title=title, title_justify="left")
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*row)
    # without a terminal, Rich would fold addresses at 80 characters
    Console(width=None if sys.stdout.isatty() else FILE_WIDTH).print(table, highlight=False, markup=False)


def print_addresses(platform: EmbeddedPlatform, states: Mapping[str, ProcessState]) -> None:
    """Print the address of each component, and the components that are missing."""
    print_table(
        "servicio-ml runs on this machine",
        ["component", "state", "address"],
        (
            [each.title, _describe_state(states.get(each.name)), each.url or each.ready]
            for each in platform.components
        ),
    )
    if platform.missing:
        rows = ([each.title, each.reason] for each in platform.missing)
        print_table("missing", ["component", "reason"], rows)


def print_status(platform: EmbeddedPlatform, states: Mapping[str, ProcessState], paths: StatePaths) -> None:
    """Print the state and the last error of each component."""
    print_table(
        "servicio-ml",
        ["component", "state", "pid", "up for", "address", "last error"],
        (_build_row(each, states.get(each.name), paths) for each in platform.components),
    )


def _build_row(component: Component, state: ProcessState | None, paths: StatePaths) -> list[str]:
    running = state if state is not None and state.pid > 0 else None
    return [
        component.name,
        _describe_state(state),
        str(running.pid) if running else "",
        str(timedelta(seconds=running.seconds)) if running else "",
        component.url or component.ready,
        find_last_error(paths.get_log(component.name)),
    ]


def _describe_state(state: ProcessState | None) -> str:
    if state is None:
        return "stopped"
    # supervisord says STARTING for the first 8 s, though the component may answer already
    word = "just started" if state.state == "STARTING" else state.state.lower()
    return word + (f": {state.reason}" if state.reason else "")


def read_end(path: Path) -> list[str]:
    """Read the last lines of a log, up to 64 KiB."""
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - READ_BYTES))
            return file.read().decode(errors="replace").splitlines()
    except FileNotFoundError:
        return []


def find_last_error(path: Path) -> str:
    """Find the last line of a log that reports an error, cut to 100 characters; empty if there is none."""
    bad = [line for line in read_end(path) if ERROR_PATTERN.search(line) and not INFO_PATTERN.search(line)]
    return bad[-1].strip()[:ERROR_CHARACTERS] if bad else ""


def print_crash(component: Component, problem: str, paths: StatePaths) -> None:
    """Print the problem of a component, the end of its log, and what to do."""
    log = paths.get_log(component.name)
    print(f"\n{component.title} {problem}; the end of {log}:", file=sys.stderr)
    for line in read_end(log)[-END_LINES:]:
        print(f"  {line}", file=sys.stderr)
    print(f"  the complete log: make logs COMPONENT={component.name}", file=sys.stderr, flush=True)


def build_example_command(api: str, model: str) -> str:
    """Build a command that requests a prediction; empty if the model's schema cannot be read."""
    try:
        response = httpx.get(f"{api}/models/{model}/schema", timeout=TIMEOUT_SECONDS).raise_for_status()
    except httpx.HTTPError:
        return ""
    record = json.dumps(_build_example(response.json()["fields"]), ensure_ascii=False)
    url = f"{api}/models/{model}/predict"
    return f"curl --header 'Content-Type: application/json' {url} --data {shlex.quote(record)}"


def _build_example(fields: list[dict[str, Any]]) -> dict[str, Any]:
    """Build a record of the required fields and up to five optional numbers."""
    required = [each for each in fields if not each["nullable"]]
    optional = [each for each in fields if each["nullable"] and each["kind"] != "category"]
    return {each["name"]: each["example"] for each in [*required, *optional[:OPTIONAL_FIELDS]]}
