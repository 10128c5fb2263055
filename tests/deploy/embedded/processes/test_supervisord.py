"""supervisord reads its configuration, and orphaned processes are found and ended."""

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

from deploy.embedded import up
from deploy.embedded.components.component import Component, EmbeddedPlatform, MissingComponent, read_platform
from deploy.embedded.platform_lock import lock_platform, read_lock_owner
from deploy.embedded.processes import orphaned_processes, running_platforms, supervisord, supervisord_config
from deploy.embedded.processes.supervisord import ProcessState
from deploy.embedded.settings import PlatformError, StatePaths
from deploy.embedded.up import StopRequested, describe_change
from model_server import wait_until

ODD = ["a program", "100 % sure", "; no comment", "it's", '"quoted"', "%(ENV_HOME)s"]


def _build_platform(*command: str) -> EmbeddedPlatform:
    component = Component(
        name="odd", title="Odd", command=[*command], ports={1234: "ODD_PORT"}, ready="tcp://127.0.0.1:1",
        stop_seconds=1,
    )  # fmt: skip
    return EmbeddedPlatform(
        components=[component], missing=[MissingComponent(title="Even", reason="it is not odd")]
    )


@pytest.fixture
def paths(tmp_path: Path) -> StatePaths:
    return StatePaths(state=tmp_path)


def test_special_characters_reach_a_command_unchanged(paths: StatePaths) -> None:
    paths.run.mkdir()
    paths.logs.mkdir()
    file = paths.run / "supervisord.conf"
    file.write_text(supervisord_config.build_configuration(_build_platform(*ODD), paths))
    options = ServerOptions()
    options.realize(["--configuration", str(file)])
    [group] = options.process_group_configs
    [program] = group.process_configs
    assert shlex.split(program.command)[-len(ODD) :] == ODD


def test_a_description_is_read_as_it_was_written(paths: StatePaths) -> None:
    paths.run.mkdir()
    platform = replace(_build_platform("true"), variables={"A": "b"}, session=7)
    platform.write_description(paths.description)
    assert read_platform(paths) == platform
    assert paths.description.stat().st_mode & 0o077 == 0  # addresses may hold passwords


@pytest.mark.parametrize("text", ["", '{"parts": []}', '{"parts": [{"ports": {}, "colour": "red"}]}'])
def test_a_description_of_another_version_is_reported(paths: StatePaths, text: str) -> None:
    paths.run.mkdir()
    paths.description.write_text(text)
    with pytest.raises(PlatformError, match=r"platform.json is of another version"):
        read_platform(paths)


