"""The use case that CONTRIBUTING shows is complete: it is found, and its commands run."""

import json
from pathlib import Path

import pytest

from documents import ROOT, extract_blocks, run_script
from servicio_ml.use_cases.catalogue import find

CONTRIBUTING = ROOT / "CONTRIBUTING.md"
NAME = "flat_rent"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with the use case in it."""
    [example] = extract_blocks(CONTRIBUTING, "python")
    mine = tmp_path / "use_cases"
    mine.mkdir()
    (mine / f"{NAME}.py").write_text(example)
    return mine


def test_the_example_is_found_by_name(folder: Path) -> None:
    assert find(NAME, folder).schema.names == (
        "area",
        "rooms",
        "district",
        "area_per_room",
        "district_missing",
    )


@pytest.mark.slow
def test_the_examples_commands_publish_a_period(folder: Path, tmp_path: Path) -> None:
    [commands] = extract_blocks(CONTRIBUTING, "sh")
    done = run_script(commands, tmp_path, SERVICIO_ML_USE_CASES_DIR=str(folder))
    assert done.returncode == 0, done.stderr
    [manifest] = (tmp_path / "var" / "lake" / NAME).rglob("manifest.json")
    counts = json.loads(manifest.read_text())["counts"]
    assert counts["train"] > counts["test"] > 0
