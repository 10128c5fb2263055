"""Every notebook runs from its first cell to its last, as a reader runs it, on a platform with a champion."""

import json
import os
import shutil
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import nbformat
import pytest
import yaml
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from champion_state import NAME, log_predictions
from documents import ROOT
from model_server import ModelServer, run_model_server, wait_until
from monitoring import rules
from servers import find_free_port, start_prometheus_server
from servicio_ml import bootstrap
from servicio_ml.domain.promotion import CHALLENGER, CHAMPION
from servicio_ml.settings import Settings

pytestmark = pytest.mark.slow
FOLDER = ROOT / "notebooks"
CELL_SECONDS = 540
ROWS = 800
STEP, WINDOWS = "5s", ("1h", "1d")
RECORD = {"date": "2016-06-15", "location": "Sydney", "humidity_3pm": 71}


def execute_notebook(name: str, scratch: Path, **variables: str) -> list[Any]:
    """Execute a notebook in its folder with this Python; return the outputs of its cells.

    Args:
        name: Name of its file without the suffix.
        scratch: Folder of the kernel's own files.
        variables: Environment variables of the kernel.
    """
    document = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)  # type: ignore[no-untyped-call]  # nbformat's
    # other tests of this process may have chosen where figures go
    own = ("SERVICIO_ML_", "MPLBACKEND")
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(own)}
    client = NotebookClient(
        document, timeout=CELL_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
    )
    client.execute(env={**inherited, "IPYTHONDIR": str(scratch / "ipython"), **variables})
    return [each for cell in document.cells for each in cell.get("outputs", [])]


def _count_pictures(outputs: list[Any]) -> int:
    return sum("image/png" in each.get("data", {}) for each in outputs)


def _read_text(outputs: list[Any]) -> str:
    """Everything that the cells have printed or shown as text, their errors' stream too."""
    return "\n".join(each.get("text", "") or each.get("data", {}).get("text/plain", "") for each in outputs)


@pytest.fixture(scope="module")
def training(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Any]]:
    """State that the notebook of a training leaves, with its outputs."""
    folder = tmp_path_factory.mktemp("training")
    outputs = execute_notebook("train_and_compare", folder, TMPDIR=str(folder))
    [state] = folder.glob("servicio-ml-notebook-*")
    return state, outputs


@pytest.fixture(scope="module")
def platform(training: tuple[Path, list[Any]]) -> Iterator[ModelServer]:
    """A server whose champion has answered rows."""
    state, _ = training
    _, registry = bootstrap.connect_mlflow(Settings(state_dir=state))
    challenger = registry.resolve(NAME, CHALLENGER)
    assert challenger is not None
    # whether so few rows pass every gate is not what is tested here
    registry.set_alias(NAME, CHAMPION, challenger.version)
    log_predictions(state, ROWS)
    with run_model_server(state, workers=1) as made:
        yield made


def test_a_training_is_compared(training: tuple[Path, list[Any]]) -> None:
    state, outputs = training
    assert (state / "mlflow.db").exists()
    assert _count_pictures(outputs) == 3
    text = _read_text(outputs)
    assert "logistic_regression" in text
    assert "figures/calibration.png" in text
    assert "Warning" not in text


def test_a_raw_file_is_explored(training: tuple[Path, list[Any]], tmp_path: Path) -> None:
    state, _ = training
    outputs = execute_notebook("explore_raw_file", tmp_path, SERVICIO_ML_STATE_DIR=str(state))
    assert _count_pictures(outputs) == 2
    text = _read_text(outputs)
    assert "4,000 rows: " in text
    assert "'Yes' is the positive class" in text
    assert "Warning" not in text


def test_without_a_raw_file_the_remedy_is_named(tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError, match="servicio-ml etl rain_australia"):
        execute_notebook("explore_raw_file", tmp_path, SERVICIO_ML_STATE_DIR=str(tmp_path / "none"))


