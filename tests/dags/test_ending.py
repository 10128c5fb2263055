"""What the last task of a run does: nothing where the run went well, else it tells whose run has failed."""

import json
import os
import subprocess
from typing import Any

import pytest

from apache import ROOT, clean, python

SCRIPT = """
import json, sys
from airflow.sdk.exceptions import AirflowSkipException
from servicio_dags import ending
made = []
ending.step = lambda name, does, words, **_: made.append(words)
ending.give_up("train", "orchard")
told = []
for results in json.load(sys.stdin):
    try:
        told.append(made[0](*results))
    except AirflowSkipException:
        told.append(None)
print(json.dumps(told))
"""
NEW, OLD = {"run_id": "r1", "new": True}, {"run_id": "r1", "new": False}
FAIL = ["step", "fail", "orchard", "--of=train"]
CASES: dict[str, tuple[list[Any], list[str] | None]] = {
    "well": ([{"decision": "promoted"}, NEW], None),
    "nothing new": ([None, OLD], None),
    "failed": ([None, NEW], [*FAIL, "--run=r1"]),
    "failed at the first task": ([None, None], FAIL),
    "failed without a run": ([None], FAIL),
}


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    """The words of each case; None where the task is skipped."""
    path = os.pathsep.join(str(ROOT / part) for part in ("airflow/dags", "servicio-ml/src"))
    done = subprocess.run(
        [python(), "-c", SCRIPT], input=json.dumps([results for results, _ in CASES.values()]),
        env=clean(PYTHONPATH=path, AIRFLOW_HOME=tmp_path_factory.mktemp("airflow")),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    found: list[Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("case", CASES)
def test_a_failed_run_is_told(told: list[Any], case: str) -> None:
    assert told[list(CASES).index(case)] == CASES[case][1]