def test_no_platform_runs_before_the_first_start(paths: StatePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    # whatever else runs on the machine of the test
    monkeypatch.setattr(running_platforms, "find_running_states", list)
    assert read_platform(paths) is None
    assert not supervisord.is_alive(paths)
    with pytest.raises(PlatformError, match="make up"):
        supervisord.read_states(paths)


@pytest.mark.slow
def test_a_component_that_cannot_start_fails_with_a_reason(paths: StatePaths) -> None:
    process, running = supervisord.start(_build_platform("/no/such/program"), paths)
    try:
        wait_until("it has failed", lambda: supervisord.find_failed(supervisord.read_states(paths)))
        [state] = supervisord.find_failed(supervisord.read_states(paths))
        assert (state.name, state.state, state.pid) == ("odd", "FATAL", 0)
        assert (
            "odd: cannot run /no/such/program: No such file or directory" in paths.get_log("odd").read_text()
        )
    finally:
        supervisord.stop(paths, running)
        assert process.wait(timeout=10) == 0


FORKING = """
import signal, subprocess, sys
child = "import signal; signal.pause()"
subprocess.Popen([sys.executable, "-c", child])
subprocess.Popen([sys.executable, "-c", child], start_new_session=True)
print("started", flush=True)
signal.pause()
"""
"""Component with a child in its session, and with another one in a session of its own."""


def _build_forking(paths: StatePaths) -> EmbeddedPlatform:
    return _build_script(paths, FORKING)


def _build_script(paths: StatePaths, text: str) -> EmbeddedPlatform:
    script = paths.state / "component.py"
    script.write_text(text)
    return _build_platform(sys.executable, str(script))


@pytest.mark.slow
def test_orphaned_processes_of_a_killed_platform_are_ended_but_a_retraining_is_not(paths: StatePaths) -> None:
    process, running = supervisord.start(_build_forking(paths), paths)
    log = paths.get_log("odd")
    wait_until("it runs", lambda: log.exists() and "started" in log.read_text())
    [state] = supervisord.read_states(paths).values()
    process.kill()
    process.wait()
    server = supervisord_config.get_server_url(paths)
    found = [each.pid for each in orphaned_processes.find_in_session(server, running.session)]
    assert len(found) == 2
    assert state.pid in found
    [apart] = [pid for pid in _find_processes(paths) if pid not in found]
    assert supervisord.end_orphans(paths, running.session) == 2
    assert orphaned_processes.find_in_session(server, running.session) == []
    assert Path(f"/proc/{apart}").exists()
    os.kill(apart, 9)


def _find_processes(paths: StatePaths) -> list[int]:
    """All processes with the address of the platform's supervisord in their environment."""
    address = f"{orphaned_processes.SERVER_VARIABLE}={supervisord_config.get_server_url(paths)}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if address in (folder / "environ").read_bytes():
                found.append(int(folder.name))
        except OSError:
            continue
    return found


@pytest.mark.slow
def test_children_of_a_killed_component_are_ended_before_its_restart(paths: StatePaths) -> None:
    process, running = supervisord.start(_build_forking(paths), paths)
    log = paths.get_log("odd")
    try:
        wait_until("it runs", lambda: log.exists() and "started" in log.read_text())
        [before] = supervisord.read_states(paths).values()
        wait_until("it is steady", lambda: supervisord.read_states(paths)["odd"].state == "RUNNING")
        os.kill(before.pid, 9)
        wait_until("it runs again", lambda: log.read_text().count("started") == 2)
        assert "odd: ended 1 orphaned processes of an earlier run" in log.read_text()
    finally:
        supervisord.stop(paths, running)
        process.wait(timeout=10)
        for pid in _find_processes(paths):
            os.kill(pid, 9)


STUBBORN = """
import signal
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("started", flush=True)
while True:
    signal.pause()
"""
"""Component that ignores SIGTERM."""


@pytest.mark.slow
def test_a_stop_ends_although_supervisord_is_killed_meanwhile(paths: StatePaths) -> None:
    [component] = _build_script(paths, STUBBORN).components
    process, running = supervisord.start(
        EmbeddedPlatform(components=[replace(component, stop_seconds=600)], missing=[]), paths
    )
    log = paths.get_log("odd")
    wait_until("it runs", lambda: log.exists() and "started" in log.read_text())
    stopping = threading.Thread(target=supervisord.stop, args=(paths, running), daemon=True)
    stopping.start()
    wait_until("it stops", lambda: not supervisord.is_alive(paths))
    process.kill()
    process.wait()
    stopping.join(60)
    assert not stopping.is_alive()
    assert _find_processes(paths) == []
    assert not paths.socket.exists()


@pytest.mark.slow
def test_an_interrupted_start_leaves_no_process(paths: StatePaths, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_paths: StatePaths) -> bool:
        raise StopRequested

    with monkeypatch.context() as patched:
        patched.setattr(supervisord, "is_alive", interrupt)
        with pytest.raises(StopRequested):
            supervisord.start(_build_platform("sleep", "600"), paths)
    platform = read_platform(paths)
    assert platform is not None
    assert not orphaned_processes.is_running(platform.session)
    server = supervisord_config.get_server_url(paths)
    assert orphaned_processes.find_in_session(server, platform.session) == []
    assert not supervisord.is_alive(paths)


class Closed(io.StringIO):
    """Output of a terminal whose window was closed."""

    def write(self, _text: str, /) -> int:
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.slow
def test_a_closed_terminal_does_not_prevent_the_stop(
    paths: StatePaths, monkeypatch: pytest.MonkeyPatch
) -> None:
    process, running = supervisord.start(_build_script(paths, STUBBORN), paths)
    with monkeypatch.context() as patched:
        patched.setattr(sys, "stdout", Closed())
        patched.setattr(signal, "signal", lambda *_: None)  # this process goes on
        up._stop(paths, up.RunningPlatform(platform=running, process=process))
    assert process.poll() == 0
    assert _find_processes(paths) == []


def test_a_process_that_stops_the_platform_is_not_signalled(paths: StatePaths) -> None:
    paths.run.mkdir()
    with lock_platform(paths, "123") as ours:
        assert ours
        assert read_lock_owner(paths) == 123
    with lock_platform(paths) as ours, lock_platform(paths) as others:
        assert (ours, others) == (True, False)
        assert read_lock_owner(paths) == 0


RUNS = ProcessState(name="api", state="RUNNING", pid=7, seconds=9, reason="")
ENDED = ProcessState(name="api", state="EXITED", pid=0, seconds=0, reason="exit status 1")


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        (None, RUNS, ""),
        (RUNS, RUNS, ""),
        (RUNS, replace(RUNS, pid=8), "(process 7) has ended and was restarted as process 8"),
        (RUNS, ENDED, "has ended and is being restarted (exit status 1)"),
        (RUNS, replace(ENDED, state="FATAL"), "has ended and is not restarted any more (exit status 1)"),
        (ENDED, replace(RUNS, pid=8), ""),
    ],
    ids=["first look", "goes on", "between looks", "ended", "failed", "is back"],
)
def test_a_change_of_a_component_is_described_when_it_happens(
    before: ProcessState | None, now: ProcessState, expected: str
) -> None:
    assert describe_change(before, now) == expected
