"""Ours on a split: `servicio-ml init --run` on the training rows, `servicio-ml score` on the test rows."""

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from benchmarks.quality.split import Split

COMMAND = str(Path(sys.executable).with_name("servicio-ml"))


@dataclass(frozen=True, slots=True, kw_only=True)
class DraftResult:
    """Champion of a draft.

    Attributes:
        metric: Metric on the test rows.
        seconds: Time from the file to the champion.
        lines: Number of lines of the drafted file.
        decision: Outcome of the promotion.
        candidate: Name of the winning candidate.
        rejected: Test rows that `score` rejected; they count with the usual answer of the training rows.
    """

    metric: float
    seconds: float
    lines: int
    decision: str
    candidate: str
    rejected: int


def run_command(state: Path, *words: str) -> str:
    """Run a command of ours in a state folder and return its output."""
    environment = {
        **os.environ,
        "SERVICIO_ML_STATE_DIR": str(state),
        "SERVICIO_ML_USE_CASES_DIR": str(state / "use_cases"),
    }
    return subprocess.run(
        [COMMAND, *words], check=True, env=environment, stdout=subprocess.PIPE, text=True
    ).stdout


def draft_and_measure(name: str, split: Split) -> DraftResult:
    """Draft a use case from `train.csv`, train it and measure its champion on `test.csv`.

    Raises:
        subprocess.CalledProcessError: A command fails.
    """
    state, started = split.folder / "state", time.monotonic()
    source = str(split.folder / "train.csv")
    answers = split.folder / "answers.json"
    positive = {"positive": split.positive} if split.positive else {}
    answers.write_text(json.dumps({"target": split.target, **positive}))
    given = ("--source", source, "--answers", str(answers), "--yes", "--run", "--json")
    document = json.loads(run_command(state, "init", name, *given))
    seconds = time.monotonic() - started
    scored = split.folder / "scored"
    run_command(state, "score", name, "--input", str(split.folder / "test.csv"), "--output", str(scored))
    promotion, best = document["training"]["promotion"], document["training"]["candidates"][0]
    scores, rejected = read_scores(split, pl.read_parquet(scored / "part-*.parquet"))
    return DraftResult(
        metric=split.measure(scores), seconds=seconds,
        lines=len(Path(document["path"]).read_text().splitlines()),
        decision=promotion["decision"], candidate=best["candidate"], rejected=rejected,
    )  # fmt: skip


def read_scores(split: Split, parts: pl.DataFrame) -> tuple[Any, int]:
    """One score a test row, and the number of those without an answer."""
    # line 1 is the header; no value of these tables has a line break
    lines = parts["line"].to_numpy() - 2
    usual = find_usual_score(split)
    scores = np.full(
        len(split.read_truth("test")), usual, dtype=object if split.task == "multiclass" else float
    )
    column = {"binary": "probability", "multiclass": "label", "regression": "prediction"}[split.task]
    scores[lines] = parts[column].to_numpy()
    return scores, len(scores) - len(lines)


def find_usual_score(split: Split) -> Any:
    """The training rows' share of the positive class, most frequent class or mean."""
    truth = split.read_truth("train")
    if split.task == "binary":
        return float(np.mean(truth == split.positive))
    if split.task == "multiclass":
        labels, counts = np.unique(truth, return_counts=True)
        return labels[counts.argmax()]
    return float(np.mean(truth))
