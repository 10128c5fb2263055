"""Sequential tests: their formulas, and their error rates when the evidence is looked at after every row."""

import itertools
import math

import numpy as np
import pytest
from scipy import integrate, special

from servicio_ml.domain.rollout.sequential import (
    MIN_ROWS,
    TIGHTEST_ROWS,
    Trials,
    compute_half_width,
    compute_mixture_variance,
    compute_rate_evidence,
)

ERRORS = (0.05, 0.01, 0.002)
ROWS = (200, 1000, 2000, 20_000, 1_000_000)
CASES = list(itertools.product(ERRORS, ROWS))


def compute_best_variance(error: float, rows: float) -> float:
    """Variance of the mixture that is best at a number of rows, of appendix B.2, with Lambert's W."""
    doubled = 2 * error
    return float(-special.lambertw(-(doubled**2) * math.exp(-1), -1).real - 1) / rows


def compute_published_radius(rows: float, error: float, variance: float) -> float:
    """Radius of the two-sided asymptotic confidence sequence, theorem 2.2."""
    spread = rows * variance + 1
    return math.sqrt(2 * spread / (rows**2 * variance) * math.log(math.sqrt(spread) / error))


def compute_published_boundary(rows: float, error: float, variance: float) -> float:
    """Boundary of a sum, one-sided normal mixture (Howard et al. 2021, closed form of proposition 5)."""
    rho = 1 / variance
    return math.sqrt(2 * (rows + rho) * math.log(1 + 1 / (2 * error) * math.sqrt((rows + rho) / rho)))


@pytest.mark.parametrize(("error", "rows"), CASES)
def test_the_half_width_is_that_of_the_published_one_sided_boundary(error: float, rows: int) -> None:
    published = compute_published_boundary(rows, error, compute_mixture_variance(error)) / rows
    assert compute_half_width(rows, error) == pytest.approx(published)


@pytest.mark.parametrize("error", ERRORS)
def test_the_variance_of_the_mixture_is_nearly_the_best(error: float) -> None:
    """Appendix B.2 gives the closed form as an approximation of Lambert's W."""
    best = compute_best_variance(error, TIGHTEST_ROWS)
    assert compute_mixture_variance(error) == pytest.approx(best, rel=0.3)
    width = compute_published_boundary(TIGHTEST_ROWS, error, best) / TIGHTEST_ROWS
    assert compute_half_width(TIGHTEST_ROWS, error) == pytest.approx(width, rel=0.01)


@pytest.mark.parametrize(("error", "rows"), CASES)
def test_it_is_slightly_wider_than_the_two_sided_one_at_twice_the_error(error: float, rows: int) -> None:
    radius = compute_published_radius(rows, 2 * error, compute_mixture_variance(error))
    assert radius < compute_half_width(rows, error) < 1.03 * radius


@pytest.mark.parametrize(("error", "rows"), CASES)
def test_the_mixture_of_likelihood_ratios_reaches_its_limit_at_the_boundary(error: float, rows: int) -> None:
    """Half-normal mixture of `exp(m S - m² n / 2)`: a martingale, so 1 / error bounds its chance (Ville).

    The closed form lies above the exact boundary, by little.
    """
    deviation = math.sqrt(compute_mixture_variance(error))
    total = rows * compute_half_width(rows, error)

    def weigh(mean: float) -> float:
        density = math.sqrt(2 / math.pi) / deviation * math.exp(-((mean / deviation) ** 2) / 2)
        return density * math.exp(mean * total - mean**2 * rows / 2)

    peak = total / (rows + 1 / deviation**2)
    end = peak + 12 / math.sqrt(rows)
    mixture, _ = integrate.quad(weigh, 0, end, points=[peak], limit=200)
    assert 1 / error <= mixture * 1.001
    assert mixture <= 1.25 / error


def test_it_is_tightest_where_it_is_meant_to_be() -> None:
    rows = np.arange(500, 8000, 50)
    relative = [compute_half_width(int(each), 0.01) * math.sqrt(each) for each in rows]
    assert rows[int(np.argmin(relative))] == pytest.approx(TIGHTEST_ROWS, rel=0.1)


