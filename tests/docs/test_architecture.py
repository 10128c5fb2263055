"""The walks of docs/architecture.md: numbered lists of files that exist, for each of the four kinds."""

import re

import pytest

from documents import ROOT

PAGE = ROOT / "docs" / "architecture.md"
PACKAGE = ROOT / "servicio-ml" / "src" / "servicio_ml"
WALKS = ["One prediction", "One ETL", "One training", "One alert"]
MIN_STEPS = 10


def _read_walk(title: str) -> str:
    return PAGE.read_text().split(f"### {title}\n")[1].split("\n### ")[0]


@pytest.mark.parametrize("title", WALKS)
def test_a_walk_is_numbered_without_a_gap(title: str) -> None:
    numbers = [int(number) for number in re.findall(r"^(\d+)\. \[", _read_walk(title), re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) >= MIN_STEPS


@pytest.mark.parametrize("title", WALKS)
def test_the_files_of_a_walk_exist(title: str) -> None:
    walk = _read_walk(title)
    linked = {(PAGE.parent / target).resolve() for target in re.findall(r"\]\(([^)]+)\)", walk)}
    named = {PACKAGE / path for path in re.findall(r"`([\w/]+\.py)`", walk)}
    assert [str(path) for path in linked | named if not path.is_file()] == []
