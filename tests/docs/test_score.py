"""The commands of docs/score.md run and leave what it says."""

import json
from pathlib import Path

import polars as pl
import pytest

from documents import ROOT, blocks, run

CHAMPION = """
servicio-ml data sample rain_australia --rows 2000
servicio-ml etl rain_australia
servicio-ml train rain_australia --candidate decision_tree --timeout 0 --trials 1
"""


@pytest.mark.slow
def test_the_commands_leave_scores(tmp_path: Path) -> None:
    made = run(CHAMPION, tmp_path)
    assert made.returncode == 0, made.stderr
    [commands] = blocks(ROOT / "docs" / "score.md", "sh")
    done = run(commands, tmp_path)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "scored" / "manifest.json").read_text())
    found = pl.read_parquet(tmp_path / "scored" / "part-*.parquet")
    assert len(found) == manifest["counts"]["scored"] > 0
    assert found.columns == [
        "line", "Location", "Date", "prediction", "label", "probability", "model", "version",
    ]  # fmt: skip
    again = pl.read_parquet(tmp_path / "scored-by-1" / "part-*.parquet")
    assert again["probability"].equals(found["probability"])
