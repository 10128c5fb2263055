"""ROC-AUC from counts by bin, beside scikit-learn on the rows."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from servicio_ml.features.bins import Numbers
from servicio_ml.features.performance.rank_counts import EDGES, RANK_BINS, RankCounts, count_ranks


def draw(mean: float, deviation: float, rows: int = 200_000) -> tuple[Numbers, Numbers]:
    """Draw probabilities with normal log odds, and classes as often as they say."""
    random = np.random.default_rng(1)
    probabilities = 1 / (1 + np.exp(-random.normal(mean, deviation, rows)))
    return probabilities, (random.random(rows) < probabilities).astype(float)


@pytest.mark.parametrize(
    ("mean", "deviation"),
    [(-2, 2), (-1, 0.8), (0, 3), (-5, 1.5)],
    ids=["rain", "a weak model", "a strong model", "a rare class"],
)
def test_realised_and_expected_are_those_of_the_rows(mean: float, deviation: float) -> None:
    probabilities, truth = draw(mean, deviation)
    wanted = roc_auc_score(truth, probabilities)
    for positives in (truth, probabilities):
        assert count_ranks(probabilities, positives).compute_roc_auc() == pytest.approx(wanted, abs=0.005)


def test_one_probability_in_each_bin_is_exact() -> None:
    values = np.append(EDGES, 0.001)
    probabilities = np.tile(values, 50)
    truth = (np.random.default_rng(2).random(len(probabilities)) < probabilities).astype(float)
    counts = count_ranks(probabilities, truth)
    # a tie counts half for scikit-learn
    exact = roc_auc_score(truth, probabilities)
    pairs = counts.positives.sum() * counts.negatives.sum()
    same = float(counts.positives @ counts.negatives) / pairs
    got = counts.compute_roc_auc()
    assert got is not None
    assert exact < got < exact + 0.1 * same


def test_a_reversed_model_is_worse_than_chance() -> None:
    probabilities, truth = draw(0, 3, 5000)
    auc = count_ranks(probabilities, 1 - truth).compute_roc_auc()
    assert auc is not None
    assert auc < 0.12


@pytest.mark.parametrize("truth", [0.0, 1.0])
def test_one_class_has_no_result(truth: float) -> None:
    assert count_ranks(np.array([0.2, 0.7]), np.full(2, truth)).compute_roc_auc() is None


def test_counts_add_up() -> None:
    probabilities, truth = draw(-1, 2, 1000)
    total: RankCounts | None = None
    for part in np.array_split(np.arange(1000), 7):
        total = count_ranks(probabilities[part], truth[part]).add(total)
    assert total is not None
    whole = count_ranks(probabilities, truth)
    assert total.positives.tolist() == whole.positives.tolist()
    assert total.negatives_below.tolist() == pytest.approx(whole.negatives_below.tolist())
    assert len(total.positives) == len(RANK_BINS) == len(set(RANK_BINS))
