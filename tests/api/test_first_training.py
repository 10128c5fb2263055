"""The process of a first training: its steps, their lines in the log, and the first that fails."""

import sys
from pathlib import Path

import pytest

from servicio_ml.api.first_training import read_source, run_steps

COMMAND = (sys.executable, "-c")


def test_a_run_ends_with_the_step_that_fails(capfd: pytest.CaptureFixture[str]) -> None:
    script = "import sys; print(*sys.argv[1:], flush=True); sys.exit(3 * (sys.argv[1] == 'train'))"
    assert run_steps("rent", "/data/rent.csv", (*COMMAND, script)) == 3
    assert capfd.readouterr().out.splitlines() == [
        "step: etl", "etl rent --source /data/rent.csv", "step: train", "train rent --timeout 60",
        "failed: train ended with exit code 3",
    ]  # fmt: skip


def test_a_run_that_succeeds_says_so_last(capfd: pytest.CaptureFixture[str]) -> None:
    assert run_steps("rent", "/data/rent.csv", (*COMMAND, "pass")) == 0
    assert capfd.readouterr().out.splitlines() == ["step: etl", "step: train", "finished"]


def test_the_file_is_in_the_first_line_of_the_log(tmp_path: Path) -> None:
    log = tmp_path / "rent.log"
    log.write_text("key: /data/my rent: new.csv\nstep: etl\n")
    assert read_source(log) == "/data/my rent: new.csv"
