"""The commands of docs/predictions.md run, and the page names every column."""

from pathlib import Path

import pytest

from documents import ROOT, TRAIN_RAIN, extract_blocks, run_script
from servicio_ml.features.logged_rows.columns import OWN

PAGE = ROOT / "docs" / "predictions.md"


@pytest.mark.slow
def test_the_commands_leave_files(tmp_path: Path) -> None:
    [commands] = extract_blocks(PAGE, "sh")
    done = run_script(TRAIN_RAIN + commands, tmp_path)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("no prediction of rain_australia is logged in the window") == 3
    assert (tmp_path / "last-day.csv").read_text().startswith('"prediction_id","time","version"')
    assert (tmp_path / "week.parquet").read_bytes().startswith(b"PAR1")
    assert (tmp_path / "part.jsonl").read_bytes() == b""


def test_the_page_names_every_column() -> None:
    text = PAGE.read_text()
    assert [name for name in OWN if f"`{name}`" not in text] == []
