"""`make up`: starts everything, and holds it until it is told to stop."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType

from deploy.embedded import keeper, parts, ports, prepare, ready, show
from deploy.embedded.keeper import State
from deploy.embedded.part import Platform, running
from deploy.embedded.settings import Places, PlatformError, Setup
from servicio_ml.domain.use_case import UseCase

STOPS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
BETWEEN_LOOKS_SECONDS = 1.0
CHAMPIONS_SECONDS = 3.0


class Stopped(BaseException):
    """Somebody wants the platform to stop."""


def up(setup: Setup) -> int:
    """Start the platform and hold it; gives the exit code."""
    setup.places.run.mkdir(parents=True, exist_ok=True)
    with held(setup.places, str(os.getpid())) as ours:
        if not ours:
            return _shown(setup)
        for each in STOPS:
            signal.signal(each, _stopped)
        try:
            return _held(setup)
        except Stopped:
            return 0


def _shown(setup: Setup) -> int:
    if not (process := holder(setup.places)):
        raise PlatformError("the platform is being stopped; wait until it is, and `make up` again")
    print(f"servicio-ml is up already; process {process} holds it")
    found = running(setup.places)
    if found is None or not keeper.alive(setup.places):
        print("it is still starting; see its terminal")
    else:
        show.addresses(found, keeper.states(setup.places))
    return 0


@contextmanager
def held(places: Places, name: str = "") -> Iterator[bool]:
    """Hold the platform of a state folder, or find that another process does.

    Args:
        places: Of the platform.
        name: Who can be asked to let go: a process; empty where nobody needs to ask.
    """
    with places.lock.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
            return
        lock.truncate(0)
        lock.write(name)
        lock.flush()
        yield True


def holder(places: Places) -> int:
    """The process that can be asked to let go; 0 where the one that holds it soon does by itself."""
    return int(places.lock.read_text() or 0)


def _stopped(_number: int, _frame: FrameType | None) -> None:
    for each in STOPS:  # a second Ctrl-C would interrupt the stopping
        signal.signal(each, signal.SIG_IGN)
    raise Stopped


def _held(setup: Setup) -> int:
    use_cases = prepare.wanted(setup)
    begun = _adopted(setup) or _started(setup, use_cases)
    try:
        ready.wait(begun.platform.parts, setup.places)
        _champions(setup, use_cases)
        _tell(setup, begun.platform)
        return _watch(setup, begun)
    finally:
        _stop(setup.places, begun)


@dataclass(slots=True, kw_only=True)
class Begun:
    """A platform that runs.

    Attributes:
        platform: It.
        process: supervisord, where this process has started it.
        seen: How its parts did at the last look.
    """

    platform: Platform
    process: subprocess.Popen[bytes] | None = None
    seen: Mapping[str, State] = field(default_factory=dict)


def _adopted(setup: Setup) -> Begun | None:
    """A platform that has lost its terminal; what such a one has left behind is ended."""
    left = running(setup.places)
    if left is None:
        return None
    if keeper.alive(setup.places):
        print("a platform runs here whose terminal was killed; this one takes it over, as it is set up")
        return Begun(platform=left)
    if ended := keeper.sweep(setup.places, left.session):
        print(f"{ended} processes of a platform that was killed have been ended")
    return None


def _started(setup: Setup, use_cases: Sequence[UseCase]) -> Begun:
    platform = parts.platform(setup)
    ports.check(platform.parts)
    if not setup.platform.mlflow_url and not (setup.places.state / "mlflow.db").exists():
        # nothing can have a champion yet; what trains makes the database alone, and has all processors
        for each in use_cases:
            prepare.champion(setup, each)
        ports.check(platform.parts)  # that took a while
    print(
        f"starting {', '.join(part.title for part in platform.parts)}; logs: {setup.places.logs}", flush=True
    )
    process, platform = keeper.start(platform, setup.places)
    return Begun(platform=platform, process=process)


def _champions(setup: Setup, use_cases: Sequence[UseCase]) -> None:
    """See that each use case has a champion that is served."""
    names = [each.name for each in use_cases]
    served = ready.models(setup.api_url, names, CHAMPIONS_SECONDS)
    open_ones = [each for each in use_cases if each.name not in served]
    lacking = prepare.without_champion(setup, open_ones) if open_ones else []
    for each in lacking:
        prepare.champion(setup, each)
    if open_ones and (silent := sorted({*names} - ready.models(setup.api_url, names))):
        print(f"not served: {', '.join(silent)}; see {setup.api_url}/health/ready", file=sys.stderr)


def _tell(setup: Setup, platform: Platform) -> None:
    show.addresses(platform, keeper.states(setup.places))
    served = ready.served(setup.api_url)
    # the first is the one that most is told of
    model = min(served, key=lambda name: (name != setup.platform.default_model, name), default="")
    if model and (line := show.to_try(setup.api_url, model)):
        print(f"\ntry:\n  {line}\n  make demo")
    print("\nCtrl-C, or `make down` elsewhere, stops all of it", flush=True)


def _watch(setup: Setup, begun: Begun) -> int:
    """Name what ends until all of it does."""
    while True:
        try:
            states = keeper.states(setup.places)
        except PlatformError:
            print("supervisord has been ended by somebody; the parts are stopped", file=sys.stderr)
            return 1
        for part in begun.platform.parts:
            if what := changed(begun.seen.get(part.name), states[part.name]):
                show.crashed(part, what, setup.places)
        begun.seen = states
        threading.Event().wait(BETWEEN_LOOKS_SECONDS)


def changed(before: State | None, now: State) -> str:
    """What became of a part between two looks; empty where it goes on."""
    if before is None or before.pid == now.pid or not before.pid:
        return ""
    if now.pid:
        return f"(process {before.pid}) has ended and was started again as process {now.pid}"
    if now in keeper.broken({now.name: now}):
        return f"has ended and is given up ({now.why})"
    return f"has ended and is started again ({now.why})"


def _stop(places: Places, begun: Begun) -> None:
    for each in STOPS:
        signal.signal(each, signal.SIG_IGN)
    _say("\nstopping")
    stop(places, begun.platform)
    if begun.process is not None:
        begun.process.wait()
    _say("stopped; what was trained, predicted and measured is kept")


def stop(places: Places, platform: Platform) -> int:
    """Stop a platform; gives how many processes of it were there, of which supervisord is one."""
    with suppress(PlatformError):
        keeper.stop(places, platform)
        return 1
    return keeper.sweep(places, platform.session)


def _say(text: str) -> None:
    """Print it where somebody still reads: a terminal that was closed must not keep the platform running."""
    with suppress(OSError):
        print(text, flush=True)
