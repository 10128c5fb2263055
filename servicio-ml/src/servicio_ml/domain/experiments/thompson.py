"""Thompson sampling: each version gets as many clients as it has probability of being the best.

Thompson 1933, "On the likelihood that one unknown probability exceeds another"; in batches, as shares:
Scott 2010, "A modern Bayesian look at the multi-armed bandit". Rows of all times weigh alike.
"""

import math
from collections.abc import Callable, Mapping
from random import Random

from servicio_ml.domain.experiments.design import ExperimentDesign
from servicio_ml.domain.experiments.outcome_sums import OutcomeSums

DRAWS = 10_000
"""Draws from the posteriors; the standard error of a probability is .005 or less."""
MIN_ARM_ROWS = 30
"""Minimum number of rows with ground truth of each version before the shares change."""
SHARE_DIGITS = 3
MIN_SHARE_CHANGE = 0.02
"""Minimum change of a share: a smaller one may be chance of the draws, and would move clients for nothing."""
DrawMean = Callable[[], float]


def compute_bandit_shares(
    design: ExperimentDesign,
    champion: int,
    sums: Mapping[int, OutcomeSums],
    random: Random,
    *,
    is_share: bool,
    draws: int = DRAWS,
) -> Mapping[int, float] | None:
    """Compute the shares of the versions besides the champion; None with too few rows.

    Args:
        design: Design of the experiment.
        champion: Version that gets the rest.
        sums: Outcomes of each version, the champion included.
        random: Random numbers.
        is_share: Whether each value is 0 or 1.
        draws: Draws from the posteriors.
    """
    if min(each.rows for each in sums.values()) < MIN_ARM_ROWS:
        return None
    best = compute_best_probabilities(design, sums, random, is_share=is_share, draws=draws)
    free = 1 - design.min_share * len(sums)
    return {
        version: round(design.min_share + free * probability, SHARE_DIGITS)
        for version, probability in best.items()
        if version != champion
    }


def needs_change(present: Mapping[int, float], wanted: Mapping[int, float]) -> bool:
    """Whether shares differ enough to be changed."""
    return any(abs(share - present[version]) >= MIN_SHARE_CHANGE for version, share in wanted.items())


def compute_best_probabilities(
    design: ExperimentDesign,
    sums: Mapping[int, OutcomeSums],
    random: Random,
    *,
    is_share: bool,
    draws: int = DRAWS,
) -> Mapping[int, float]:
    """Estimate the probability that each version has the best mean.

    Posterior of a share: Beta(1 + hits, 1 + misses), from a uniform prior. Posterior of another mean:
    normal, from a prior that weighs as much as one row with the mean and variance of all rows. Rows that are
    alike count less, by the design effect.
    """
    build = _build_share_posterior if is_share else _create_normal_builder(sums)
    posteriors = {
        version: build(each, each.rows / design.design_effect, random) for version, each in sums.items()
    }
    wins = dict.fromkeys(posteriors, 0)
    for _ in range(draws):
        drawn = {version: design.sign * draw() for version, draw in posteriors.items()}
        wins[max(drawn, key=drawn.__getitem__)] += 1
    return {version: number / draws for version, number in wins.items()}


def _build_share_posterior(sums: OutcomeSums, rows: float, random: Random) -> DrawMean:
    hits = rows * sums.mean
    return lambda: random.betavariate(1 + hits, 1 + rows - hits)


def _create_normal_builder(
    sums: Mapping[int, OutcomeSums],
) -> Callable[[OutcomeSums, float, Random], DrawMean]:
    every = sum(sums.values(), OutcomeSums())
    prior_mean, prior_variance = every.mean, every.deviations / every.rows

    def build_posterior(arm: OutcomeSums, rows: float, random: Random) -> DrawMean:
        variance = arm.deviations / (arm.rows - 1) or prior_variance
        if not variance:
            # all rows of all versions have one value
            return random.random
        precision = 1 / prior_variance + rows / variance
        mean = (prior_mean / prior_variance + rows * arm.mean / variance) / precision
        return lambda: random.gauss(mean, math.sqrt(1 / precision))

    return build_posterior
