"""Experiments in simulation; `python -m benchmarks.experiments` prints two Markdown tables.

Coverage: how often the interval of any version ever misses the true effect, when it is looked at after every
batch, with fixed shares and with those of a bandit; values may grow while the shares change. Beside it the
same bounds of pooled means, and an ordinary 95 % interval of the pooled means.

Regret: sum over the rows of what the best version would have gained more, in conversions: for shares that
stay equal, for Thompson sampling, and where the best version is known and the others have their minimum.

All intervals and shares are computed by the functions of the servers; the ground truth of a batch is known
before the next one.
"""

import argparse
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import chain
from random import Random

import numpy as np
import numpy.typing as npt

from servicio_ml.domain.experiments.design import Bandit, ExperimentDesign, ExperimentMetric
from servicio_ml.domain.experiments.effects import (
    WeightedMeans,
    compute_improvement_bounds,
    weigh_means,
)
from servicio_ml.domain.experiments.outcome_sums import OutcomeSums, OutcomeTable
from servicio_ml.domain.experiments.thompson import compute_bandit_shares, needs_change

CHAMPION, OTHERS = 1, (2, 3)
VERSIONS = (CHAMPION, *OTHERS)
BATCHES, BATCH_ROWS = 30, 1000
DRAWS = 150
"""Draws from the posteriors; fewer than those of a server, for time."""
Z_95 = 1.96
TREND = 2.0
"""Growth of the values from the first to the last batch, in standard deviations of a row."""
MIN_SHARE = 0.05
EFFECTS = (0.005, 0.01, 0.02, 0.05)
BASE_RATE = 0.1
CURVE = (0.1, 0.3, 0.6, 1.0)
"""Shares of the rows after which the regret is shown."""
DrawSums = Callable[[np.random.Generator, int, int, float], OutcomeSums]
"""Draws the outcomes of a version: its number of rows, and the time from 0 to 1."""
DESIGN = ExperimentDesign(
    shares=dict.fromkeys(OTHERS, 1 / 3), metric=ExperimentMetric.TRUTH, greater_is_better=True,
    minimum_effect=0.01,
)  # fmt: skip
DESIGNS = {
    "equal": DESIGN,
    "Thompson": replace(DESIGN, bandit=Bandit.THOMPSON, min_share=MIN_SHARE),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OutcomePopulation:
    """Outcomes of all versions.

    Attributes:
        name: Name in the report.
        effects: True improvement of each version besides the champion.
        is_share: Whether each value is 0 or 1.
        draw: Draws outcomes.
    """

    name: str
    effects: Mapping[int, float]
    is_share: bool
    draw: DrawSums


def build_rates(base: float, gains: Mapping[int, float], name: str = "") -> OutcomePopulation:
    """Build a population of conversions."""

    def draw(rng: np.random.Generator, version: int, rows: int, _: float) -> OutcomeSums:
        hits = int(rng.binomial(rows, base + gains.get(version, 0.0)))
        return OutcomeSums(rows=rows, total=hits, squares=hits)

    return OutcomePopulation(name=name or f"conversion {base:.0%}", effects=gains, is_share=True, draw=draw)


def build_revenues(gains: Mapping[int, float], trend: float, name: str) -> OutcomePopulation:
    """Build a population of skewed values with a variance of 1, which grow by a trend."""

    def draw(rng: np.random.Generator, version: int, rows: int, time: float) -> OutcomeSums:
        values = rng.exponential(size=rows) + trend * time + gains.get(version, 0.0)
        return OutcomeSums(rows=rows, total=float(values.sum()), squares=float(values @ values))

    return OutcomePopulation(name=name, effects=gains, is_share=False, draw=draw)


NO_EFFECT = dict.fromkeys(OTHERS, 0.0)
POPULATIONS = (
    build_rates(0.02, NO_EFFECT, "conversion 2 %, none better"),
    build_rates(0.1, {2: 0.01, 3: -0.01}, "conversion 10 %, ±1 %"),
    build_revenues(NO_EFFECT, 0.0, "value, none better"),
    build_revenues({2: 0.1, 3: -0.1}, 0.0, "value, ±0.1"),
    build_revenues({2: 0.1, 3: -0.1}, TREND, "value, ±0.1, with a trend"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """Number of rows of each version in a batch, and all outcomes so far."""

    rows: Mapping[int, int]
    outcomes: OutcomeTable


def run_batches(
    population: OutcomePopulation, design: ExperimentDesign, seed: int, draws: int = DRAWS
) -> Iterator[BatchState]:
    """Simulate one experiment, batch by batch.

    Args:
        population: Outcomes of the versions.
        design: Design of the experiment.
        seed: Seed of the random numbers.
        draws: Draws of the bandit from the posteriors.
    """
    rng, random = np.random.default_rng(seed), Random(seed)  # noqa: S311  no secret
    phases: list[Mapping[int, OutcomeSums]] = [{version: OutcomeSums() for version in VERSIONS}]
    shares: Mapping[int, float] = design.shares
    for batch in range(BATCHES):
        weights = [1 - math.fsum(shares.values()), *(shares[version] for version in OTHERS)]
        rows = dict(zip(VERSIONS, rng.multinomial(BATCH_ROWS, weights).tolist(), strict=True))
        phases[-1] = {
            version: sums + population.draw(rng, version, rows[version], batch / BATCHES)
            for version, sums in phases[-1].items()
        }
        outcomes = OutcomeTable(phases=phases)
        yield BatchState(rows=rows, outcomes=outcomes)
        wanted = _choose_shares(population, design, outcomes, random, draws)
        if wanted is not None and needs_change(shares, wanted):
            shares = wanted
            phases.append({version: OutcomeSums() for version in VERSIONS})


def _choose_shares(
    population: OutcomePopulation,
    design: ExperimentDesign,
    outcomes: OutcomeTable,
    random: Random,
    draws: int,
) -> Mapping[int, float] | None:
    if design.bandit is Bandit.NONE:
        return None
    sums = {version: outcomes.sum_version(version) for version in VERSIONS}
    return compute_bandit_shares(
        design, CHAMPION, sums, random, is_share=population.is_share, draws=draws
    )  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Shares of the runs in which an interval ever missed the true effect.

    Attributes:
        ours: By the bounds of the servers.
        pooled: By the same bounds of the pooled means.
        ordinary: By an ordinary 95 % interval of the pooled means.
        width: Median width of our interval at the end.
    """

    ours: float
    pooled: float
    ordinary: float
    width: float


def measure_coverage(population: OutcomePopulation, design: ExperimentDesign, runs: int) -> Coverage:
    """Measure how often the intervals of any version ever miss its effect."""
    missed, widths = np.zeros((runs, 3), dtype=bool), []
    for run in range(runs):
        for state in run_batches(population, design, run):
            missed[run] |= _find_misses(population, design, state.outcomes)
        low, high = _limit_phases(population, design, state.outcomes, OTHERS[0])
        widths.append(high - low)
    ours, pooled, ordinary = missed.mean(axis=0).tolist()
    return Coverage(ours=ours, pooled=pooled, ordinary=ordinary, width=float(np.median(widths)))


def _find_misses(
    population: OutcomePopulation, design: ExperimentDesign, outcomes: OutcomeTable
) -> npt.NDArray[np.bool_]:
    """Return whether each kind of interval misses the effect of any version, `[3]`."""
    missed = np.zeros(3, dtype=bool)
    for version, effect in population.effects.items():
        pooled = _weigh_pooled(population, outcomes, version)
        bounds = (
            _limit_phases(population, design, outcomes, version),
            compute_improvement_bounds(design, pooled),
            _limit_ordinary(pooled),
        )
        missed |= np.array([not low <= effect <= high for low, high in bounds])
    return missed


def _limit_phases(
    population: OutcomePopulation, design: ExperimentDesign, outcomes: OutcomeTable, version: int
) -> tuple[float, float]:
    arm, control = outcomes.list_sums(version), outcomes.list_sums(CHAMPION)
    return compute_improvement_bounds(design, weigh_means(arm, control, is_share=population.is_share))


def _weigh_pooled(population: OutcomePopulation, outcomes: OutcomeTable, version: int) -> WeightedMeans:
    arm, control = outcomes.sum_version(version), outcomes.sum_version(CHAMPION)
    return weigh_means([arm], [control], is_share=population.is_share)


def _limit_ordinary(pooled: WeightedMeans) -> tuple[float, float]:
    variance = (pooled.variance + pooled.champion_variance) / pooled.weight
    difference, half = pooled.mean - pooled.champion, Z_95 * math.sqrt(variance)
    return difference - half, difference + half


@dataclass(frozen=True, slots=True, kw_only=True)
class RegretCurve:
    """Mean regret of the runs, in conversions, after each share of the rows in `CURVE`.

    Attributes:
        regrets: Mean regret.
        best_share: Mean share of the rows of the last batch that the best version answers.
        decided: Share of the runs whose interval shows at the end that the best version is better.
    """

    regrets: Sequence[float]
    best_share: float
    decided: float


def measure_regret(gain: float, design: ExperimentDesign, runs: int) -> RegretCurve:
    """Measure the regret where one version converts more often than the others, by `gain`."""
    best, population = OTHERS[-1], build_rates(BASE_RATE, {OTHERS[-1]: gain})
    regrets, shares, decided = np.zeros((runs, BATCHES)), np.zeros(runs), 0
    for run in range(runs):
        for batch, state in enumerate(run_batches(population, design, run)):
            regrets[run, batch] = gain * (BATCH_ROWS - state.rows[best])
        shares[run] = state.rows[best] / BATCH_ROWS
        decided += _limit_phases(population, design, state.outcomes, best)[0] > 0
    curve = regrets.cumsum(axis=1).mean(axis=0)
    return RegretCurve(
        regrets=[float(curve[round(BATCHES * share) - 1]) for share in CURVE],
        best_share=float(shares.mean()),
        decided=decided / runs,
    )


def print_coverage(runs: int) -> Iterator[str]:
    """Print the table of the coverage."""
    yield (
        "| metric | shares | missed by the interval | by pooled means | by an ordinary interval "
        "| width at the end |"
    )
    yield "|---" * 6 + "|"
    for population in POPULATIONS:
        for name, design in DESIGNS.items():
            found = measure_coverage(population, design, runs)
            shown = (f"{each:.1%}" for each in (found.ours, found.pooled, found.ordinary))
            yield f"| {population.name} | {name} | {' | '.join(shown)} | {found.width:.4f} |"


def print_regret(runs: int) -> Iterator[str]:
    """Print the table of the regret."""
    rows = (f"{BATCHES * BATCH_ROWS * share:,.0f} rows" for share in CURVE)
    yield f"| effect | shares | {' | '.join(rows)} | best version at the end | shown to be better |"
    yield "|---" * (4 + len(CURVE)) + "|"
    for gain in EFFECTS:
        for name, design in DESIGNS.items():
            found = measure_regret(gain, design, runs)
            shown = " | ".join(f"{each:.0f}" for each in found.regrets)
            shares = f"{found.best_share:.0%} | {found.decided:.0%}"
            yield f"| +{gain:.1%} | {name} | {shown} | {shares} |"
        lowest = gain * MIN_SHARE * len(OTHERS) * BATCHES * BATCH_ROWS
        shown = " | ".join(f"{lowest * share:.0f}" for share in CURVE)
        yield f"| +{gain:.1%} | best known | {shown} | {1 - MIN_SHARE * len(OTHERS):.0%} | |"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=(__doc__ or "").splitlines()[0], prog="benchmarks.experiments"
    )
    parser.add_argument("--runs", type=int, default=2000, help="of each line of the coverage")
    parser.add_argument("--regret-runs", type=int, default=200, help="of each line of the regret")
    given = parser.parse_args()
    for line in chain(print_coverage(given.runs), [""], print_regret(given.regret_runs)):
        print(line, flush=True)


if __name__ == "__main__":
    main()
