"""The generated tables of the documents are those of the catalogue."""

import re
import runpy
from collections.abc import Callable
from pathlib import Path

import pytest

from documents import ROOT
from servicio_ml.use_cases.catalogue import load_catalogue

GENERATOR = runpy.run_path(str(ROOT / "docs" / "generate.py"))
fill: Callable[[str], str] = GENERATOR["fill"]
PAGES: tuple[Path, ...] = GENERATOR["PAGES"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_is_as_generated(page: Path) -> None:
    text = page.read_text()
    assert fill(text) == text, "run make docs"


@pytest.mark.parametrize("name", load_catalogue())
def test_every_use_case_has_its_section(name: str) -> None:
    text = (ROOT / "docs" / "use-cases.md").read_text()
    assert re.search(rf"^## {name}$", text, re.MULTILINE)
    assert f"<!-- generated: facts {name} -->" in text


def test_a_stale_block_is_replaced_and_the_rest_is_left_alone() -> None:
    stale = "# Before\n<!-- generated: facts heart_disease -->\nyesterday\n<!-- end -->\nafter\n"
    fresh = fill(stale)
    assert "| task | binary classification |" in fresh
    assert "yesterday" not in fresh
    assert fresh.startswith("# Before\n<!-- generated: facts heart_disease -->\n")
    assert fresh.endswith("<!-- end -->\nafter\n")
