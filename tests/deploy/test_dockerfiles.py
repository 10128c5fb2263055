"""hadolint on every Dockerfile; .hadolint.yaml says how strictly."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILES = sorted((ROOT / "dockerfiles").glob("*/Dockerfile"))


def _run_hadolint(path: Path) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("hadolint")
    if not program.exists():
        pytest.skip("no hadolint for this platform")
    command = [str(program), "--config", str(ROOT / ".hadolint.yaml"), str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_there_are_some() -> None:
    assert DOCKERFILES


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_hadolint_finds_nothing(path: Path) -> None:
    done = _run_hadolint(path)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("path", DOCKERFILES, ids=lambda path: path.parent.name)
def test_an_ignored_rule_has_its_reason_above(path: Path) -> None:
    lines = path.read_text().splitlines()
    bare = [
        line for above, line in zip(["", *lines], lines, strict=False)
        if line.startswith("# hadolint ignore=") and not re.match(r"# (?!hadolint)", above)
    ]  # fmt: skip
    assert bare == []


def test_hadolint_would_find_what_is_wrong(tmp_path: Path) -> None:
    path = tmp_path / "Dockerfile"
    path.write_text("FROM python:latest\nRUN cd /tmp && pip install requests\n")
    done = _run_hadolint(path)
    assert done.returncode
    assert {"DL3007", "DL3042"} <= set(re.findall(r"DL\d+", done.stdout))
