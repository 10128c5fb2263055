"""The commands of the README run and leave a champion."""

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from documents import ROOT, extract_blocks, run_script
from servicio_ml.cli.app import app

README = ROOT / "README.md"
COMMANDS = [
    *(str(command.name) for command in app.registered_commands),
    *(str(group.name) for group in app.registered_groups),
]


@pytest.mark.slow
def test_the_quick_start_leaves_a_champion(tmp_path: Path) -> None:
    [quick_start] = extract_blocks(README, "sh")
    done = run_script(quick_start, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "var").is_dir()
    history = run_script("servicio-ml history rain_australia --json", tmp_path)
    [champion] = json.loads(history.stdout)["champions"]
    assert champion["version"] >= 1
    assert champion["until"] is None


def test_the_table_has_every_command() -> None:
    shown = set(re.findall(r"^\| `servicio-ml ([a-z-]+)", README.read_text(), re.MULTILINE))
    assert shown == set(COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_its_help(command: str) -> None:
    shown = CliRunner().invoke(app, [command, "--help"], prog_name="servicio-ml")
    assert shown.exit_code == 0, shown.stderr
    assert f"Usage: servicio-ml {command}" in shown.stdout


def test_the_installed_command_has_its_help(tmp_path: Path) -> None:
    shown = run_script("servicio-ml --help", tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "Usage: servicio-ml" in shown.stdout
