"""The population of the benchmark has no drift but by chance, and what drifts is seen."""

import numpy as np
import pytest
from benchmarks.false_alarms import Population, Rates, detect_with_ours

from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.domain.schema import FeatureSchema, Field, Kind
from servicio_ml.features.window_drift import evaluate_drift

ROWS, DAYS = 12_000, 365
SCHEMA = FeatureSchema(
    fields=(
        Field(name="day", kind=Kind.DATE, column="d", description="d", example="2015-01-01"),
        Field(name="warmth", kind=Kind.NUMBER, column="w", description="w", example=0.0, nullable=True),
    )
)


@pytest.fixture(scope="module")
def population() -> Population:
    """Days of one year, summer and winter far apart."""
    rng = np.random.default_rng(0)
    day = rng.integers(0, DAYS, ROWS).astype(float)
    warmth = rng.normal(size=ROWS) + 5 * np.cos(2 * np.pi * day / DAYS)
    warmth[rng.random(ROWS) < 0.1] = np.nan
    return Population("year", SCHEMA, np.stack([day, warmth], axis=1), DriftPolicy(season="day"))


def test_a_window_and_its_reference_are_the_population(population: Population) -> None:
    rows = population.draw_anywhere(500, np.random.default_rng(1))
    reference, counts = population.draw_window(rows)
    assert counts.rows == 500
    assert reference.seasons["all"].rows == ROWS - 500
    months = [season.rows for name, season in reference.seasons.items() if name != "all"]
    assert sum(months) == ROWS - 500
    [_, warmth] = [np.array(shares) for shares in reference.seasons["all"].shares[:2]]
    whole = population.profile.features[1].count(population.matrix[:, 1])
    bins = len(whole)
    left = warmth * (ROWS - 500 + bins / 2) - 0.5
    assert np.allclose(left + counts.columns[1], whole)


def test_two_months_are_each_compared_with_themselves(population: Population) -> None:
    rng = np.random.default_rng(2)
    windows = [population.draw_two_months(400, rng) for _ in range(40)]
    assert {len(np.unique(population.month[rows])) for rows in windows} == {2}
    floored, bare = detect_with_ours(population, windows)
    assert floored.any <= bare.any <= 0.2
    # by the months of all rows any two of them are drift
    blind = Population("blind", SCHEMA, population.matrix, DriftPolicy())
    assert detect_with_ours(blind, windows)[0].any == 1


def test_warmer_rows_are_drift(population: Population) -> None:
    rows = population.draw_anywhere(500, np.random.default_rng(3))
    reference, _ = population.draw_window(rows)
    moved = population.matrix[rows].copy()
    moved[:, 1] += 2
    counts = Population("moved", SCHEMA, population.matrix, reference.policy).draw_window(rows)[1]
    assert not evaluate_drift(reference, counts).features[1].drifted
    columns = [*reference.count(moved), counts.columns[-1]]
    assert (
        evaluate_drift(reference, type(counts)(columns=columns, seasons=counts.seasons)).features[1].drifted
    )


def test_rates() -> None:
    verdicts = [[True, True, True, False], [False] * 4, [True, False, False, False], [False] * 4]
    rates = Rates.from_rows(verdicts, share=0.5)
    assert (rates.any, rates.column, rates.dataset) == (0.5, 0.25, 0.25)
