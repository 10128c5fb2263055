"""The commands of docs/drift.md run and leave what it says."""

import json
from pathlib import Path

import pytest

from documents import ROOT, blocks, run
from servicio_ml.domain.report import Pointer, latest_key
from states import NAME, with_answers, with_champion


@pytest.mark.slow
def test_the_commands_leave_a_report(tmp_path: Path) -> None:
    state = with_champion(tmp_path)
    with_answers(state, 600)
    [commands] = blocks(ROOT / "docs" / "drift.md", "sh")
    done = run(commands, tmp_path)
    assert done.returncode == 0, done.stderr
    assert "600 rows of the last 30d" in done.stdout
    document = json.JSONDecoder().raw_decode(done.stdout[done.stdout.index("{\n") :])[0]
    assert (document["rows"], len(document["columns"])) == (600, 23)
    assert document["verdict"] in {"none", "drift", "impact"}
    lake = state / "lake"
    pointer = Pointer.from_json(json.loads((lake / latest_key(NAME)).read_text()))
    assert (lake / pointer.html).read_text().startswith("<!DOCTYPE html>")
    report = json.loads((lake / pointer.json).read_text())
    assert list(report["explained"]) == [
        "Drift of the features", "Drift of the prediction", "Quality where ground truth is known",
        "Summary of the rows",
    ]  # fmt: skip
