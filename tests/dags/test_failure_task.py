"""The last task of a run is skipped when the run succeeded, and else reports the failed run."""

import json
import os
import subprocess
from typing import Any

import pytest

from airflow_runner import ROOT, build_clean_environment, get_airflow_python

SCRIPT = """
import json, sys
from airflow.sdk.exceptions import AirflowSkipException
from servicio_dags import failure_task
builders = []
failure_task.define_step = lambda name, description, build_arguments, **_: builders.append(build_arguments)
failure_task.define_failure_task("train", "orchard")
commands = []
for results in json.load(sys.stdin):
    try:
        commands.append(builders[0](*results))
    except AirflowSkipException:
        commands.append(None)
print(json.dumps(commands))
"""
NEW, OLD = {"run_id": "r1", "new": True}, {"run_id": "r1", "new": False}
FAIL = ["step", "fail", "orchard", "--of=train"]
CASES: dict[str, tuple[list[Any], list[str] | None]] = {
    "success": ([{"decision": "promoted"}, NEW], None),
    "nothing new": ([None, OLD], None),
    "failed": ([None, NEW], [*FAIL, "--run=r1"]),
    "failed at the first task": ([None, None], FAIL),
    "failed without a run": ([None], FAIL),
}


@pytest.fixture(scope="module")
def commands(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """Arguments of the command in each case; None where the task is skipped."""
    path = os.pathsep.join(str(ROOT / part) for part in ("airflow/dags", "servicio-ml/src"))
    done = subprocess.run(
        [get_airflow_python(), "-c", SCRIPT],
        input=json.dumps([results for results, _ in CASES.values()]),
        env=build_clean_environment(PYTHONPATH=path, AIRFLOW_HOME=tmp_path_factory.mktemp("airflow")),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("case", CASES)
def test_only_a_failed_run_is_reported(commands: list[Any], case: str) -> None:
    assert commands[list(CASES).index(case)] == CASES[case][1]
