"""supervisord reads what is written for it, and what it leaves behind is found."""

import errno
import io
import os
import shlex
import signal
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest
from supervisor.options import ServerOptions

from deploy.embedded import keeper, leftovers, up
from deploy.embedded.keeper import State
from deploy.embedded.part import Missing, Part, Platform, running
from deploy.embedded.settings import Places, PlatformError
from deploy.embedded.up import Stopped, changed
from platforms import until

ODD = ["a program", "100 % sure", "; no comment", "it's", '"quoted"', "%(ENV_HOME)s"]


def _platform(*command: str) -> Platform:
    part = Part(
        name="odd", title="Odd", command=[*command], ports={1234: "ODD_PORT"}, ready="tcp://127.0.0.1:1",
        stop_seconds=1,
    )  # fmt: skip
    return Platform(parts=[part], missing=[Missing(title="Even", why="it is not odd")])


@pytest.fixture
def places(tmp_path: Path) -> Places:
    return Places(state=tmp_path)


def test_odd_words_reach_a_part_as_they_are(places: Places) -> None:
    places.run.mkdir()
    places.logs.mkdir()
    file = places.run / "supervisord.conf"
    file.write_text(keeper.configuration(_platform(*ODD), places))
    options = ServerOptions()
    options.realize(["--configuration", str(file)])
    [group] = options.process_group_configs
    [program] = group.process_configs
    assert shlex.split(program.command)[-len(ODD) :] == ODD


def test_what_runs_is_read_as_it_was_written(places: Places) -> None:
    places.run.mkdir()
    platform = replace(_platform("true"), settings={"A": "b"}, session=7)
    platform.write(places.description)
    assert running(places) == platform
    assert places.description.stat().st_mode & 0o077 == 0  # addresses may hold passwords


@pytest.mark.parametrize("text", ["", '{"parts": []}', '{"parts": [{"ports": {}, "colour": "red"}]}'])
def test_what_another_version_has_written_is_named(places: Places, text: str) -> None:
    places.run.mkdir()
    places.description.write_text(text)
    with pytest.raises(PlatformError, match=r"platform.json is of another version"):
        running(places)


def test_nothing_runs_where_nothing_was_started(places: Places) -> None:
    assert running(places) is None
    assert not keeper.alive(places)
    with pytest.raises(PlatformError, match="make up"):
        keeper.states(places)


@pytest.mark.slow
def test_a_part_that_cannot_start_is_given_up_and_says_why(places: Places) -> None:
    process, begun = keeper.start(_platform("/no/such/program"), places)
    try:
        until("it is given up", lambda: keeper.broken(keeper.states(places)))
        [state] = keeper.broken(keeper.states(places))
        assert (state.name, state.state, state.pid) == ("odd", "FATAL", 0)
        assert "odd: cannot run /no/such/program: No such file or directory" in places.log("odd").read_text()
    finally:
        keeper.stop(places, begun)
        assert process.wait(timeout=10) == 0


BEHIND = """
import signal, subprocess, sys
child = "import signal; signal.pause()"
subprocess.Popen([sys.executable, "-c", child])
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
print("begun", flush=True)
signal.pause()
"""
"""A part with a child of its own, and with one that may outlive it."""


def _leaving(places: Places) -> Platform:
    return _script(places, BEHIND)


def _script(places: Places, text: str) -> Platform:
    script = places.state / "part.py"
    script.write_text(text)
    return _platform(sys.executable, str(script))


@pytest.mark.slow
def test_what_a_killed_platform_leaves_is_ended_but_a_retraining(places: Places) -> None:
    process, begun = keeper.start(_leaving(places), places)
    log = places.log("odd")
    until("it runs", lambda: log.exists() and "begun" in log.read_text())
    [state] = keeper.states(places).values()
    process.kill()
    process.wait()
    found = leftovers.of_session(keeper.server(places), begun.session)
    assert len(found) == 2
    assert state.pid in found
    [apart] = [pid for pid in _told(places) if pid not in found]
    assert keeper.sweep(places, begun.session) == 2
    assert leftovers.of_session(keeper.server(places), begun.session) == []
    assert Path(f"/proc/{apart}").exists()
    os.kill(apart, 9)


