"""The embedded platform: `make up`, `make down`, `make status`, `make logs` and `make demo`."""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Annotated

import typer

from deploy.embedded import keeper, settings, show
from deploy.embedded import up as starting
from deploy.embedded.part import Platform, running
from deploy.embedded.settings import Places, PlatformError
from servicio_ml.errors import ServicioError

LAST_LINES = "20"
"""Of each log, before what follows."""
BETWEEN_LOOKS_SECONDS = 0.1

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


@contextmanager
def told() -> Iterator[None]:
    """Tell an error of ours, or the system's, in one message."""
    try:
        yield
    except (ServicioError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


@app.command()
def up() -> None:
    """Start everything and hold it until Ctrl-C; variables say what and where (docs/deploy-embedded.md)."""
    with told():
        raise typer.Exit(starting.up(settings.read()))


@app.command()
def down() -> None:
    """Stop everything that `up` has started."""
    with told():
        places = settings.read().places
        if not places.lock.exists() or not _stopped(places):
            raise PlatformError("no platform runs here; start one by `make up`")
        print("stopped")


def _stopped(places: Places) -> bool:
    """Have whoever holds the platform stop it, or do so where nobody does; False where nothing ran."""
    asked = 0
    while True:
        with starting.held(places) as ours:
            if ours:
                found = running(places)
                return bool(found and starting.stop(places, found)) or bool(asked)
        if not asked and (asked := starting.holder(places)):
            with suppress(ProcessLookupError):  # it has just ended
                os.kill(asked, signal.SIGTERM)
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)


@app.command()
def status() -> None:
    """How each part does."""
    with told():
        places = settings.read().places
        platform, states = _found(places), keeper.states(places)
        show.standing(platform, states, places)
        if broken := keeper.broken(states):
            raise PlatformError(f"{', '.join(each.name for each in broken)} does not run; see make logs")


@app.command()
def logs(
    part: Annotated[str, typer.Option(help="Only this part's, such as api; all when empty.")] = "",
) -> None:
    """Follow the logs until Ctrl-C."""
    with told():
        places = settings.read().places
        platform = _found(places)
        if part and platform.part(part) is None:
            known = ", ".join(each.name for each in platform.parts)
            raise PlatformError(f"PART={part}: there is no such part; there are {known}")
        names = [part] if part else [each.name for each in platform.parts]
        files = [str(places.log(name)) for name in names]
        os.execvp("tail", ["tail", "-n", LAST_LINES, "-F", *files])  # noqa: S606, S607  it knows how to follow


def _found(places: Places) -> Platform:
    platform = running(places)
    if platform is None:
        raise PlatformError("no platform was ever started here; start one by `make up`")
    return platform


@app.command()
def demo(
    minutes: Annotated[float, typer.Option(min=0.05, help="Until it ends by itself.")] = 60,
    rate: Annotated[
        float, typer.Option(min=0.1, max=200, help="Rows a second, of all models together.")
    ] = 20,
    drift_after: Annotated[float, typer.Option(min=0, help="Minutes until the rows drift.")] = 5,
    label_after: Annotated[float, typer.Option(min=0, help="Seconds from a prediction to its truth.")] = 90,
    seed: Annotated[int, typer.Option(min=0, help="Same seed, same rows.")] = 0,
) -> None:
    """Send live traffic to the platform that runs: it drifts after a while, and ground truth comes late."""
    with told():
        from deploy.embedded.demo import Plan  # noqa: PLC0415  only this command needs Polars
        from deploy.embedded.demo import demo as run  # noqa: PLC0415

        plan = Plan(rate=rate, minutes=minutes, drift_after=drift_after, label_after=label_after, seed=seed)
        run(settings.read(), plan)


if __name__ == "__main__":
    app()
