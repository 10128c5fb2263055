"""Measurements in a file of JSON lines, written as they come: what was measured outlives what fails later."""

import json
import statistics
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.serving.load import Load

Key = tuple[str, str, int]
"""Part, name of the server, and its connections or its share of the echo's rate in percent."""
Medians = Mapping[Key, Mapping[str, float]]


class MeasurementFile:
    """A file of measurements, one a line; the first line describes the machine.

    Args:
        path: File, which is written anew.
        machine: Description of the machine.
    """

    def __init__(self, path: Path, machine: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        path.unlink(missing_ok=True)
        self._write({"machine": machine})

    def add_load(self, part: str, server: str, level: int, load: Load) -> None:
        """Add a load of a part at a number of connections, or at a share of the echo's rate in percent."""
        self._write({"part": part, "server": server, "level": level, **asdict(load)})

    def add_value(self, part: str, name: str, value: float) -> None:
        """Add a single number of a part."""
        self._write({"part": part, "server": name, "level": 0, "value": value})

    def _write(self, document: Mapping[str, Any]) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(document) + "\n")


def read_medians(path: Path) -> Medians:
    """Read the medians over the rounds of each server and level.

    Raises:
        ValueError: A line is no measurement.
    """
    found: dict[Key, dict[str, list[float]]] = {}
    for document in _read_lines(path):
        key = (document.pop("part"), document.pop("server"), document.pop("level"))
        for name, value in document.items():
            found.setdefault(key, {}).setdefault(name, []).append(value)
    return {
        key: {name: statistics.median(values) for name, values in each.items()} for key, each in found.items()
    }


def _read_lines(path: Path) -> Iterator[dict[str, Any]]:
    for number, line in enumerate(path.read_text().splitlines(), start=1):
        try:
            document = json.loads(line)
        except ValueError as error:
            raise ValueError(f"{path}, line {number} is no measurement: {line[:100]!r}") from error
        if "machine" not in document:
            yield document
