"""How far a window's performance varies by chance, beside a bootstrap."""

from collections.abc import Callable

import numpy as np
import pytest

from servicio_ml.domain.policy import MIN_DEVIATIONS, DriftPolicy
from servicio_ml.features.bins import ColumnBins
from servicio_ml.features.comparison import LabelledSample
from servicio_ml.features.output import Predictions
from servicio_ml.features.profile import ReferenceProfile, SeasonProfile
from servicio_ml.pipeline.drift.expectation import WindowExpectation
from servicio_ml.pipeline.drift.performance import (
    compute_confusion_scores,
    compute_f1_macro_variance,
    compute_performance,
)

RESAMPLES = 4000
CONFUSIONS = {
    "two classes": np.array([[800.0, 90], [40, 170]]),
    "three classes": np.array([[300.0, 40, 5], [60, 200, 30], [2, 25, 110]]),
    "never predicted": np.array([[700.0, 150], [0, 0]]),
    "a class that never was": np.array([[500.0, 60, 0], [70, 240, 0], [0, 0, 0]]),
}


@pytest.mark.parametrize("name", CONFUSIONS)
def test_the_variance_of_f1_is_that_of_a_bootstrap(name: str) -> None:
    confusion, random = CONFUSIONS[name], np.random.default_rng(1)
    rows = int(confusion.sum())
    drawn = random.multinomial(rows, confusion.ravel() / rows, size=RESAMPLES)
    scores = [compute_confusion_scores(each.reshape(confusion.shape))["f1_macro"] for each in drawn]
    # the standard error of a bootstrap's deviation is about 1 % of this number of resamples
    assert np.sqrt(compute_f1_macro_variance(confusion)) == pytest.approx(np.std(scores), rel=0.05)


def test_f1_without_a_right_answer_does_not_vary() -> None:
    assert compute_f1_macro_variance(np.array([[0.0, 50], [60, 0]])) == 0


def build_reference(effect: float, **performance: float) -> ReferenceProfile:
    bins = ColumnBins(name="prediction", edges=(0.0,), labels=("low", "high", "missing"))
    season = SeasonProfile(rows=1000, shares=((0.5, 0.4, 0.1),), performance=performance)
    policy = DriftPolicy(design_effect=effect, max_mae_growth=0.25, max_f1_macro_loss=0.1)
    return ReferenceProfile(features=(), prediction=bins, seasons={"all": season}, policy=policy)


def label_classes(rows: int, share: float) -> LabelledSample:
    """Rows of two equal classes, of which a share of each is predicted right."""
    truth = np.arange(rows) % 2
    right = np.arange(rows) // 2 < rows * share / 2
    return LabelledSample(
        truth=truth.astype(float),
        answers=Predictions(
            outcomes=np.where(right, truth, 1 - truth).astype(float), probabilities=np.full((rows, 2), 0.5)
        ),
    )


def label_numbers(rows: int, share: float) -> LabelledSample:
    """Rows of which a share has the error 100, and the others none."""
    errors = np.where(np.arange(rows) < rows * share, 100.0, 0.0)
    return LabelledSample(truth=errors, answers=Predictions(outcomes=np.zeros(rows)))


@pytest.mark.parametrize(
    ("label", "metric", "share"),
    [(label_classes, "f1_macro", 0.8), (label_numbers, "mae", 0.25)],
    ids=["F1", "absolute error"],
)
@pytest.mark.parametrize("effect", [1.0, 4.0])
def test_a_loss_must_be_more_than_chance(
    label: Callable[[int, float], LabelledSample], metric: str, share: float, effect: float
) -> None:
    """The limits are a share of .8 right and of .25 wrong: its deviation is √(share (1 - share) / rows)."""
    rows = 4000
    reference = build_reference(effect, **{metric: 0.9 if metric == "f1_macro" else 20, "accuracy": 0.5})
    chance = MIN_DEVIATIONS * np.sqrt(effect * share * (1 - share) / rows)
    away = -1 if metric == "f1_macro" else 1
    for distance, beyond in ((0.9, False), (1.1, True)):
        truths = label(rows, share + away * distance * chance)
        classes = 2 if metric == "f1_macro" else 0
        found = compute_performance(
            reference, np.array([rows]), WindowExpectation(confusion=np.zeros((classes, classes))), truths
        )
        [mine] = [each for each in found if each.metric == metric]
        assert mine.beyond is beyond
