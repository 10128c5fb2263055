"""Ground truth has the limits that the target has in files: one table for both."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from orchard_use_case import build_price_use_case, build_row, transform_file, write_csv
from servicio_ml.domain.use_case import Target
from servicio_ml.errors import InvalidError
from servicio_ml.features.output import OutputTransform
from servicio_ml.pipeline.reading.transform import REASON, VALUE
from servicio_ml.serving.prediction.actual_values import parse_actual_values

REGRESSION = OutputTransform(task="regression")
BINARY = OutputTransform(task="binary", labels=("no", "yes"))
BOUNDS = [(0, 100), (1, None), (None, -1), (None, None)]
NUMBERS = {
    "0": (0.0, None, None, 0.0),
    "1": (1.0, 1.0, None, 1.0),
    "0.9999999999": (0.9999999999, None, None, 0.9999999999),
    "100": (100.0, 100.0, None, 100.0),
    "100.00000001": (None, 100.00000001, None, 100.00000001),
    "-1": (None, None, -1.0, -1.0),
    "-0.5": (None, None, None, -0.5),
    "1e300": (None, None, None, None),
    "1e39": (None, None, None, None),
    "-1e39": (None, None, None, None),
    "3.4028235e38": (None, 3.4028235e38, None, 3.4028235e38),
    "-3.4028235e38": (None, None, -3.4028235e38, -3.4028235e38),
    "3.4028236e38": (None, None, None, None),
}
"""Values of a text by the bounds of the target; None where it is refused."""


def parse(output: OutputTransform, actual: object) -> Any:
    try:
        return parse_actual_values("small", output, [actual])[0]
    except InvalidError as error:
        (fault,) = error.faults
        assert (fault.row, fault.field, fault.value) == (0, "actual", actual)
        return None


@pytest.mark.parametrize(("place", "bounds"), [*enumerate(BOUNDS)], ids=map(str, BOUNDS))
def test_ground_truth_has_the_bounds_of_the_target_in_files(
    place: int, bounds: tuple[float | None, float | None], tmp_path: Path
) -> None:
    low, high = bounds
    expected = [values[place] for values in NUMBERS.values()]
    output = OutputTransform(task="regression", minimum=low, maximum=high)
    assert [parse(output, json.loads(text)) for text in NUMBERS] == expected
    target = Target(name="price", column="Ripe", description="Price", minimum=low, maximum=high)
    source = write_csv(tmp_path / "a.csv", [build_row(Ripe=text) for text in NUMBERS])
    (tmp_path / "work").mkdir()
    rows = transform_file(source, build_price_use_case(target=target), tmp_path / "work")
    assert rows[VALUE].to_list() == expected
    assert [reason is None for reason in rows[REASON]] == [value is not None for value in expected]


@pytest.mark.parametrize(
    ("output", "actual", "reason", "allowed"),
    [
        (REGRESSION, 1e39, "range", "a number within ±3.4028235e38"),
        (REGRESSION, math.nan, "range", "a number within ±3.4028235e38"),
        (REGRESSION, math.inf, "range", "a number within ±3.4028235e38"),
        (REGRESSION, 10**400, "range", "a number within ±3.4028235e38"),
        (REGRESSION, "1", "type", "a number within ±3.4028235e38"),
        (REGRESSION, True, "type", "a number within ±3.4028235e38"),
        (REGRESSION, None, "type", "a number within ±3.4028235e38"),
        (
            replace(REGRESSION, minimum=1, maximum=1e8, unit="INR"),
            0,
            "range",
            "a number from 1 to 100000000 INR",
        ),
        (replace(REGRESSION, minimum=0), -1, "range", "a number of at least 0"),
        (BINARY, "maybe", "level", "one of no, yes"),
        (BINARY, 1, "type", "one of no, yes"),
    ],
    ids=lambda value: str(value)[:8] if not isinstance(value, OutputTransform) else value.task,
)
def test_a_refused_value_is_named_with_what_is_allowed(
    output: OutputTransform, actual: object, reason: str, allowed: str
) -> None:
    with pytest.raises(InvalidError, match=re.escape(allowed)) as caught:
        parse_actual_values("small", output, [actual])
    assert [(fault.field, fault.reason, fault.allowed) for fault in caught.value.faults] == [
        ("actual", reason, allowed)
    ]
