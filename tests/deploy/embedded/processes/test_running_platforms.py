"""A platform under another state folder is found and named when it is not the one that was meant."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deploy.embedded.__main__ import app
from deploy.embedded.components.component import Component, EmbeddedPlatform
from deploy.embedded.platform_lock import lock_platform
from deploy.embedded.processes import supervisord
from deploy.embedded.processes.running_platforms import describe_absence, find_running_states
from deploy.embedded.settings import StatePaths

PREPARING = "import sys; lock = open(sys.argv[1], 'a'); print(flush=True); sys.stdin.read()"
"""Program that holds the lock open, as `make up` does while it trains the first champion."""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[Path]:
    """State folder of a running platform."""
    paths = StatePaths(state=tmp_path / "other")
    component = Component(name="idle", title="Idle", command=["sleep", "600"], ports={}, ready="tcp://:1")
    process, running = supervisord.start(EmbeddedPlatform(components=[component], missing=[]), paths)
    yield paths.state
    supervisord.stop(paths, running)
    process.wait(timeout=10)


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """State folder of a platform that was started and stopped."""
    paths = StatePaths(state=tmp_path / "stopped")
    paths.run.mkdir(parents=True)
    with lock_platform(paths):
        EmbeddedPlatform(components=[], missing=[]).write_description(paths.description)
    return paths.state


@pytest.mark.slow
@pytest.mark.parametrize("command", ["down", "status", "logs"])
def test_a_command_names_the_platform_of_another_folder(command: str, other: Path, tmp_path: Path) -> None:
    state = tmp_path / "new"
    result = CliRunner().invoke(app, [command], env={"SERVICIO_ML_STATE_DIR": str(state)})
    assert result.exit_code == 1
    assert f"no platform runs under {state}; name the folder of one that runs:" in result.output
    assert f"SERVICIO_ML_STATE_DIR={other}" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("command", ["down", "status"])
def test_a_command_names_it_after_a_platform_of_its_own_was_stopped(
    command: str, other: Path, stopped: Path
) -> None:
    result = CliRunner().invoke(app, [command], env={"SERVICIO_ML_STATE_DIR": str(stopped)})
    assert result.exit_code == 1
    assert f"no platform runs under {stopped};" in result.output
    assert f"SERVICIO_ML_STATE_DIR={other}" in result.output


@pytest.mark.slow
def test_the_named_folder_is_the_one_to_stop(other: Path) -> None:
    variables = {"SERVICIO_ML_STATE_DIR": str(other)}
    result = CliRunner().invoke(app, ["status"], env=variables)
    assert result.exit_code == 0, result.output
    assert "idle" in result.output


def test_a_platform_that_trains_before_its_start_is_found(tmp_path: Path) -> None:
    paths = StatePaths(state=tmp_path / "other")
    paths.run.mkdir(parents=True)
    command = [sys.executable, "-c", PREPARING, str(paths.lock), "-m", "deploy.embedded", "up"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        assert paths.state in find_running_states()
        process.communicate()
    assert paths.state not in find_running_states()


def test_without_a_platform_the_start_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("deploy.embedded.processes.running_platforms.find_running_states", list)
    absence = describe_absence(StatePaths(state=tmp_path))
    assert absence == f"no platform runs under {tmp_path}; start one: make up"
