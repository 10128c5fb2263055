"""Templates of Airflow's variables and connections, as Airflow reads them: empty, and with every entry."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest

from airflow_runner import ROOT, build_clean_environment, get_airflow_python
from servicio_ml.cli.train import DEFAULT_SECONDS, DEFAULT_TRIALS

CONFIG = ROOT / "airflow" / "config"
PROGRAM = """
import json, sys
from airflow.secrets.local_filesystem import LocalFilesystemBackend
read = LocalFilesystemBackend(variables_file_path=sys.argv[1], connections_file_path=sys.argv[2])
connections = read._local_connections.items()
print(json.dumps([read._local_variables, {name: [each.host, each.password] for name, each in connections}]))
"""
ENTRY = re.compile(r"^  # (?=\w+: .*,$)", re.MULTILINE)


def _load(folder: Path) -> Any:
    """Variables and connections of the files in a folder."""
    files = [str(folder / f"{name}.yaml") for name in ("variables", "connections")]
    environment = build_clean_environment(AIRFLOW_HOME=folder)
    done = subprocess.run(
        [get_airflow_python(), "-c", PROGRAM, *files],
        env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("used", [False, True])
def test_airflow_reads_the_templates(tmp_path: Path, *, used: bool) -> None:
    for template in CONFIG.glob("*.yaml.template"):
        text = template.read_text()
        (tmp_path / template.stem).write_text(ENTRY.sub("  ", text) if used else text)
    variables, connections = _load(tmp_path)
    if not used:
        assert (variables, connections) == ({}, {})
        return
    assert variables == {
        "source_rain_australia": "s3://data/raw/weatherAUS.csv",
        "training_trials": str(DEFAULT_TRIALS),
        "training_seconds": f"{DEFAULT_SECONDS:.0f}",
    }
    assert connections == {"failure_webhook": ["https://hooks.example.org/airflow", "TOKEN"]}
