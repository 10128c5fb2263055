"""Airflow's own environment, run from the tests' one."""

import json
import os
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PYTHON = Path(os.environ.get("SERVICIO_ML_AIRFLOW_PYTHON", ROOT / ".venv-airflow" / "bin" / "python"))


def python() -> str:
    """The interpreter of Airflow; a test that asks for it is skipped where there is none."""
    if shutil.which(PYTHON) is None:
        pytest.skip(f"no Airflow at {PYTHON}; run make test, or set SERVICIO_ML_AIRFLOW_PYTHON")
    return str(PYTHON)


def clean(**settings: object) -> dict[str, str]:
    """This environment without settings of ours and of Airflow's, and with those given."""
    own = ("SERVICIO_ML_", "AIRFLOW_", "STATSD_", "PYTHONPATH")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(own)}
    return inherited | {name: str(value) for name, value in settings.items()}


@cache
def described(use_cases: str = "") -> Mapping[str, Any]:
    """What `airflow/documents.py --json` says of the DAGs."""
    given = {"SERVICIO_ML_USE_CASES_DIR": use_cases} if use_cases else {}
    done = subprocess.run(
        [python(), str(ROOT / "airflow" / "documents.py"), "--json"],
        env=clean(**given), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: Mapping[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found
