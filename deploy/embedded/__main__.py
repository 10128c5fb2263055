"""The embedded platform: `make up`, `make programs`, `make down`, `make status`, `make logs`, `make demo`."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from deploy.embedded import settings, terminal_output
from deploy.embedded import up as platform_run
from deploy.embedded.components.component import EmbeddedPlatform, read_platform
from deploy.embedded.platform_lock import take_over_lock
from deploy.embedded.processes import supervisord
from deploy.embedded.processes.running_platforms import describe_absence
from deploy.embedded.releases import offer
from deploy.embedded.settings import PlatformError, StatePaths
from servicio_ml.errors import ServicioError

INITIAL_LINES = "20"
"""Number of lines of each log that are shown first."""

app = typer.Typer(help=__doc__, no_args_is_help=True, pretty_exceptions_enable=False)


@contextmanager
def report_errors() -> Iterator[None]:
    """Print an error of the project or of the operating system as one message and exit with 1."""
    try:
        yield
    except (ServicioError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        raise typer.Exit(1) from error


@app.command()
def up() -> None:
    """Start the platform and hold it until Ctrl-C; docs/deploy-embedded.md lists the variables."""
    with report_errors():
        raise typer.Exit(platform_run.run_platform(settings.read_setup()))


@app.command()
def programs() -> None:
    """Download the programs that this machine lacks."""
    with report_errors():
        raise typer.Exit(0 if offer.run_programs(settings.read_setup()) else 1)


@app.command()
def down() -> None:
    """Stop the platform that `up` has started."""
    with report_errors():
        paths = settings.read_setup().paths
        if not paths.lock.exists() or not _stop_platform(paths):
            raise PlatformError(describe_absence(paths))
        print("stopped")


def _stop_platform(paths: StatePaths) -> bool:
    """Have the terminal of the platform stop it, or stop it if there is none; False if nothing ran."""
    with take_over_lock(paths) as owner:
        found = read_platform(paths)
        return bool(found and platform_run.stop(paths, found)) or bool(owner)


@app.command()
def status() -> None:
    """Show the state of each component."""
    with report_errors():
        paths = settings.read_setup().paths
        platform, states = _read_description(paths), supervisord.read_states(paths)
        terminal_output.print_status(platform, states, paths)
        if failed := supervisord.find_failed(states):
            names = ", ".join(each.name for each in failed)
            raise PlatformError(f"components that do not run: {names}; see make logs")


@app.command()
def logs(
    component: Annotated[str, typer.Option(help="Only this component, such as api; all by default.")] = "",
) -> None:
    """Follow the logs until Ctrl-C."""
    with report_errors():
        paths = settings.read_setup().paths
        platform = _read_description(paths)
        if component and platform.find_component(component) is None:
            known = ", ".join(each.name for each in platform.components)
            raise PlatformError(f"COMPONENT={component}: there is no such component; there are {known}")
        names = [component] if component else [each.name for each in platform.components]
        files = [str(paths.get_log(name)) for name in names]
        # -F, because supervisord rotates the logs
        os.execvp("tail", ["tail", "-n", INITIAL_LINES, "-F", *files])  # noqa: S606, S607


def _read_description(paths: StatePaths) -> EmbeddedPlatform:
    platform = read_platform(paths)
    if platform is None:
        raise PlatformError(describe_absence(paths))
    return platform


@app.command()
def demo(
    minutes: Annotated[float, typer.Option(min=0.05, help="Duration in minutes.")] = 60,
    rate: Annotated[float, typer.Option(min=0.1, max=200, help="Rows per second, of all models.")] = 20,
    drift_after: Annotated[float, typer.Option(min=0, help="Minutes until the rows drift.")] = 5,
    label_after: Annotated[
        float, typer.Option(min=0, help="Seconds between a prediction and its ground truth.")
    ] = 90,
    seed: Annotated[int, typer.Option(min=0, help="Random seed: the same seed gives the same rows.")] = 0,
) -> None:
    """Send live traffic to the running platform: it drifts after a while, and ground truth arrives late."""
    with report_errors():
        # Polars and NumPy take a second to import; only this command needs them
        from deploy.embedded.demo.run import DemoPlan, run_demo  # noqa: PLC0415

        plan = DemoPlan(
            rate=rate, minutes=minutes, drift_after=drift_after, label_after=label_after, seed=seed
        )
        run_demo(settings.read_setup(), plan)


if __name__ == "__main__":
    app()
