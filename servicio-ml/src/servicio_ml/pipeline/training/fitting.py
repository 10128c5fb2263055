"""Fitting one candidate: estimators, scores and cross-validation windows."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.model_selection import GroupKFold, KFold, StratifiedGroupKFold, StratifiedKFold
from sklearn.pipeline import Pipeline

from servicio_ml.domain.search import BLEND, CATEGORY_SPLITS, LEVEL_SETS, MAX_TRAIN_ROWS, Candidate
from servicio_ml.domain.use_case import UseCase
from servicio_ml.features.encoder import Matrix
from servicio_ml.pipeline.training.blending.blend import WEIGHT, Blend, BlendMember, split_params
from servicio_ml.pipeline.training.encodings.fitted_columns import FittedColumn
from servicio_ml.pipeline.training.estimators import EstimatorSettings, get_family

Floats = npt.NDArray[np.floating[Any]]
Rows = npt.NDArray[np.intp]
# one seed for folds, samples and models: a resumed step must see the same split
SEED = 1234


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingProblem:
    """The training rows of one use case, as models see them.

    Attributes:
        use_case: What is solved.
        setting: Schema, classes, seed, threads.
        matrix: `[n, features]`.
        truth: `[n]`: class codes, or numbers in the target's unit; NaN in an import without ground truth.
        target: `[n]`: what is fitted: the truth, or its logarithm where the use case says so.
        weights: `[n]`: weights of the rows, whose mean is 1; None where all rows count the same.
        folds: Training and validation rows of each cross-validation window.
        fitted: Columns that each fit has to fit on its own rows. In `matrix`, as in the model, they are
            fitted on all of them.
    """

    use_case: UseCase
    setting: EstimatorSettings
    matrix: Matrix
    truth: Floats
    target: Floats
    folds: tuple[tuple[Rows, Rows], ...]
    fitted: tuple[FittedColumn, ...] = ()
    weights: Floats | None = None

    def get_weights(self, rows: Rows) -> Floats | None:
        """Weights of some rows, `[m]`; None where all rows count the same."""
        return None if self.weights is None else self.weights[rows]

    def encode_training_rows(self, rows: Rows) -> Matrix:
        """Encode rows to fit a model on, `[m, features]`, in their order."""
        matrix, target, weights = self.matrix[rows], self.target[rows], self.get_weights(rows)
        for each in self.fitted:
            matrix[:, each.position] = each.encode_training_rows(matrix, target, weights, self.setting.seed)
        return matrix

    def encode_unseen_rows(self, rows: Rows, train: Rows) -> Matrix:
        """Encode rows that a model has not seen, `[m, features]`, by what it was fitted on."""
        matrix = self.matrix[rows]
        for each in self.fitted:
            table = each.fit_table(self.matrix[train], self.target[train], self.get_weights(train))
            matrix[:, each.position] = each.encode(table, matrix)
        return matrix


def build_cross_validation(
    use_case: UseCase, target: Floats, keys: Floats | None, seed: int
) -> list[tuple[Rows, Rows]]:
    """Windows that fit the use case's split.

    Args:
        use_case: Says how rows part.
        target: `[n]`.
        keys: `[n]`: days of a split by date, whose windows are validated on the dates that follow them; codes
            of the groups of a split by group; else None.
        seed: Seed of a shuffled split.
    """
    if use_case.split_date and keys is not None:
        return list(_build_expanding_windows(keys, use_case.split.folds))
    if use_case.split_group and keys is not None:
        return _build_group_folds(use_case, target, keys, seed)
    # stratified for classes, so that a rare class occurs in every window
    kind = StratifiedKFold if use_case.target.labels else KFold
    split = kind(n_splits=use_case.split.folds, shuffle=True, random_state=seed)
    return list(split.split(np.zeros(len(target)), target))


def _build_group_folds(
    use_case: UseCase, target: Floats, groups: Floats, seed: int
) -> list[tuple[Rows, Rows]]:
    """Build folds that no group is on both sides of; none where there are fewer groups than folds."""
    folds = use_case.split.folds
    if len(np.unique(groups)) < folds:
        return []
    kind = StratifiedGroupKFold if use_case.target.labels else GroupKFold
    split = kind(n_splits=folds, shuffle=True, random_state=seed)
    return list(split.split(np.zeros(len(target)), target, groups))


def _build_expanding_windows(dates: Floats, folds: int) -> Iterator[tuple[Rows, Rows]]:
    # half of the rows come before the first validation window
    edges = np.quantile(dates, np.linspace(0.5, 1, folds + 1), method="lower")
    edges[-1] = np.inf
    for start, end in pairwise(edges):
        train, valid = np.flatnonzero(dates < start), np.flatnonzero((dates >= start) & (dates < end))
        if len(train) and len(valid):
            yield train, valid


def fit(problem: TrainingProblem, candidate: Candidate, params: Mapping[str, Any], rows: Rows) -> Any:
    """An estimator of a candidate, fitted on some rows."""
    if candidate.family == BLEND:
        return _fit_blend(problem, params, rows)
    chosen = {**candidate.fixed, **params}
    limit, splits = chosen.pop(MAX_TRAIN_ROWS, 0), chosen.pop(CATEGORY_SPLITS, "")
    # kernel and neighbour models grow worse than linearly with their rows
    places = sample_rows(np.arange(len(rows)), int(limit or 0), problem.setting.seed)
    setting = replace(problem.setting, monotone=candidate.monotone)
    estimator = get_family(candidate.family).make(setting, chosen)
    matrix = problem.encode_training_rows(rows)[places]
    # a column without a value cannot be split on: boosted trees, which take the whole matrix, ignore it
    matrix[:, [i for i in range(matrix.shape[1]) if i not in problem.setting.schema.inputs]] = np.nan
    used = rows[places]
    arguments: dict[str, Any] = (
        {"categorical_feature": setting.list_unordered_categories()} if splits == LEVEL_SETS else {}
    )
    if (weights := compute_fit_weights(problem, used)) is not None:
        # a pipeline passes arguments on to the step that they name
        last = f"{estimator.steps[-1][0]}__" if isinstance(estimator, Pipeline) else ""
        arguments[f"{last}sample_weight"] = weights
    return estimator.fit(matrix, problem.target[used], **arguments)


def compute_fit_weights(problem: TrainingProblem, rows: Rows) -> Floats | None:
    """Compute the weight of each row in a fit, `[rows]`: its own times that of its class.

    None where all rows count the same.
    """
    given, labels = problem.use_case.class_weights, problem.use_case.target.labels
    own = problem.get_weights(rows)
    if not given:
        return own
    codes = problem.truth[rows].astype(int)
    if isinstance(given, str):
        totals = np.bincount(codes, weights=own, minlength=len(labels))
        # a class without a row here has no row to weigh
        of_classes = totals.sum() / (len(labels) * np.where(totals > 0, totals, 1))
    else:
        of_classes = np.array([given[label] for label in labels], dtype=np.float64)
    return np.asarray(of_classes[codes] if own is None else own * of_classes[codes])


def _fit_blend(problem: TrainingProblem, params: Mapping[str, Any], rows: Rows) -> Blend:
    members = []
    for name, given in split_params(params).items():
        candidate, weight = problem.use_case.get_candidate(name), given.pop(WEIGHT)
        estimator = fit(problem, candidate, given, rows)
        members.append(BlendMember(family=candidate.family, estimator=estimator, weight=weight))
    return Blend(members=tuple(members))


def compute_scores(estimator: Any, matrix: Matrix) -> Floats:
    """Raw scores `[n, classes]` of a classifier, `[n, 1]` of a regression."""
    if isinstance(estimator, Blend):
        parts = (each.weight * compute_scores(each.estimator, matrix) for each in estimator.members)
        return np.asarray(np.sum([*parts], axis=0))
    # a pipeline only has the method when its last step has it
    if hasattr(estimator, "predict_proba"):
        return np.asarray(estimator.predict_proba(matrix))
    return np.asarray(estimator.predict(matrix)).reshape(-1, 1)


def score_out_of_fold(
    problem: TrainingProblem, candidate: Candidate, params: Mapping[str, Any]
) -> list[tuple[Rows, Floats]]:
    """Rows that each window validates, with the scores of a model that has not seen them."""
    return [
        (
            valid,
            compute_scores(fit(problem, candidate, params, train), problem.encode_unseen_rows(valid, train)),
        )
        for train, valid in problem.folds
    ]


def sample_rows(rows: Rows, limit: int, seed: int) -> Rows:
    """At most `limit` of the rows, in their order; all of them where it is 0."""
    if not limit or len(rows) <= limit:
        return rows
    return np.sort(np.random.default_rng(seed).choice(rows, size=limit, replace=False))
