"""docker-compose.yaml as Compose reads it, without an engine."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from deploy import env

ROOT = Path(__file__).parents[2]
Compose = Callable[..., subprocess.CompletedProcess[str]]
Config = Mapping[str, Any]


@pytest.fixture(scope="session")
def compose(tmp_path_factory: pytest.TempPathFactory) -> Compose:
    """Runs docker-compose on the project's file with an environment file: that of `make env`, or another."""
    program = Path(sys.executable).with_name("docker-compose")
    if not program.exists():
        pytest.skip("no docker-compose for this platform")
    made = tmp_path_factory.mktemp("env")
    shutil.copy(ROOT / env.EXAMPLE, made)
    # not below the project, where a relative one would be
    (made / env.ENV).write_text(f"{env.FOLDER_VARIABLE}={made / env.FOLDER}\n")
    list(env.make_secrets(made))

    def run(
        *words: str, variables: Path = made / env.ENV, more: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        files = ["--file", str(ROOT / "docker-compose.yaml"), *(("--file", str(more)) if more else ())]
        command = [str(program), *files, "--env-file", str(variables), *words]
        # what this terminal has set would win over the file
        bare = {"PATH": os.environ["PATH"], "HOME": str(made)}
        return subprocess.run(command, cwd=ROOT, env=bare, capture_output=True, text=True, check=False)

    return run


@pytest.fixture(scope="session")
def config(compose: Compose) -> Config:
    """Everything, all profiles, with the variables filled in."""
    return parse_config(compose("--profile", "*", "config", "--format", "json"))


def parse_config(done: subprocess.CompletedProcess[str]) -> Config:
    assert done.returncode == 0, done.stderr
    found: Config = json.loads(done.stdout)
    return found
