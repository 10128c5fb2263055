"""Notebooks as they are stored: without outputs, with equal metadata, and listed in the documents."""

from pathlib import Path

import nbformat
import pytest

from documents import ROOT

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
MAX_CELLS = 12


def test_the_folder_has_notebooks() -> None:
    assert {path.stem for path in NOTEBOOKS} >= {"explore_raw_file", "train_and_compare"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_stripped_and_short(path: Path) -> None:
    text = path.read_text()
    document = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]  # nbformat's
    nbformat.validate(document)
    assert (document.nbformat, document.metadata) == (4, METADATA)
    # what nbformat writes, so that an edit changes the lines that it changes
    assert text == nbformat.writes(document) + "\n"  # type: ignore[no-untyped-call]  # the same
    assert len(document.cells) <= MAX_CELLS
    name = path.stem.replace("_", "-")
    assert [each.id for each in document.cells] == [
        f"{name}-{number:02}" for number in range(1, len(document.cells) + 1)
    ]
    assert document.cells[0].cell_type == "markdown"
    for cell in document.cells:
        assert cell.metadata == {}
        if cell.cell_type == "code":
            assert (cell.outputs, cell.execution_count) == ([], None)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_listed_with_its_purpose(path: Path) -> None:
    page = (ROOT / "docs" / "from-python.md").read_text()
    assert f"| [{path.name}](../notebooks/{path.name}) |" in page
