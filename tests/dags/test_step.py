"""The line of shell that a step becomes: its words arrive as they are, its result comes last."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from airflow_runner import ROOT, build_clean_environment, get_airflow_python

WORDS = [
    "plain", "", "two words", "it's", '"', "$(touch no)", "`touch no`", "; touch no", "*", "\\", "-x", "~",
    "{{ 1 + 1 }}", "{% raw %}", "{# gone #}", "{", "a\nb", "é", "x.sh",
]  # fmt: skip
PROGRAM = """
import json, os, sys
sys.stderr.write("progress\\n")
print(json.dumps({"words": sys.argv[1:], "path": os.environ.get("PYTHONPATH")}, indent=1))
sys.stderr.write("last words\\n")
sys.exit(int(os.environ.get("EXIT", "0")))
"""
RENDERED = """
import json, sys
from jinja2 import Environment
from servicio_dags.step import build_command_line
line = build_command_line(*json.load(sys.stdin))
print(json.dumps([line, Environment().from_string(line).render()]))
"""


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The line for `WORDS`, as Airflow renders it, of a program that prints what it was given."""
    program = tmp_path_factory.mktemp("a program") / "program.py"
    program.write_text(PROGRAM)
    command = f"{sys.executable} '{program}'"
    path = os.pathsep.join(str(ROOT / part) for part in ("airflow/dags", "servicio-ml/src"))
    environment = build_clean_environment(
        SERVICIO_ML_COMMAND=command, PYTHONPATH=path, AIRFLOW_HOME=program.parent
    )
    done = subprocess.run(
        [get_airflow_python(), "-c", RENDERED], input=json.dumps(WORDS), env=environment,
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    built, rendered = json.loads(done.stdout.splitlines()[-1])
    assert built == rendered
    assert isinstance(built, str)
    return built


def _run(line: str, folder: Path, **settings: object) -> subprocess.CompletedProcess[str]:
    """Run the line as Airflow does, with both outputs in one."""
    return subprocess.run(
        ["bash", "-c", line],
        env=build_clean_environment(PYTHONPATH="of Airflow", **settings),
        cwd=folder,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )


def test_words_arrive_as_they_are_and_the_result_is_the_last_line(line: str, tmp_path: Path) -> None:
    done = _run(line, tmp_path)
    assert done.returncode == 0
    result: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    assert result == {"words": WORDS, "path": None}
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("code", [1, 2, 99])
def test_an_exit_code_is_kept(line: str, tmp_path: Path, code: int) -> None:
    assert _run(line, tmp_path, EXIT=code).returncode == code
