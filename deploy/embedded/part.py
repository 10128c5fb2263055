"""A part of the platform: a program that is kept running, and how one sees that it is ready."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy import once
from deploy.embedded.settings import Places, PlatformError

STOP_SECONDS = 20
MODE = 0o600
"""Of the description: addresses among the settings may hold passwords."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One of them.

    Attributes:
        name: For `make logs PART=…`.
        title: For people.
        command: That runs it.
        ports: What it listens on, each with the variable that chooses another.
        url: Where people go; empty where there is nothing to see.
        ready: Answers with a 2xx when the part is ready; `tcp://…` accepts connections.
        stop_seconds: It may take to stop before it is killed.
        order: Those with less are started before, and stopped after.
    """

    name: str
    title: str
    command: Sequence[str]
    ports: Mapping[int, str]
    ready: str
    url: str = ""
    stop_seconds: int = STOP_SECONDS
    order: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A part that is not there.

    Attributes:
        title: For people.
        why: And how to get it.
    """

    title: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What runs, or is about to.

    Attributes:
        parts: In the order of their start.
        missing: What is not there.
        settings: Variables that the parts are told.
        session: Of the processes, once they run.
    """

    parts: Sequence[Part]
    missing: Sequence[Missing]
    settings: Mapping[str, str] = field(default_factory=dict)
    session: int = 0

    def part(self, name: str) -> Part | None:
        return next((each for each in self.parts if each.name == name), None)

    def write(self, path: Path) -> None:
        once.replace(path, json.dumps(asdict(self), indent=1), MODE)


def running(places: Places) -> Platform | None:
    """The platform that was started last; None where none ever was.

    Raises:
        PlatformError: It was described by another version.
    """
    try:
        return _read(json.loads(places.description.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        problem = (
            f"{places.description} is of another version ({error!r}); stop what still runs and remove it"
        )
        raise PlatformError(problem) from error


def _read(document: Mapping[str, Any]) -> Platform:
    parts = [
        Part(**{**each, "ports": {int(port): name for port, name in each["ports"].items()}})
        for each in document["parts"]
    ]
    missing = [Missing(**each) for each in document["missing"]]
    return Platform(parts=parts, missing=missing, settings=document["settings"], session=document["session"])
