"""Component of the platform: a program that supervisord keeps running, and its readiness check."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from deploy import atomic_file
from deploy.embedded.settings import PlatformError, StatePaths

STOP_SECONDS = 20
DESCRIPTION_MODE = 0o600
"""Mode of the description: the addresses among its variables may hold passwords."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """A program of the platform.

    Attributes:
        name: Name for `make logs COMPONENT=…`.
        title: Name for people.
        command: Command line.
        ports: Ports that it listens on, each with the variable that sets another one.
        url: Address for people; empty if there is nothing to see.
        ready: Address that answers with a 2xx once the component is ready; `tcp://…` accepts connections;
            empty if the component serves nothing and is ready when it runs.
        stop_seconds: Time limit for a stop, in seconds; afterwards it is killed.
        order: Priority: components with a lower number start earlier and stop later.
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
class MissingComponent:
    """A component that this machine cannot run.

    Attributes:
        title: Name for people.
        reason: Reason, and how to get the component.
    """

    title: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedPlatform:
    """A platform that runs or is about to start.

    Attributes:
        components: Components in the order of their start.
        missing: Components that this machine cannot run.
        variables: Environment variables of the components.
        session: Session id of the processes; 0 before the start.
    """

    components: Sequence[Component]
    missing: Sequence[MissingComponent]
    variables: Mapping[str, str] = field(default_factory=dict)
    session: int = 0

    def find_component(self, name: str) -> Component | None:
        return next((each for each in self.components if each.name == name), None)

    def write_description(self, path: Path) -> None:
        # atomic: `make status` in another terminal may read it at any moment
        atomic_file.replace(path, json.dumps(asdict(self), indent=1), DESCRIPTION_MODE)


def read_platform(paths: StatePaths) -> EmbeddedPlatform | None:
    """Description of the platform that was started last; None if none was ever started.

    Raises:
        PlatformError: Another version wrote the description.
    """
    try:
        return _parse(json.loads(paths.description.read_text()))
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, KeyError) as error:
        problem = f"{paths.description} is of another version ({error!r}); stop the platform and remove it"
        raise PlatformError(problem) from error


def _parse(document: Mapping[str, Any]) -> EmbeddedPlatform:
    # JSON has no integer keys
    components = [
        Component(**{**each, "ports": {int(port): name for port, name in each["ports"].items()}})
        for each in document["components"]
    ]
    missing = [MissingComponent(**each) for each in document["missing"]]
    return EmbeddedPlatform(
        components=components,
        missing=missing,
        variables=document["variables"],
        session=document["session"],
    )
