"""Quick models: how good a first model is, and which columns give the target away by themselves."""

from collections.abc import Iterator, Sequence

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
from sklearn.metrics import balanced_accuracy_score, f1_score, r2_score, roc_auc_score
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from servicio_ml.domain.use_case import Task
from servicio_ml.pipeline.drafting.columns.raw_column import ColumnFinding
from servicio_ml.pipeline.drafting.matrix import Numbers, Problem

METRICS = {Task.BINARY: "roc_auc", Task.MULTICLASS: "f1_macro", Task.REGRESSION: "r2"}
LEAK_SCORE = 0.995
"""Minimum score (balanced accuracy, r2) on unseen rows of one column that gives the target away."""
LEAVES, ROWS_PER_LEAF, TREES = 16, 5, 60


def estimate_quality(problem: Problem) -> tuple[float, float]:
    """Estimate the metric of a guess without columns, and of a quick model, on unseen rows."""
    model = (
        HistGradientBoostingRegressor(max_iter=TREES, random_state=0)
        if problem.task is Task.REGRESSION
        else HistGradientBoostingClassifier(max_iter=TREES, random_state=0)
    )
    train = problem.features[~problem.test]
    # scikit-learn 1.9 fails on a column without any value
    empty = np.isnan(train).all(axis=0)
    model.fit(np.where(empty, 0.0, train), problem.target[~problem.test])
    features = np.where(empty, 0.0, problem.features[problem.test])
    target = problem.target[problem.test]
    if problem.task is Task.BINARY:
        return 0.5, float(roc_auc_score(target, model.predict_proba(features)[:, 1]))
    if problem.task is Task.REGRESSION:
        return 0.0, float(r2_score(target, model.predict(features)))
    guess = [max(set(target), key=list(target).count)] * len(target)
    scores = (
        f1_score(target, answer, average="macro", zero_division=0)
        for answer in (guess, model.predict(features))
    )
    dummy, quick = scores
    return float(dummy), float(quick)


def find_telling_columns(findings: Sequence[ColumnFinding], problem: Problem) -> Iterator[tuple[str, float]]:
    """Find the columns of which a small tree predicts the target nearly without error, and its score.

    A number that follows the date is a trend: a date gives away classes only.
    """
    fields = [(each.column, each.field) for each in findings if each.field]
    for position, (column, field) in enumerate(fields):
        if field.is_dated and problem.task is Task.REGRESSION:
            continue
        score = _score_column(problem.features[:, [position]], problem)
        if score >= LEAK_SCORE:
            yield column, score


def _score_column(column: Numbers, problem: Problem) -> float:
    kind = DecisionTreeRegressor if problem.task is Task.REGRESSION else DecisionTreeClassifier
    tree = kind(max_leaf_nodes=LEAVES, min_samples_leaf=ROWS_PER_LEAF, random_state=0)
    tree.fit(column[~problem.test], problem.target[~problem.test])
    measure = r2_score if problem.task is Task.REGRESSION else balanced_accuracy_score
    return float(measure(problem.target[problem.test], tree.predict(column[problem.test])))
