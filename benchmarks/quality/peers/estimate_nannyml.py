"""NannyML's estimates of one model, in an environment of its own: `python estimate_nannyml.py FOLDER`.

Direct loss estimation (DLE) of a regression, confidence-based estimation (CBPE) of classes, as their
documentation uses them. Each segment of the production rows is a chunk.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

# no step sends usage statistics
os.environ["NML_DISABLE_USAGE_LOGGING"] = "1"

import pandas as pd
from nannyml import CBPE, DLE

BINARY = 2
"""Number of classes of a binary model."""


def main() -> None:
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text())
    reference, production = (
        pd.read_parquet(folder / f"{name}.parquet") for name in ("reference", "production")
    )
    for name in task["fields"]:
        if not pd.api.types.is_numeric_dtype(reference[name]):
            for frame in (reference, production):
                frame[name] = frame[name].astype("object").where(frame[name].notna(), None).astype("category")
    estimator = build_estimator(task).fit(reference)
    found = {
        segment: read_values(estimator.estimate(production.iloc[rows].reset_index(drop=True)), task)
        for segment, rows in task["segments"].items()
    }
    (folder / "estimates.json").write_text(json.dumps(found))


def build_estimator(task: dict[str, Any]) -> Any:
    if not task["labels"]:
        return DLE(
            feature_column_names=task["fields"],
            y_pred="prediction",
            y_true="truth",
            metrics=task["metrics"],
            chunk_number=1,
        )
    binary = len(task["labels"]) == BINARY
    columns = {label: f"probability_{label}" for label in task["labels"]}
    return CBPE(
        y_pred_proba=columns[task["labels"][-1]] if binary else columns,
        y_pred="prediction",
        y_true="truth",
        metrics=task["metrics"],
        chunk_number=1,
        problem_type="classification_binary" if binary else "classification_multiclass",
    )


def read_values(result: Any, task: dict[str, Any]) -> dict[str, float]:
    frame = result.filter(period="analysis").to_df()
    return {metric: float(frame[(metric, "value")].iloc[0]) for metric in task["metrics"]}


if __name__ == "__main__":
    main()
