"""What the README tells a user to run runs, and leaves a champion."""

import json
from pathlib import Path

import pytest

from documents import ROOT, blocks, run

README = ROOT / "README.md"


@pytest.mark.slow
def test_the_quick_start_leaves_a_champion(tmp_path: Path) -> None:
    [quick_start] = blocks(README, "sh")
    done = run(quick_start, tmp_path)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "var").is_dir()
    history = run("servicio-ml history rain_australia --json", tmp_path)
    [champion] = json.loads(history.stdout)["champions"]
    assert champion["version"] >= 1
    assert champion["until"] is None


@pytest.mark.parametrize("command", ["data", "etl", "train", "promote", "rollback", "history"])
def test_every_command_of_the_table_has_its_help(command: str, tmp_path: Path) -> None:
    assert f"`servicio-ml {command} " in README.read_text()
    shown = run(f"servicio-ml {command} --help", tmp_path)
    assert shown.returncode == 0, shown.stderr
    assert "Usage: servicio-ml" in shown.stdout
