"""The examples of docs/client.md and of the client's README run against a real server."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator

import pytest

from documents import ROOT, TRAIN_RAIN, extract_blocks, run_script
from model_server import ModelServer, run_model_server
from servicio_ml_client import AsyncClient, Client

PAGE, README = ROOT / "docs" / "client.md", ROOT / "client" / "README.md"
ADDRESS = "http://127.0.0.1:8800"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    folder = tmp_path_factory.mktemp("client")
    done = run_script(TRAIN_RAIN, folder)
    assert done.returncode == 0, done.stderr
    with run_model_server(folder / "var", workers=1) as made:
        yield made


def _run(program: str, platform: ModelServer) -> list[str]:
    path = os.pathsep.join((str(ROOT / "client" / "src"), os.environ.get("PYTHONPATH", "")))
    done = subprocess.run(
        [sys.executable, "-c", program], env={**os.environ, "API": platform.url, "PYTHONPATH": path},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


@pytest.mark.slow
def test_the_examples_answer(platform: ModelServer) -> None:
    lines = _run("\n".join(extract_blocks(PAGE, "python")), platform)
    prediction, refused, fault, contribution, receipt, models, drift, logged, frame = lines
    assert prediction.split()[0] in {"Yes", "No"}
    assert refused.startswith("1 ")
    assert "humidity_3pm" in refused
    assert fault.startswith("0 humidity_3pm 171 a number from 0 to 100")
    assert -1 <= float(contribution) <= 1
    assert receipt == "accepted"
    assert re.fullmatch(r"\[\('rain_australia', \d+\)\]", models)
    assert 0 <= float(drift) <= 1
    assert re.fullmatch(r"True 71(\.0)? (Yes|No) No", logged)
    assert re.match(r"\d+ \[0\.", frame)


@pytest.mark.slow
def test_the_readme_answers(platform: ModelServer) -> None:
    [program] = extract_blocks(README, "python")
    assert ADDRESS in program
    [line] = _run(program.replace(ADDRESS, platform.url), platform)
    assert line.split()[0] in {"Yes", "No"}
    assert line.endswith(" accepted")


def test_the_readme_has_ten_lines() -> None:
    assert len(README.read_text().splitlines()) == 10


def test_the_table_has_every_method() -> None:
    rows = [line.split("|")[1] for line in PAGE.read_text().splitlines() if line.startswith("| `")]
    shown = {cell.partition("(")[0].strip(" `") for row in rows for cell in row.split("`, `")}
    for kind in (Client, AsyncClient):
        methods = {name for name in vars(kind) if not name.startswith("_")} - {"close", "send"}
        assert methods <= shown
