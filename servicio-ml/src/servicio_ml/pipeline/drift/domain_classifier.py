"""Drift of all features together: how well a classifier separates rows of a window from training rows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import lightgbm as lgb
import numpy as np
from scipy.stats import rankdata

from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.features.bins import Integers, Numbers

MAX_ROWS = 20_000
"""Maximum number of rows of each side: the interval is narrow enough, and it takes seconds."""
MIN_ROWS = 50
"""Minimum number of rows of each side: a classifier of fewer says nothing."""
FOLDS = 5
TREES = 60
# one thread and deterministic sums: the same window must give the same report
PARAMETERS = {
    "objective": "binary", "num_leaves": 15, "learning_rate": 0.1, "min_data_in_leaf": 10, "verbosity": -1,
    "deterministic": True, "force_col_wise": True, "num_threads": 1,
}  # fmt: skip
"""One thread: several wait for each other busily and take the processors from a server beside them."""
# two-sided, although only the lower end decides: the report shows the interval
CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class ClassifierResult:
    """Result of a classifier that separates two sets of rows.

    Attributes:
        auc: Probability that a row of the window scores higher than a training row; 0.5 without drift.
        low: Lower end of its 95 % interval, as wide as the policy's design effect has it.
        high: Upper end.
        practical: An AUC below is not worth a ticket.
        rows: Number of rows of the window that were used.
        reference_rows: Number of training rows that were used.
        features: Field to its share of what the classifier gained, the largest first; 0–1.
    """

    auc: float
    low: float
    high: float
    practical: float
    rows: int
    reference_rows: int
    features: Mapping[str, float]

    @property
    def drifted(self) -> bool:
        return self.low > self.practical


def classify_domains(
    rows: Numbers, reference: Numbers, names: Sequence[str], policy: DriftPolicy, *, seed: int
) -> ClassifierResult:
    """Classify rows that no fold's classifier was fitted on.

    A fold is a stretch of time of each side. Rows of one day are alike: in folds by chance the classifier
    would know the days again, and any month of rain would look drifted (an AUC of .72 instead of .56).

    Args:
        rows: `[n, fields]` of the window, at least `MIN_ROWS`, in the order of time.
        reference: `[m, fields]`, at least as many, in the order of time.
        names: Names of the fields, in the order of the columns.
        policy: Drift policy of the reference: what is worth a ticket, and the design effect of its rows.
        seed: Seed of the classifiers.
    """
    matrix, side = np.concatenate([rows, reference]), np.repeat([1, 0], [len(rows), len(reference)])
    fold = np.concatenate([np.arange(len(each)) * FOLDS // len(each) for each in (rows, reference)])
    gained, found = np.zeros(len(names)), []
    for each in range(FOLDS):
        unseen = fold == each
        parameters = {**PARAMETERS, "seed": seed}
        booster = lgb.train(parameters, lgb.Dataset(matrix[~unseen], side[~unseen]), TREES)
        scores = booster.predict(matrix[unseen], num_threads=1)
        found.append(compute_auc(scores[side[unseen] == 1], scores[side[unseen] == 0]))
        gained += booster.feature_importance("gain")
    # the folds' classifiers are not ranked against each other
    auc = float(np.mean([area for area, _ in found]))
    # the folds have different test rows, so their variances add up
    independent = sum(variance for _, variance in found) / FOLDS**2
    spread = NormalDist().inv_cdf((1 + CONFIDENCE) / 2) * sqrt(policy.design_effect * independent)
    # without any split there is no gain to divide by
    shares = gained / gained.sum() if gained.any() else gained
    return ClassifierResult(
        auc=auc, low=max(0.0, auc - spread), high=min(1.0, auc + spread),
        practical=compute_practical_auc(policy.practical_psi), rows=len(rows), reference_rows=len(reference),
        features={names[i]: float(shares[i]) for i in np.argsort(-shares, kind="stable")},
    )  # fmt: skip


def compute_auc(positive: Numbers, negative: Numbers) -> tuple[float, float]:
    """The area under the ROC curve and its variance.

    DeLong, DeLong and Clarke-Pearson 1988, by the midranks of Sun and Xu 2014.

    Args:
        positive: Scores `[m]` of what should score high, at least two.
        negative: Scores `[n]` of the others, at least two.
    """
    m, n = len(positive), len(negative)
    among_all = rankdata(np.concatenate([positive, negative]))
    # midranks count ties as half, as the area under the curve does
    above = (among_all[:m] - rankdata(positive)) / n
    below = 1 - (among_all[m:] - rankdata(negative)) / m
    return float(above.mean()), float(above.var(ddof=1) / m + below.var(ddof=1) / n)


def compute_practical_auc(psi: float) -> float:
    """The AUC of two normal distributions of the same spread whose stability index is `psi`.

    Means that are d deviations apart have the index d² (it is the symmetric Kullback–Leibler divergence) and
    the AUC Φ(d / √2).
    """
    return NormalDist().cdf(sqrt(psi / 2))


def limit_rows(matrix: Numbers, random: np.random.Generator) -> Numbers:
    """At most `MAX_ROWS` of the rows, in their order."""
    if len(matrix) <= MAX_ROWS:
        return matrix
    places: Integers = np.sort(random.choice(len(matrix), MAX_ROWS, replace=False))
    return matrix[places]
