"""Run a contender on a split and measure its scores of the test rows."""

import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from benchmarks.environments import get_python
from benchmarks.quality.peers import tuned_lightgbm
from benchmarks.quality.split import Split

CACHE = Path(__file__).parents[3] / "var" / "bench"
THREADS = 2
SCRIPT = Path(__file__).with_name("fit_autogluon.py")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """Metric on the test rows, and the seconds of training and scoring."""

    metric: float
    seconds: float


def run_lightgbm(split: Split, seconds: float) -> Result:
    started = time.monotonic()
    scores = tuned_lightgbm.score_test_rows(split, seconds, THREADS)
    return Result(metric=split.measure(scores), seconds=time.monotonic() - started)


def run_autogluon(split: Split, seconds: float, preset: str) -> Result:
    """Fit AutoGluon with a preset in its own environment.

    Raises:
        subprocess.CalledProcessError: It fails.
    """
    split.write_task(seconds=seconds, preset=preset, threads=THREADS)
    python = get_python(CACHE / "environments", "autogluon")
    started = time.monotonic()
    subprocess.run([str(python), str(SCRIPT), str(split.folder)], check=True)
    scores = pd.read_parquet(split.folder / "scores.parquet")["score"].to_numpy()
    return Result(metric=split.measure(scores), seconds=time.monotonic() - started)