def _told(places: Places) -> list[int]:
    """All processes that the platform told who keeps them."""
    told = f"{leftovers.SERVER}={keeper.server(places)}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if told in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_a_part_that_is_killed_gets_its_port_back_from_its_children(places: Places) -> None:
    process, begun = keeper.start(_leaving(places), places)
    log = places.log("odd")
    try:
        until("it runs", lambda: log.exists() and "begun" in log.read_text())
        [before] = keeper.states(places).values()
        until("it is steady", lambda: keeper.states(places)["odd"].state == "RUNNING")
        os.kill(before.pid, 9)
        until("it runs again", lambda: log.read_text().count("begun") == 2)
        assert "odd: 1 processes of an earlier run were left and have been ended" in log.read_text()
    finally:
        keeper.stop(places, begun)
        process.wait(timeout=10)
        for pid in _told(places):
            os.kill(pid, 9)


STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("begun", flush=True)
while True:
    signal.pause()
"""
"""A part that does not stop when it is asked to."""


@pytest.mark.slow
def test_stopping_ends_though_supervisord_is_killed_meanwhile(places: Places) -> None:
    [part] = _script(places, STUBBORN).parts
    process, begun = keeper.start(Platform(parts=[replace(part, stop_seconds=600)], missing=[]), places)
    log = places.log("odd")
    until("it runs", lambda: log.exists() and "begun" in log.read_text())
    stopping = threading.Thread(target=keeper.stop, args=(places, begun), daemon=True)
    stopping.start()
    until("it stops", lambda: not keeper.alive(places))
    process.kill()
    process.wait()
    stopping.join(60)
    assert not stopping.is_alive()
    assert _told(places) == []
    assert not places.socket.exists()


@pytest.mark.slow
def test_interrupted_while_it_starts_nothing_is_left(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_places: Places) -> bool:
        raise Stopped

    with monkeypatch.context() as patched:
        patched.setattr(keeper, "alive", interrupted)
        with pytest.raises(Stopped):
            keeper.start(_platform("sleep", "600"), places)
    platform = running(places)
    assert platform is not None
    assert not leftovers.runs(platform.session)
    assert leftovers.of_session(keeper.server(places), platform.session) == []
    assert not keeper.alive(places)


class Closed(io.StringIO):
    """The terminal of one who has closed its window."""

    def write(self, _text: str, /) -> int:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.slow
def test_it_is_stopped_though_nobody_reads_what_is_said(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, begun = keeper.start(_script(places, STUBBORN), places)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Closed())
        patched.setattr(signal, "signal", lambda *_: None)  # this process goes on
        up._stop(places, up.Begun(platform=begun, process=process))
    assert process.poll() == 0
    assert _told(places) == []


def test_who_only_stops_it_is_not_asked_to(places: Places) -> None:
    places.run.mkdir()
    with up.held(places, "123") as ours:
        assert ours
        assert up.holder(places) == 123
    with up.held(places) as ours, up.held(places) as others:
        assert (ours, others) == (True, False)
        assert up.holder(places) == 0


RUNS = State(name="api", state="RUNNING", pid=7, seconds=9, why="")
ENDED = State(name="api", state="EXITED", pid=0, seconds=0, why="exit status 1")


@pytest.mark.parametrize(
    ("before", "now", "said"),
    [
        (None, RUNS, ""),
        (RUNS, RUNS, ""),
        (RUNS, replace(RUNS, pid=8), "(process 7) has ended and was started again as process 8"),
        (RUNS, ENDED, "has ended and is started again (exit status 1)"),
        (RUNS, replace(ENDED, state="FATAL"), "has ended and is given up (exit status 1)"),
        (ENDED, replace(RUNS, pid=8), ""),
    ],
    ids=["first look", "goes on", "between looks", "ended", "given up", "is back"],
)
def test_what_became_of_a_part_is_told_once(before: State | None, now: State, said: str) -> None:
    assert changed(before, now) == said