def test_a_model_is_imported(tmp_path: Path) -> None:
    outputs = execute_notebook("import_model", tmp_path, TMPDIR=str(tmp_path))
    assert _count_pictures(outputs) == 1
    text = _read_text(outputs)
    assert "version 1 runs in onnx" in text
    assert "promoted: ROC-AUC 0.9" in text
    assert "greatest difference on 342 rows: " in text
    assert "Warning" not in text


def test_models_and_drift_are_queried(platform: ModelServer, tmp_path: Path) -> None:
    outputs = execute_notebook(
        "query_predictions", tmp_path,
        SERVICIO_ML_STATE_DIR=str(platform.state), SERVICIO_ML_API_URL=platform.url,
    )  # fmt: skip
    assert _count_pictures(outputs) == 3
    text = _read_text(outputs)
    assert f"{ROWS} rows in 24 h" in text
    assert "('accepted', 300)" in text
    assert "1,100 logged rows, the truth of 700 is known" in text
    assert "Warning" not in text


@pytest.mark.parametrize("name", ["query_predictions", "read_prometheus"])
def test_without_a_server_the_remedy_is_named(name: str, tmp_path: Path) -> None:
    with pytest.raises(CellExecutionError, match=r"no server at .*: run `make up`"):
        execute_notebook(name, tmp_path, SERVICIO_ML_API_URL=f"http://127.0.0.1:{find_free_port()}")


@contextmanager
def _run_prometheus(platform: ModelServer, folder: Path) -> Iterator[str]:
    """Run a Prometheus with the platform's records of a short step."""
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules.to_document(rules.build_groups(STEP, WINDOWS))))
    config = {
        "global": {"scrape_interval": "2s", "scrape_timeout": "2s", "evaluation_interval": "1s"},
        "rule_files": [str(folder / "rules.yaml")],
        "scrape_configs": [
            {
                "job_name": "servicio-ml",
                "static_configs": [{"targets": [platform.url.removeprefix("http://")]}],
            }
        ],
    }
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    with start_prometheus_server(folder / "prometheus.yaml", folder / "data") as url:
        yield url


def _query(url: str, expression: str) -> list[Any]:
    query = urllib.parse.urlencode({"query": expression})
    with urllib.request.urlopen(f"{url}/api/v1/query?{query}", timeout=5) as answer:  # noqa: S310  our own
        found: list[Any] = json.load(answer)["data"]["result"]
        return found


@pytest.mark.skipif(
    shutil.which("prometheus") is None, reason="no prometheus; install the Debian package prometheus"
)
def test_prometheus_is_queried(platform: ModelServer, tmp_path: Path) -> None:
    with _run_prometheus(platform, tmp_path) as url:
        # growth is the difference to the sample of a step before
        wait_until("the server was scraped a step ago", lambda: _query(url, f"up offset {STEP} == 1"))
        records = {"records": [RECORD] * 100}
        assert platform("POST", f"/models/{NAME}/predict/batch", records).status == 200
        wait_until("drift is recorded", lambda: _query(url, "feature:psi:index"))
        outputs = execute_notebook(
            "read_prometheus", tmp_path,
            SERVICIO_ML_API_URL=platform.url, SERVICIO_ML_PROMETHEUS_URL=url,
        )  # fmt: skip
    assert _count_pictures(outputs) == 3
    text = _read_text(outputs)
    assert "no samples" not in text
    assert "no Prometheus" not in text
    assert "Warning" not in text


def test_without_prometheus_the_counters_are_read(platform: ModelServer, tmp_path: Path) -> None:
    records = {"records": [RECORD] * 100}
    assert platform("POST", f"/models/{NAME}/predict/batch", records).status == 200
    nowhere = f"http://127.0.0.1:{find_free_port()}"
    outputs = execute_notebook(
        "read_prometheus", tmp_path, SERVICIO_ML_API_URL=platform.url, SERVICIO_ML_PROMETHEUS_URL=nowhere
    )
    assert _count_pictures(outputs) == 3
    assert f"no Prometheus at {nowhere}: " in _read_text(outputs)
