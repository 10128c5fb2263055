"""Airflow on this machine: at the end no process of it is left, whatever session the process is in."""

import subprocess

import psutil
import pytest

from airflow_runner import ROOT, build_clean_environment, get_airflow_python

PROGRAM = """
import subprocess, sys
import standalone
standalone._adopt_orphans()
waiting = [sys.executable, "-c", "import signal; signal.sigwait({signal.SIGTERM})"]
spawn = f"import subprocess; print(subprocess.Popen({waiting}, start_new_session=True).pid, flush=True)"
component = subprocess.Popen([sys.executable, "-c", spawn])
component.wait()
standalone._stop_processes([component])
"""
"""A component that exits and leaves a process in a session of its own, then the stop."""


@pytest.fixture
def orphan() -> int:
    done = subprocess.run(
        [get_airflow_python(), "-c", PROGRAM], env=build_clean_environment(PYTHONPATH=ROOT / "airflow"),
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return int(done.stdout)


def test_a_stop_ends_orphaned_processes(orphan: int) -> None:
    assert not psutil.pid_exists(orphan)
