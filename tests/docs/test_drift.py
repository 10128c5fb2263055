"""The commands of docs/drift.md run and leave what it says."""

import json
from pathlib import Path

import pytest

from champion_state import NAME, create_state_with_champion, log_predictions
from documents import ROOT, extract_blocks, run_script
from servicio_ml.lifecycle.reports import LatestReport, build_latest_key


@pytest.mark.slow
def test_the_commands_leave_a_report(tmp_path: Path) -> None:
    state = create_state_with_champion(tmp_path)
    log_predictions(state, 600)
    [commands] = extract_blocks(ROOT / "docs" / "drift.md", "sh")
    done = run_script(commands, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "600 rows of the last 30d" in done.stdout
    document = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{\n") :])[0]
    assert (document["rows"], len(document["columns"])) == (600, 23)
    assert document["verdict"] in {"none", "drift", "impact"}
    lake = state / "lake"
    pointer = LatestReport.from_json(json.loads((lake / build_latest_key(NAME)).read_text()))
    assert (lake / pointer.html).read_text().startswith("<!DOCTYPE html>")
    report = json.loads((lake / pointer.json).read_text())
    assert list(report["explained"]) == [
        "Drift of the features", "Drift of the prediction", "Quality where ground truth is known",
        "Summary of the rows",
    ]  # fmt: skip
