"""The examples of docs/api.md run against a real server."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from documents import ROOT, TRAIN_RAIN, extract_blocks, run_script
from model_server import ModelServer, run_model_server

pytestmark = pytest.mark.slow
PAGE = ROOT / "docs" / "api.md"


@pytest.fixture(scope="module")
def platform(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ModelServer]:
    folder = tmp_path_factory.mktemp("api")
    done = run_script(TRAIN_RAIN, folder)
    assert done.returncode == 0, done.stderr
    (folder / "hook-token").write_text("a-token")
    with run_model_server(folder / "var", hook_token_file=folder / "hook-token") as made:
        yield made


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl; install the Debian package curl")
def test_the_examples_answer(platform: ModelServer, tmp_path: Path) -> None:
    script = "".join(f"{block}\necho\n" for block in extract_blocks(PAGE, "sh"))
    token = platform.state.parent / "hook-token"
    done = run_script(script, tmp_path, API=platform.url, TOKEN_FILE=str(token))
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr
    assert '"status":"accepted"' in done.stdout
    assert '"decision":"quarantined"' in done.stdout
    assert '"decision":"lifted"' in done.stdout
    # the row that is refused beside another one, and nothing else
    assert '"refused":1,"errors":[{"row":1,"field":"min_temp"' in done.stdout
    assert done.stdout.count('"errors"') == 1


def test_tables_are_answered(platform: ModelServer) -> None:
    [program] = extract_blocks(PAGE, "python")
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "API": platform.url}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert re.match(r"1000 b'\d+' 0\.", done.stdout), done.stdout
