"""Sets and intervals at 90 % by MAPIE and crepes, in an environment of their own: `python conform.py FOLDER`.

`given.npz` has a model's answers to calibration rows that it has not seen, `unseen_…`, with their truth,
and to test rows, `test_…`: probabilities of classes, or numbers with the features of the rows. `found.npz`
gets an array for each method: members of the sets, `[n, classes]`, or bounds, `[n, 2]`.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
from crepes import ConformalClassifier, ConformalRegressor
from crepes.extras import DifficultyEstimator
from mapie.classification import SplitConformalClassifier
from sklearn.base import BaseEstimator, ClassifierMixin

LEVEL, SEED, BINARY = 0.9, 0, 2


class KnownProbabilities(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A fitted classifier whose rows are their probabilities."""

    def __init__(self, classes: int = BINARY) -> None:
        self.classes = classes
        self.classes_ = np.arange(classes)

    def fit(self, rows: Any, truth: Any) -> "KnownProbabilities":  # noqa: ARG002  an interface of scikit-learn
        return self

    def predict(self, rows: Any) -> Any:
        return rows.argmax(axis=1)

    def predict_proba(self, rows: Any) -> Any:
        return rows / rows.sum(axis=1, keepdims=True)


def build_mapie_sets(score: str, given: Any) -> Any:
    unseen = given["unseen_probabilities"]
    method = SplitConformalClassifier(
        KnownProbabilities(unseen.shape[1]), confidence_level=LEVEL, conformity_score=score, prefit=True,
        random_state=SEED,
    )  # fmt: skip
    method.conformalize(unseen, given["unseen_truth"].astype(int))
    more = {} if score == "lac" else {"conformity_score_params": {"include_last_label": "randomized"}}
    return method.predict_set(given["test_probabilities"], **more)[1][:, :, 0]


def build_crepes_sets(given: Any) -> Any:
    unseen, truth = given["unseen_probabilities"], given["unseen_truth"].astype(int)
    method = ConformalClassifier()
    method.fit(1 - unseen[np.arange(len(truth)), truth], seed=SEED)
    return method.predict_set(1 - given["test_probabilities"], confidence=LEVEL, seed=SEED)


def build_crepes_intervals(given: Any) -> Any:
    """Build intervals whose difficulty is the mean error of the nearest rows, as crepes documents it."""
    unseen, test = (np.nan_to_num(given[f"{part}_matrix"]) for part in ("unseen", "test"))
    residuals = given["unseen_truth"] - given["unseen_outcomes"]
    # a row is no neighbour of its own
    near, others = slice(0, None, 2), slice(1, None, 2)
    difficulty = DifficultyEstimator().fit(X=unseen[near], residuals=residuals[near], scaler=True)
    method = ConformalRegressor().fit(residuals=residuals[others], sigmas=difficulty.apply(X=unseen[others]))
    return method.predict_int(given["test_outcomes"], sigmas=difficulty.apply(X=test), confidence=LEVEL)


def main() -> None:
    folder = Path(sys.argv[1])
    given = np.load(folder / "given.npz")
    if "unseen_probabilities" not in given:
        np.savez(folder / "found.npz", **{"crepes, nearest rows": build_crepes_intervals(given)})
        return
    # MAPIE refuses adaptive scores for two classes
    scores = ("lac", "aps", "raps") if given["unseen_probabilities"].shape[1] > BINARY else ("lac",)
    found = {f"MAPIE {score.upper()}": build_mapie_sets(score, given) for score in scores}
    found["crepes, smoothed"] = build_crepes_sets(given)
    sets: dict[str, Any] = {name: np.asarray(each, dtype=bool) for name, each in found.items()}
    np.savez(folder / "found.npz", **sets)


if __name__ == "__main__":
    main()
