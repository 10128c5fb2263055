"""Run NannyML on a model's rows, in its own environment."""

import json
import os
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from benchmarks.environments import get_python
from benchmarks.quality.expected.models import THREADS, AnsweredRows, MonitoredModel
from benchmarks.quality.peers.run import CACHE

from servicio_ml.features.output import BINARY_CLASSES

SCRIPT = Path(__file__).parents[1] / "peers" / "estimate_nannyml.py"


def estimate(
    model: MonitoredModel, segments: Mapping[str, npt.NDArray[np.intp]], metrics: Sequence[str], folder: Path
) -> dict[str, dict[str, float]]:
    """Estimate metrics of each segment, by its name.

    Raises:
        subprocess.CalledProcessError: It fails.
    """
    labels = model.use_case.target.labels
    for part, rows in (("reference", model.reference), ("production", model.production)):
        _build_frame(model, rows).write_parquet(folder / f"{part}.parquet")
    task = {
        "fields": model.fields, "labels": labels, "metrics": metrics,
        "segments": {name: rows.tolist() for name, rows in segments.items()},
    }  # fmt: skip
    (folder / "task.json").write_text(json.dumps(task))
    python = get_python(CACHE / "environments", "nannyml")
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "PYTHONWARNINGS": "ignore"}
    subprocess.run([str(python), str(SCRIPT), str(folder)], check=True, env=environment)
    found: dict[str, dict[str, float]] = json.loads((folder / "estimates.json").read_text())
    return found


def _build_frame(model: MonitoredModel, rows: AnsweredRows) -> pl.DataFrame:
    """Fields, answers and truth as a user of it has them: dates as days, levels as text."""
    labels, answers = model.use_case.target.labels, rows.predictions
    dates = [name for name in model.fields if rows.frame[name].dtype.is_temporal()]
    frame = rows.frame.select(model.fields).with_columns(
        pl.col(name).cast(pl.Date).to_physical().cast(pl.Float64) for name in dates
    )
    if answers.probabilities is None:
        return frame.with_columns(prediction=answers.outcomes, truth=rows.truth)
    binary = len(labels) == BINARY_CLASSES
    probabilities = {f"probability_{label}": answers.probabilities[:, i] for i, label in enumerate(labels)}
    codes = {"prediction": answers.outcomes.astype(int), "truth": rows.truth.astype(int)}
    named = {name: values if binary else [labels[code] for code in values] for name, values in codes.items()}
    return frame.with_columns(
        **{name: pl.Series(values) for name, values in {**probabilities, **named}.items()}
    )
