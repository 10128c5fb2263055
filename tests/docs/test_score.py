"""The commands of docs/score.md run and leave what it says."""

import json
from datetime import date
from pathlib import Path

import polars as pl
import pytest

from documents import ROOT, extract_blocks, run_script
from orchard_use_case import transform_file
from servicio_ml.adapters.mlflow import MlflowRegistry, MlflowTracker, connect
from servicio_ml.domain.promotion import CHAMPION
from servicio_ml.domain.search import Candidate
from servicio_ml.pipeline.reading.transform import STATUS, RowStatus
from servicio_ml.pipeline.training.build_candidate import build_candidate
from servicio_ml.pipeline.training.dataset import build_holdout, build_problem
from servicio_ml.use_cases.catalogue import find

NAME = "rain_australia"
TREE = Candidate(name="decision_tree", family="decision_tree")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A user's folder with a sample and a small champion of it."""
    sampled = run_script(f"servicio-ml data sample {NAME} --rows 2000", tmp_path)
    assert sampled.returncode == 0, sampled.stderr
    use_case, work, state = find(NAME), tmp_path / "work", tmp_path / "var"
    work.mkdir()
    rows = transform_file(state / "data" / NAME / "sample.csv", use_case, work, date.max)
    rows = rows.filter(pl.col(STATUS) == RowStatus.KEPT.value)
    fitted = build_problem(use_case, use_case.schema, rows.head(1500), seed=0, threads=1)
    test = build_holdout(use_case, use_case.schema, rows.tail(400))
    build_candidate(fitted, test, TREE, {"max_depth": 4}, work / "model", "")
    connection = connect("", state)
    registry = MlflowRegistry(connection)
    with MlflowTracker(connection).open_run(NAME, "train") as training:
        made = registry.register(NAME, work / "model", run_id=training.id, tags={})
    registry.set_alias(NAME, CHAMPION, made.version)
    return tmp_path


@pytest.mark.slow
def test_the_commands_leave_scores(folder: Path) -> None:
    [commands] = extract_blocks(ROOT / "docs" / "score.md", "sh")
    done = run_script(commands, folder)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((folder / "scored" / "manifest.json").read_text())
    assert manifest["counts"]["scored"] == 2000
    found = pl.read_parquet(folder / "scored" / "part-*.parquet")
    assert len(found) == 2000
    assert found.columns == [
        "line", "Location", "Date", "prediction", "label", "probability", "model", "version",
    ]  # fmt: skip
    again = pl.read_parquet(folder / "scored-by-1" / "part-*.parquet")
    assert again["probability"].equals(found["probability"])
