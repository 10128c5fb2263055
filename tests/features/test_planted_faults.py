"""A fault planted in 1,000 rows is drift in every kind of column; rows without a fault are not."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from servicio_ml.domain.drift import measure_drift
from servicio_ml.domain.policy import DriftPolicy
from servicio_ml.domain.schema import Field, Kind
from servicio_ml.features.bins import build_field_bins
from servicio_ml.features.profile import smooth

Floats = npt.NDArray[np.float32]
Change = Callable[[Floats], Floats]
TRAINING_ROWS, WINDOW_ROWS = 20_000, 1000
RANDOM = np.random.default_rng(5)
POLICY = DriftPolicy()


def build_field(kind: Kind, **details: Any) -> Field:
    example = details.get("levels", (1,))[0]
    return Field(name="x", kind=kind, column="x", description="x", example=example, **details)


def draw(values: npt.NDArray[Any]) -> Floats:
    return values.astype(np.float32)


def hit(share: float) -> npt.NDArray[np.bool_]:
    return RANDOM.random(TRAINING_ROWS) < share


NUMBER = build_field(Kind.NUMBER, nullable=True)
FLAG = build_field(Kind.INTEGER, minimum=0, maximum=1)
COUNT = build_field(Kind.INTEGER, minimum=0)
LEVELS = build_field(Kind.CATEGORY, levels=("a", "b", "c"))
NORMAL = draw(RANDOM.normal(20, 5, TRAINING_ROWS))
RARE_ONES = draw(hit(0.05))
MANY_ZEROS = draw(np.where(hit(0.93), 0, RANDOM.lognormal(1, 1, TRAINING_ROWS)))
FEW_COUNTS = draw(RANDOM.poisson(0.05, TRAINING_ROWS))
CONSTANT = draw(np.full(TRAINING_ROWS, 5))
RARE_LEVEL = draw(np.where(hit(0.01), 2, hit(0.4)))


def set_to(value: float) -> Change:
    return lambda rows: np.full_like(rows, value)


def measure(field: Field, training: Floats, window: Floats) -> bool:
    bins = build_field_bins(field, training, POLICY.bins)
    found = measure_drift(
        bins.count(window).tolist(),
        smooth(bins.count(training)).tolist(),
        reference_rows=TRAINING_ROWS,
        columns=20,
        policy=POLICY,
    )
    assert found is not None
    return found.drifted


@pytest.mark.parametrize(
    ("field", "training", "change"),
    [
        pytest.param(FLAG, RARE_ONES, set_to(1), id="a flag that is always 1"),
        pytest.param(FLAG, RARE_ONES, lambda rows: 1 - rows, id="a flag that is inverted"),
        pytest.param(NUMBER, RARE_ONES, set_to(1), id="a flag of numbers that is always 1"),
        pytest.param(NUMBER, RARE_ONES, lambda rows: rows * 0.5, id="a flag of another scale"),
        pytest.param(NUMBER, MANY_ZEROS, set_to(3), id="a number without its zeros"),
        pytest.param(NUMBER, MANY_ZEROS, lambda rows: rows + np.float32(0.01), id="zeros that are moved"),
        pytest.param(NUMBER, MANY_ZEROS, set_to(0), id="zeros alone"),
        pytest.param(NUMBER, MANY_ZEROS, lambda rows: rows * 25, id="the few values in another unit"),
        pytest.param(COUNT, FEW_COUNTS, set_to(1), id="a rare count that is the rule"),
        pytest.param(NUMBER, CONSTANT, set_to(4), id="a constant that is another one"),
        pytest.param(NUMBER, NORMAL, lambda rows: rows * 1.8 + 32, id="a number in another unit"),
        pytest.param(NUMBER, NORMAL, set_to(np.nan), id="a number that is missing"),
        pytest.param(LEVELS, RARE_LEVEL, set_to(2), id="a rare level that is the rule"),
    ],
)  # fmt: skip
def test_a_planted_fault_is_drift(field: Field, training: Floats, change: Change) -> None:
    window = RANDOM.choice(training, WINDOW_ROWS)
    assert measure(field, training, change(window))


@pytest.mark.parametrize(
    ("field", "training"),
    [
        pytest.param(FLAG, RARE_ONES, id="flag"),
        pytest.param(NUMBER, RARE_ONES, id="flag of numbers"),
        pytest.param(NUMBER, MANY_ZEROS, id="many zeros"),
        pytest.param(COUNT, FEW_COUNTS, id="few counts"),
        pytest.param(NUMBER, CONSTANT, id="constant"),
        pytest.param(NUMBER, NORMAL, id="normal"),
        pytest.param(LEVELS, RARE_LEVEL, id="rare level"),
    ],
)
def test_rows_without_a_fault_are_no_drift(field: Field, training: Floats) -> None:
    windows = [RANDOM.choice(training, rows) for rows in (100, 300, WINDOW_ROWS) for _ in range(20)]
    assert sum(measure(field, training, window) for window in windows) == 0