def test_too_few_rows_have_no_bound() -> None:
    assert compute_half_width(MIN_ROWS - 0.001, 0.05) == math.inf
    assert compute_half_width(MIN_ROWS, 0.05) < 0.3
    assert compute_half_width(0, 0.05) == math.inf


@pytest.mark.parametrize("shape", ["normal", "exponential", "rare"])
def test_a_mean_is_beyond_its_bound_at_any_time_as_rarely_as_declared(shape: str) -> None:
    """2,000 streams of 4,000 rows, looked at after every row, on either side."""
    rng, runs, rows, error = np.random.default_rng(5), 2000, 4000, 0.05
    values = rng.random((runs, rows))
    if shape == "normal":
        values = rng.normal(size=(runs, rows))
    elif shape == "exponential":
        values = rng.exponential(size=(runs, rows)) - 1
    else:
        values = np.where(values < 0.2, 0.8, -0.2)
    number = np.arange(1, rows + 1)
    mean = values.cumsum(axis=1) / number
    deviation = np.sqrt(np.maximum((values**2).cumsum(axis=1) / number - mean**2, 0))
    widths = np.array([compute_half_width(int(each), error) for each in number])
    with np.errstate(invalid="ignore"):
        scaled = widths * deviation
    for beyond in ((mean > scaled).any(axis=1), (mean < -scaled).any(axis=1)):
        assert 0.005 < beyond.mean() < error + 3 * math.sqrt(error / runs)


@pytest.mark.parametrize("above", [True, False], ids=["above", "below"])
@pytest.mark.parametrize("limit", [0.005, 0.1, 0.5])
@pytest.mark.parametrize("trials", [0, 1, 17, 400])
def test_the_expected_evidence_is_1_at_the_limit(trials: int, limit: float, *, above: bool) -> None:
    hits = np.arange(trials + 1)
    chance = special.comb(trials, hits) * limit**hits * (1 - limit) ** (trials - hits)
    evidence = [compute_rate_evidence(Trials(trials=trials, hits=int(k)), limit, above=above) for k in hits]
    assert float(chance @ np.array(evidence)) == pytest.approx(1)


def compute_crossing_chance(
    rate: float, limit: float, threshold: float, *, above: bool, trials: int
) -> float:
    """Compute the exact probability that the evidence ever reaches a threshold, over all sequences."""
    alive, crossed = np.array([1.0]), 0.0
    for number in range(1, trials + 1):
        alive = np.append(alive * (1 - rate), 0) + np.append(0, alive * rate)
        for hits in np.flatnonzero(alive):
            counts = Trials(trials=number, hits=int(hits))
            if compute_rate_evidence(counts, limit, above=above) >= threshold:
                crossed += alive[hits]
                alive[hits] = 0.0
    return crossed


@pytest.mark.parametrize(
    ("limit", "above"), [(0.02, True), (0.02, False), (0.5, True), (0.5, False)], ids=str
)
def test_a_rate_within_its_limit_is_beyond_it_as_rarely_as_declared(limit: float, *, above: bool) -> None:
    """Exact: every sequence of 250 trials, looked at after each one."""
    error = 0.05
    at_limit = compute_crossing_chance(limit, limit, 1 / error, above=above, trials=250)
    assert error / 20 < at_limit <= error
    inside = limit * (0.8 if above else 1.2)
    assert compute_crossing_chance(inside, limit, 1 / error, above=above, trials=250) < at_limit
    outside = limit * 4 if above and limit < 0.5 else 0.9 if above else limit / 8
    assert compute_crossing_chance(outside, limit, 1 / error, above=above, trials=250) > 0.5


def test_overwhelming_evidence_is_a_finite_number() -> None:
    everything = Trials(trials=10_000_000, hits=10_000_000)
    assert math.isfinite(compute_rate_evidence(everything, 0.005, above=True))
    assert compute_rate_evidence(everything, 0.005, above=False) == 0
    assert compute_rate_evidence(Trials(trials=10_000_000), 0.5, above=False) > 1e100


def test_trials_are_added() -> None:
    assert Trials(trials=3, hits=1) + Trials(trials=4, hits=2) == Trials(trials=7, hits=3)
