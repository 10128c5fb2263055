"""AutoGluon on one split; runs in an environment of its own: `python fit_autogluon.py FOLDER`."""

import json
import sys
from pathlib import Path

import pandas as pd
from autogluon.tabular import TabularPredictor

METRICS = {"binary": "roc_auc", "multiclass": "f1_macro", "regression": "r2"}


def main() -> None:
    folder = Path(sys.argv[1])
    task = json.loads((folder / "task.json").read_text())
    train, test = (pd.read_parquet(folder / f"{name}.parquet") for name in ("train", "test"))
    predictor = TabularPredictor(
        label=task["target"],
        problem_type=task["task"],
        eval_metric="mean_absolute_error" if task["is_absolute"] else METRICS[task["task"]],
        path=str(folder / task["preset"]),
        verbosity=0,
    )
    predictor.fit(train, presets=task["preset"], time_limit=task["seconds"], num_cpus=task["threads"])
    if task["task"] == "binary":
        scores = predictor.predict_proba(test)[task["positive"]]
    else:
        scores = predictor.predict(test)
    pd.DataFrame({"score": scores.reset_index(drop=True)}).to_parquet(folder / "scores.parquet")


if __name__ == "__main__":
    main()
